"""`ingest run JOB...`: the jobs in the files given, in that order, up to the first failure.

All job files are read before the first job starts: a wrong key in the third one is said now, and
not after two hours of loading.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ingest.cli import options as opt
from ingest.cli.errors import ended
from ingest.state import DEFAULT_STATE_DIR

EPILOG = """\
[bold]Examples[/bold]

ingest run stocks.toml

ingest run exchanges.toml stocks.toml --max-duration 2h --log-format json

ingest run stocks.toml --limit 1000 --base-url sandbox --ask "select count(*) n from stock"

ingest run stocks.toml --set limits.in_flight=2 --set 'target.table="stock_test"'

[bold]Exit codes[/bold]: 0 all well, 3 some records rejected, 6 something ambiguous, 4 too many \
rejects, 7 stopped by the service (run again later), 130 or 143 interrupted, 1 failed, \
5 another run holds the job, 2 usage or settings.
"""


@ended
def run(  # noqa: PLR0913, PLR0917 - one parameter an option: Typer reads them
    jobs: Annotated[list[Path], typer.Argument(metavar="JOB...", help="Job files (TOML).")],
    sets: opt.Sets = None,
    state_dir: opt.State = DEFAULT_STATE_DIR,
    report: opt.Report = None,
    limit: opt.Limit = None,
    max_duration: opt.MaxDuration = None,
    grace: opt.Grace = opt.GRACE_S,
    profile: opt.Profile = None,
    base_url: opt.BaseUrl = None,
    ask: opt.Ask = None,
    log_format: opt.Log = "text",
    progress: opt.ProgressOption = "auto",
    quiet: opt.Quiet = False,
) -> int:
    """Load what the job files say, in the order given; stop at the first that fails."""
    wishes = opt.Wishes(
        state_dir,
        report,
        limit,
        max_duration,
        grace,
        profile,
        base_url,
        ask,
        log_format,
        progress,
        quiet,
    )
    from ingest.cli.execute import run_jobs  # noqa: PLC0415 - `--help` stays quick
    from ingest.job import read_job  # noqa: PLC0415

    return run_jobs([read_job(path, sets or ()) for path in jobs], wishes)
