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

EPILOG = """\
[bold]Examples[/bold]

ingest run stocks.toml

ingest run exchanges.toml stocks.toml --max-duration 2h --log-format json

ingest run stocks.toml --if-running skip --metrics /var/lib/prometheus/node-exporter/stocks.prom

ingest run stocks.toml --limit 1000 --base-url sandbox --ask "select count(*) n from stock"

ingest run stocks.toml --set limits.in_flight=2 --set 'target.table="stock_test"'

[bold]Exit codes[/bold]: 0 all well, 3 some records rejected, 6 something ambiguous, 4 too many \
rejects, 7 stopped by the service (run again later), 130 or 143 interrupted, 1 failed, \
5 another run holds the job, 2 usage or settings.
"""


@ended
@opt.wishing
def run(
    jobs: Annotated[list[Path], typer.Argument(metavar="JOB...", help="Job files (TOML).")],
    wishes: opt.Wishes,
    sets: opt.Sets = None,
) -> int:
    """Load what the job files say, in the order given; stop at the first that fails."""
    from ingest.cli.execute import Asked, run_jobs  # noqa: PLC0415 - `--help` stays quick
    from ingest.job import read_job  # noqa: PLC0415

    return run_jobs([Asked(read_job(path, sets or ()), path, sets or ()) for path in jobs], wishes)
