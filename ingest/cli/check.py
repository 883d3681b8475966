"""`ingest check JOB`: is all there that a run needs? A line each, ok or what to do."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from ingest.cli import options as opt
from ingest.cli.errors import ended
from ingest.cli.output import show, write_out
from ingest.display import json_bytes
from ingest.state import DEFAULT_STATE_DIR

EPILOG = """\
[bold]Examples[/bold]

ingest check stocks.toml

ingest check stocks.toml --json | jq '.checks[] | select(.state != "ok")'

[bold]Exit codes[/bold]: 0 a run could begin, 2 something is to be mended, 7 the service is away.
"""


@ended
def check(
    job: Annotated[Path, typer.Argument(metavar="JOB", help="A job file (TOML).")],
    sets: opt.Sets = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
    state_dir: opt.State = DEFAULT_STATE_DIR,
    profile: opt.Profile = None,
    base_url: opt.BaseUrl = None,
) -> int:
    """Look at everything that a run of the job needs: a line each, and what to do."""
    from ingest.build.checking import CheckOptions, check  # noqa: PLC0415 - `--help` stays quick
    from ingest.cli.awaiting import awaited  # noqa: PLC0415
    from ingest.job import read_job  # noqa: PLC0415
    from ingest.operations.check_finding import exit_code, report_of  # noqa: PLC0415

    asked = read_job(job, sets or ())
    options = CheckOptions(state_dir, profile, base_url)
    findings = awaited(check, asked, options)
    if as_json:
        write_out(json_bytes(report_of(asked.name, findings), indent=True) + b"\n")
    else:
        from ingest.operations.check_view import CheckView  # noqa: PLC0415 - Rich

        show(CheckView(findings), sys.stdout)
    return exit_code(findings)
