"""`ingest replay [RUN]`: today's mapping over the mended rejects of a run, booked on the run."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Annotated

import typer
from msgspec.structs import replace as changed

from ingest.cli import options as opt
from ingest.cli.errors import ended
from ingest.cli.output import say
from ingest.cli.show import LatestRun
from ingest.state import StateDir

EPILOG = """\
[bold]Examples[/bold]

ingest replay

ingest replay 20261121-2215 --set 'source.nulls=["", "NA"]'

ingest replay --rejects mended.ndjson

Mend the job (fields, nulls, formats), or what stands in [bold]raw[/bold] in the run's \
rejects.ndjson, one line a record. What is accepted leaves that file; what is rejected again stays \
there with its new reason. The run's report counts both. [bold]ingest run --help[/bold] has the \
exit codes.
"""
_NOT_HERE = ("limit", "ask", "restart", "fresh", "if_running", "metrics")


@ended
@functools.partial(opt.wishing, without=_NOT_HERE)
def replay(
    wishes: opt.Wishes,
    run: LatestRun = None,
    job: Annotated[
        Path | None,
        typer.Option("--job", metavar="FILE", help="The job file, if it is not where it was."),
    ] = None,
    rejects: Annotated[
        Path | None,
        typer.Option("--rejects", metavar="FILE", help="A mended copy of the run's rejects."),
    ] = None,
    sets: opt.Sets = None,
    restart: Annotated[
        bool,
        typer.Option(
            "--restart",
            help="Forget what a replay that was ended before its time had under way: it may be"
            " doubled.",
        ),
    ] = False,
) -> int:
    """Send a run's mended rejects, and book them on the run."""
    from ingest.build.origin import recalled  # noqa: PLC0415 - `--help` stays quick
    from ingest.build.replaying import Asked, replay  # noqa: PLC0415
    from ingest.cli.execute import check_report, options_of, show_end, watched  # noqa: PLC0415
    from ingest.housekeeping.replays import in_words  # noqa: PLC0415

    check_report(wishes)
    found = StateDir(wishes.state_dir).find(run)
    asked = Asked(found, recalled(found, job, sets or ()), rejects)
    options = changed(options_of(wishes), restart=restart)
    if asked.recalled.rehearsed and options.base_url is None:
        options = changed(options, base_url="sandbox")  # no credential goes there
    result = watched(functools.partial(replay, asked, options), wishes)
    if result is None:
        return 0
    show_end(result, wishes)
    if wishes.log_format == "text" and not wishes.quiet:
        say(in_words(result.report["replays"][-1]))
    return result.exit_code
