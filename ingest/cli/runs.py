"""`ingest runs [RUN]`: the runs in the state directory, the latest first."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from ingest.cli import options as opt
from ingest.cli.errors import ended
from ingest.cli.output import say, show, write_out
from ingest.cli.show import complete_run
from ingest.display import count, json_bytes
from ingest.state import DEFAULT_STATE_DIR, RunDir, StateDir, beginning_so

EPILOG = """\
[bold]Examples[/bold]

ingest runs

ingest runs --job stocks --limit 5

ingest runs 202611

ingest runs --json | jq -r 'select(.exit_code != 0) | .run'

A run without a report was killed or is still going: it is [bold]unfinished[/bold].
"""


@ended
def runs(
    run: Annotated[
        str | None,
        typer.Argument(
            metavar="[RUN]",
            help="The beginning of the ids; all if left out.",
            autocompletion=complete_run,
            show_default=False,
        ),
    ] = None,
    job: Annotated[
        str | None, typer.Option("--job", metavar="NAME", help="Runs of this job only.")
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=1, help="At most so many.")
    ] = 20,
    as_json: Annotated[
        bool, typer.Option("--json", help="One object a line, for programs.")
    ] = False,
    state_dir: opt.State = DEFAULT_STATE_DIR,
) -> int:
    """List the runs, the latest first."""
    found = _chosen(StateDir(state_dir), run, job)
    if not found:
        say(f"{state_dir}: no runs{f' of {job}' if job else ''} here yet")
        return 0
    from ingest.housekeeping import read_past  # noqa: PLC0415 - `--help` stays quick

    past = [read_past(one) for one in found[:limit]]
    if as_json:
        write_out(b"".join(json_bytes(one.document()) + b"\n" for one in past))
        return 0
    from ingest.housekeeping.table import RunTable  # noqa: PLC0415

    show(RunTable(past), sys.stdout)
    if more := len(found) - len(past):
        say(f"and {count(more)} more: --limit {len(found)} shows all")
    return 0


def _chosen(state: StateDir, prefix: str | None, job: str | None) -> list[RunDir]:
    found = state.runs()
    if prefix is not None:
        found = beginning_so(found, prefix)
    return [one for one in found if job in (None, one.job)]
