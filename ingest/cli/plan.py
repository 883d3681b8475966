"""`ingest plan JOB`: what a run would do, without doing it."""

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

ingest plan stocks.toml

ingest plan stocks.toml --sample 100000 --latency 350ms

ingest plan stocks.toml --offline --json | jq .records

[bold]Exit codes[/bold]: 0 all would go in, 3 some records would be rejected, 4 more than \
\\[rejects] allows, 2 a run would refuse the job or the table, 130 interrupted: what was known by \
then is shown, 7 the service does not answer (try --offline), 1 an input can't be read to its end.
"""


def latency(text: str | float) -> float:
    """`350ms`, or as other times."""
    words = str(text).strip()
    if words.endswith("ms"):
        return opt.positive_seconds(words.removesuffix("ms")) / 1000
    return opt.positive_seconds(words)


@ended
def plan(  # noqa: PLR0913, PLR0917 - a parameter for each option
    job: Annotated[Path, typer.Argument(metavar="JOB", help="A job file (TOML).")],
    sets: opt.Sets = None,
    sample: Annotated[
        int | None,
        typer.Option("--sample", metavar="N", min=1, help="Read the first N records only."),
    ] = None,
    limit: opt.Limit = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Don't ask the service for anything.")
    ] = False,
    latency_s: Annotated[
        float,
        typer.Option(
            "--latency", parser=latency, metavar="TIME", help="What an answer takes: 200ms, 1s."
        ),
    ] = 0.2,
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan as JSON.")] = False,
    restart: Annotated[
        bool, typer.Option("--restart", help="As if no earlier run had settled anything.")
    ] = False,
    state_dir: opt.State = DEFAULT_STATE_DIR,
    profile: opt.Profile = None,
    base_url: opt.BaseUrl = None,
    progress: opt.ProgressOption = "auto",
    quiet: opt.Quiet = False,
) -> int:
    """Read the whole input and show what a run would do; nothing is sent or made."""
    from ingest.build.planning import PlanOptions, plan  # noqa: PLC0415 - `--help` stays quick
    from ingest.cli.awaiting import awaited  # noqa: PLC0415
    from ingest.job import read_job  # noqa: PLC0415
    from ingest.operations.plan_progress import progress as watching  # noqa: PLC0415

    options = PlanOptions(
        state_dir, limit, sample, profile, base_url, offline=offline, restart=restart,
        latency_s=latency_s,
    )  # fmt: skip
    asked = read_job(job, sets or ())
    with watching(progress, sys.stderr, quiet=quiet) as watcher:
        result = awaited(plan, asked, options, watcher)
    if as_json:
        write_out(json_bytes(result.report, indent=True) + b"\n")
    else:
        from ingest.operations.plan_view import PlanView  # noqa: PLC0415 - Rich

        show(PlanView(result.report), sys.stdout)
    return result.exit_code
