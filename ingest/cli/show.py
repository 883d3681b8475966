"""`ingest show [RUN]`: what a run did, from the report it left."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from ingest.cli import options as opt
from ingest.cli.errors import ended
from ingest.cli.output import show as show_renderable
from ingest.cli.output import write_out
from ingest.errors import IngestError, SettingsError
from ingest.state import DEFAULT_STATE_DIR, StateDir

EPILOG = """\
[bold]Examples[/bold]

ingest show

ingest show 20261121-2215

ingest show --json | jq .records
"""


def complete_run(incomplete: str) -> list[str]:
    """Run ids for the shell's completion, from the default state directory."""
    try:
        return [run.id for run in StateDir(_state_dir()).runs() if run.id.startswith(incomplete)]
    except IngestError:
        return []


@ended
def show(
    run: Annotated[
        str | None,
        typer.Argument(
            metavar="[RUN]",
            help="A run's id or a prefix of it; the latest if left out.",
            autocompletion=complete_run,
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as it is.")] = False,
    state_dir: opt.State = DEFAULT_STATE_DIR,
) -> int:
    """Show what a run did."""
    found = StateDir(state_dir).find(run)
    data = _read(found.report_path, found.id)
    if as_json:
        write_out(data)
        return 0
    from ingest.summary import Summary  # noqa: PLC0415 - `--help` stays quick

    show_renderable(Summary(_parsed(data, found.report_path), str(found.report_path)), sys.stdout)
    return 0


def _read(path: Path, run: str) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as exc:
        raise SettingsError(
            f"{run} has left no report: it is still running, or it was killed",
            "name another run: `ingest show RUN`",
        ) from exc
    except OSError as exc:
        raise SettingsError(f"{path}: can't be read: {exc.strerror}") from exc


def _parsed(data: bytes, path: Path) -> dict[str, Any]:
    import orjson  # noqa: PLC0415 - `--help` stays quick

    try:
        report = orjson.loads(data)
    except orjson.JSONDecodeError as exc:
        raise IngestError(f"{path}: is no report: {exc}") from exc
    if not isinstance(report, dict):
        raise IngestError(f"{path}: is no report: not a JSON object")
    return report


def _state_dir() -> Path:
    return Path(os.environ.get("INGEST_STATE_DIR") or DEFAULT_STATE_DIR)
