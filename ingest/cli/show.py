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
from ingest.display import encoding_of, safe
from ingest.errors import IngestError, SettingsError
from ingest.state import DEFAULT_STATE_DIR, RunDir, StateDir

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


LatestRun = Annotated[
    str | None,
    typer.Argument(
        metavar="[RUN]",
        help="A run's id or a prefix of it; the latest if left out.",
        autocompletion=complete_run,
        show_default=False,
    ),
]


@ended
def show(
    run: LatestRun = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as it is.")] = False,
    state_dir: opt.State = DEFAULT_STATE_DIR,
) -> int:
    """Show what a run did."""
    found = StateDir(state_dir).find(run)
    data = read_report(found)
    if as_json:
        write_out(data)
        return 0
    from rich.text import Text  # noqa: PLC0415 - `--help` stays quick

    from ingest.housekeeping.replays import replays_of  # noqa: PLC0415
    from ingest.summary import Summary  # noqa: PLC0415

    report = parsed(data, found.report_path)
    show_renderable(Summary(report, str(found.report_path)), sys.stdout)
    for sentence in replays_of(report, unbooked=found.replay_dir.is_dir()):
        show_renderable(Text(safe(sentence, encoding=encoding_of(sys.stdout))), sys.stdout)
    return 0


def read_report(run: RunDir) -> bytes:
    """The run's report as it is kept. Raises IngestError where there is none."""
    path = run.report_path
    try:
        return path.read_bytes()
    except FileNotFoundError as exc:
        raise SettingsError(
            f"{run.id} has left no report: it is still running, or it was killed",
            "name another run: `ingest show RUN`",
        ) from exc
    except OSError as exc:
        raise SettingsError(f"{path}: can't be read: {exc.strerror}") from exc


def parsed(data: bytes, path: Path) -> dict[str, Any]:
    """The report in these bytes, which were read from `path`. Raises IngestError if it is none."""
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
