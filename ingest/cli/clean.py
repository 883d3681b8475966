"""`ingest clean --older-than 30d`: removes what earlier runs left, after showing it.

What goes and what stays, and why, is decided in `ingest.housekeeping`; here it is said and asked.
Without a terminal nobody can be asked: there `--yes` has to be given, also if nothing would go, so
that a line in a crontab fails on its first night and not in its second month.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from ingest.cli import options as opt
from ingest.cli.errors import ended
from ingest.cli.output import say
from ingest.display import count, duration, plural, size
from ingest.errors import IngestError, SettingsError
from ingest.state import DEFAULT_STATE_DIR, StateDir

if TYPE_CHECKING:
    from ingest.housekeeping import Cleaned, Kept, Plan

EPILOG = """\
[bold]Examples[/bold]

ingest clean --older-than 30d

ingest clean --older-than 90d --job stocks --with-rejects --yes

ingest clean --older-than 0d --dry-run

Whatever belongs to a job that is running stays. A run's age counts from its last sign of life.
"""
_SHOWN = 20


@ended
def clean(  # noqa: PLR0913, PLR0917 - one parameter an option: Typer reads them
    older_than: Annotated[
        float,
        typer.Option(
            "--older-than", parser=opt.age, metavar="TIME", help="Unused for longer: 30d, 12h."
        ),
    ],
    job: Annotated[
        str | None, typer.Option("--job", metavar="NAME", help="Runs of this job only.")
    ] = None,
    unfinished: Annotated[
        bool,
        typer.Option(
            "--unfinished", help="Also runs that were killed, or that the next run would take up."
        ),
    ] = False,
    with_rejects: Annotated[
        bool,
        typer.Option("--with-rejects", help="Also runs whose rejects could still be mended."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would go, and remove nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Remove without asking.")] = False,
    state_dir: opt.State = DEFAULT_STATE_DIR,
) -> int:
    """Remove reports, rejects and spools of runs long past."""
    if not (yes or dry_run or _somebody_there()):
        raise SettingsError(
            "nobody can be asked here whether to remove what is found",
            "--yes removes it without asking, --dry-run only shows it",
        )
    from ingest.housekeeping import Cleaning, Wanted  # noqa: PLC0415 - `--help` stays quick

    wanted = Wanted(older_than, job, unfinished, with_rejects)
    cleaning = Cleaning(StateDir(state_dir), wanted, time.time)
    plan = cleaning.plan()
    _show_plan(plan, older_than)
    if dry_run or not (plan.runs or plan.leftovers):
        return 0
    if not yes and not typer.confirm("Remove?", err=True):
        say("nothing was removed")
        return 0
    return _ended(cleaning.remove(plan))


def _somebody_there() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _show_plan(plan: Plan, older_than_s: float) -> None:
    age = duration(older_than_s)
    if plan.runs:
        say(f"{plural(len(plan.runs), 'run')} unused for more than {age}:")
    elif not plan.leftovers:
        say(f"nothing to remove that is unused for more than {age}")
    for one in plan.runs[:_SHOWN]:
        say(f"  {one.run.id}  {size(one.size_bytes)}")
    if len(plan.runs) > _SHOWN:
        say(f"  and {count(len(plan.runs) - _SHOWN)} more")
    if plan.leftovers:
        say(f"left by a removal that was cut short: {plural(len(plan.leftovers), 'run')}")
    if plan.runs or plan.leftovers:
        say(f"{size(plan.size_bytes)} in all", style="bold")
    _show_kept(plan.kept)


def _show_kept(kept: Mapping[Kept, int]) -> None:
    for why, number in kept.items():
        say(f"kept: {plural(number, 'run')} {why.value}{_OPTION.get(why.name, '')}")


def _ended(cleaned: Cleaned) -> int:
    """Say what came of it. Raises IngestError if something could not be removed."""
    say(f"removed {plural(cleaned.runs, 'run')}, {size(cleaned.freed_bytes)} freed")
    _show_kept(cleaned.kept)
    if cleaned.failed:
        raise IngestError(
            f"{count(len(cleaned.failed))} could not be removed: {cleaned.failed[0]}",
            "see who owns it, and run the same command again",
        )
    return 0


_OPTION = {
    "UNFINISHED": " (--unfinished removes it too)",
    "RESUMABLE": " (--unfinished removes it too)",
    "REJECTS": " (--with-rejects removes it too)",
}
