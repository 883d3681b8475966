"""`ingest verify [RUN]`: what the service has, held against the files that a run loaded."""

from __future__ import annotations

import functools
import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from ingest.cli import options as opt
from ingest.cli.errors import ended
from ingest.cli.output import say, write_out
from ingest.cli.output import show as show_renderable
from ingest.cli.show import LatestRun
from ingest.state import DEFAULT_STATE_DIR, StateDir

EPILOG = """\
[bold]Examples[/bold]

ingest verify

ingest verify 20261121-2215 --full

ingest verify --json | jq .examples

The rows that must be there are made anew from the files, and the service is asked what it has: \
counts, sums, and cell by cell a sample of the records, or with [bold]--full[/bold] all of them. \
The result stands in the run's report.

[bold]Exit codes[/bold]: 0 all verified, 6 differences, or something that could not be verified, \
2 usage or settings, 7 the service does not answer (run again later), 1 failed.
"""


@ended
def verify(  # noqa: PLR0913, PLR0917 - one parameter an option: Typer reads them
    run: LatestRun = None,
    full: Annotated[bool, typer.Option("--full", help="Compare every record.")] = False,
    sample: Annotated[
        int, typer.Option("--sample", metavar="N", min=1, help="Compare so many records.")
    ] = 1000,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    profile: opt.Profile = None,
    base_url: opt.BaseUrl = None,
    report: opt.Report = None,
    state_dir: opt.State = DEFAULT_STATE_DIR,
) -> int:
    """Ask the service what a run has left there, and compare it with the files."""
    from ingest.build.options import RunOptions  # noqa: PLC0415 - `--help` stays quick
    from ingest.build.verifying import Asked, verify  # noqa: PLC0415
    from ingest.cli.execute import check_report, watched  # noqa: PLC0415
    from ingest.display import json_bytes  # noqa: PLC0415
    from ingest.operations.verify_shown import table_of, words_of  # noqa: PLC0415

    wishes = opt.Wishes(state_dir=state_dir, report=report, progress="none")
    check_report(wishes)
    asked = Asked(StateDir(state_dir).find(run), full, sample)
    options = RunOptions(state_dir, report=report, profile=profile, base_url=base_url)
    found = watched(functools.partial(verify, asked, options), wishes)
    if as_json:
        write_out(json_bytes(found.verification, indent=True) + b"\n")
        return found.exit_code
    show_renderable(table_of(found.verification), sys.stdout)
    _say(found.verification, words_of(found.verification))
    return found.exit_code


def _say(verification: Mapping[str, Any], words: list[str]) -> None:
    for sentence in words:
        say(sentence, style="" if verification["ok"] else "yellow")
