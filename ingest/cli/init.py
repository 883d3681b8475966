"""`ingest init PATH... --to SYSTEM:TABLE`: a commented job, drafted from the data and the table.

It is written to a file that was not there before (or with `--force` to one that was), and the
schema of job files beside the runs' state, where an editor finds it without a network.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ingest.cli import options as opt
from ingest.cli.errors import ended
from ingest.cli.output import say, write_out
from ingest.display import plural
from ingest.errors import SettingsError
from ingest.state import DEFAULT_STATE_DIR

if TYPE_CHECKING:
    from ingest.build.init import Initialised

EPILOG = """\
[bold]Examples[/bold]

ingest init data/stocks/*.csv --to avalanchio:stock

ingest init trips.ndjson.gz --to aito:trips -o jobs/trips.toml --offline

ingest init export.csv --to avalanchio:customers --set 'source.encoding="cp1252"' -o -

Then look at the file, and: ingest plan stock.toml, ingest run stock.toml
"""
SCHEMA_NAME = "job.schema.json"
SECTIONS = ("source", "target")


@ended
def init(  # noqa: PLR0913, PLR0917 - a parameter for each option
    paths: Annotated[
        list[str], typer.Argument(metavar="PATH...", help="Files, globs or directories.")
    ],
    to: Annotated[str, typer.Option("--to", metavar="SYSTEM:TABLE", help="Where to load into.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help='The job file, TABLE.toml; "-": shown.'
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Write over a file that is there.")
    ] = False,
    sample: Annotated[
        int | None,
        typer.Option("--sample", metavar="N", min=1, help="Look at about N records only."),
    ] = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Don't ask the service for the table.")
    ] = False,
    base_url: opt.BaseUrl = None,
    profile: opt.Profile = None,
    state_dir: opt.State = DEFAULT_STATE_DIR,
    sets: opt.Sets = None,
) -> int:
    """Write a commented job file for data, by looking at it and at the table."""
    from ingest.build.init import (  # noqa: PLC0415 - `--help` stays quick
        InitOptions,
        initialise,
        job_name,
    )
    from ingest.cli.awaiting import awaited  # noqa: PLC0415
    from ingest.progress import make_watcher  # noqa: PLC0415

    if "-" in paths:
        raise SettingsError(
            "standard input can't be looked at and loaded afterwards", "save a part of it in a file"
        )
    system, table = _target(to)
    shown = output is not None and str(output) == "-"
    file = None if shown else output or Path(f"{job_name(table, None)}.toml")
    if file is not None:
        _check_free(file, force=force)
    base = file.parent if file else Path()
    options = InitOptions(
        paths, system, table, base, job_name(table, file), _schema_path(state_dir, base), state_dir,
        _given(sets or []), sample, offline, base_url, profile,
    )  # fmt: skip
    with make_watcher("none", "text", quiet=False, stream=sys.stderr) as watcher:
        done = awaited(initialise, options, watcher)
    if file is None:
        write_out(done.text.encode())
    else:
        _write(file, done.text, force=force)
        _write_schema(state_dir)
    _tell(done, file)
    return 0


def _target(to: str) -> tuple[str, str]:
    system, _, table = to.partition(":")
    if not table or system not in ("avalanchio", "aito"):
        raise typer.BadParameter(
            f"{to!r} is not SYSTEM:TABLE, like avalanchio:stock or aito:stock", param_hint="--to"
        )
    return system, table


def _given(sets: list[str]) -> dict[str, dict[str, Any]]:
    """What `--set` says of the source and the target."""
    from ingest.job import apply_override  # noqa: PLC0415 - it brings the settings models

    document: dict[str, Any] = {}
    for override in sets:
        apply_override(document, override)
    if others := document.keys() - set(SECTIONS):
        raise SettingsError(
            f"--set {min(others)}: init takes values of [source] and [target]",
            "set the others in the file that it writes",
        )
    return document


def _check_free(file: Path, *, force: bool) -> None:
    if file.exists() and not force:
        raise SettingsError(f"{file}: is there already", "name another with -o, or add --force")
    if not file.parent.is_dir():
        raise SettingsError(f"{file}: there is no directory {file.parent}", "make it first")


def _write(file: Path, text: str, *, force: bool) -> None:
    """Write the job file; one that came meanwhile is left alone."""
    try:
        with file.open("w" if force else "x", encoding="utf-8") as opened:
            opened.write(text)
    except FileExistsError as exc:
        raise SettingsError(f"{file}: is there already", "name another with -o") from exc
    except OSError as exc:
        raise SettingsError(f"{file}: can't be written: {exc.strerror}") from exc


def _schema_path(state_dir: Path, base: Path) -> str:
    """Where an editor finds the schema, from the job file's directory."""
    file = state_dir / SCHEMA_NAME
    if state_dir.is_absolute():
        return str(file)
    found = Path(os.path.relpath(file, base)).as_posix()
    return found if found.startswith("../") else f"./{found}"


def _write_schema(state_dir: Path) -> None:
    """Lay the schema into the state directory, whose files no glob of data takes in."""
    from ingest.operations.schema import schema_text  # noqa: PLC0415
    from ingest.state import StateDir  # noqa: PLC0415

    StateDir(state_dir).ensure()
    (state_dir / SCHEMA_NAME).write_text(schema_text(), encoding="utf-8")


def _tell(done: Initialised, file: Path | None) -> None:
    records = plural(done.records, "record")
    much = "all" if done.whole else "a sample"
    doubts = f", {done.doubts} of them to look at" if done.doubts else ""
    said = f"{records} ({much}) of {plural(done.files, 'file')} looked at: "
    said += plural(done.fields, "field")
    say(said + doubts)
    for conflict in done.conflicts:
        say(f"warning: a run would refuse this job: {conflict}", style="yellow")
    if file is not None:
        say(f"wrote {file}; next: ingest plan {file}, which sends nothing; then: ingest run {file}")
