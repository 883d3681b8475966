"""`ingest undo RUN`: takes back the rows that a run made, after showing how many."""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer
from msgspec.structs import replace

from ingest.cli import options as opt
from ingest.cli.errors import ended
from ingest.cli.output import say
from ingest.cli.show import complete_run
from ingest.errors import SettingsError
from ingest.state import DEFAULT_STATE_DIR, StateDir

if TYPE_CHECKING:
    from ingest.build.undoing import Look

EPILOG = """\
[bold]Examples[/bold]

ingest undo 20261121-2215

ingest undo 20261121-2215 --yes --drop-table

Deleted are rows with the ids that the run derived, or with its stamp, if they still hold what the \
run sent; other runs (upserts, evidence keys, neither id nor stamp) can't be undone exactly, and \
are refused. The next [bold]ingest run[/bold] loads the run's files again. An undo that was cut \
short goes on with the same command.

[bold]Exit codes[/bold]: 0 all taken back, 6 rows are left (changed since), 2 usage or settings, \
7 the service does not answer (run again later), 1 stopped or failed.
"""


@ended
def undo(  # noqa: PLR0913, PLR0917 - one parameter an option: Typer reads them
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN",
            help="A run's id or a prefix of it.",
            autocompletion=complete_run,
            show_default=False,
        ),
    ],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Delete without asking.")] = False,
    changed_too: Annotated[
        bool, typer.Option("--changed-too", help="Also rows that were changed since.")
    ] = False,
    drop_table: Annotated[
        bool,
        typer.Option("--drop-table", help="Also the table, if the run made it and it is empty."),
    ] = False,
    profile: opt.Profile = None,
    base_url: opt.BaseUrl = None,
    report: opt.Report = None,
    state_dir: opt.State = DEFAULT_STATE_DIR,
) -> int:
    """Delete the rows that a run made."""
    if not (yes or _somebody_there()):
        raise SettingsError(
            "nobody can be asked here whether to delete what is found",
            "--yes deletes it without asking",
        )
    from ingest.build import undoing  # noqa: PLC0415 - `--help` stays quick
    from ingest.build.options import RunOptions  # noqa: PLC0415
    from ingest.cli.execute import check_report, watched  # noqa: PLC0415

    wishes = opt.Wishes(state_dir=state_dir, report=report, progress="none")
    check_report(wishes)
    asked = undoing.Asked(StateDir(state_dir).find(run), changed_too, drop_table)
    options = RunOptions(state_dir, report=report, profile=profile, base_url=base_url)
    found = watched(functools.partial(undoing.look, asked, options), wishes)
    number = found.tally.wanted(changed_too=changed_too)
    _show(found, asked.run.id, number)
    if not number and not drop_table and found.earlier.get("state") == "done":
        return 6 if found.tally.rows.total() else 0
    if number and not yes and not typer.confirm("Delete?", err=True):
        say("nothing was deleted")
        return 0
    asked = replace(asked, most=number)
    undone = watched(functools.partial(undoing.undo, asked, options), wishes)
    return _ended(undone, found, asked.run.id)


def _somebody_there() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _show(found: Look, run: str, number: int) -> None:
    """The count, where, and what stays."""
    from ingest.display import plural  # noqa: PLC0415 - beside its only use

    say(f"{plural(number, 'row')} of {run} would be deleted from {found.target}", style="bold")
    if found.earlier.get("state") == "done":
        deleted = plural(found.earlier.get("deleted", 0), "row")
        say(f"it was undone on {found.earlier.get('at')}: {deleted} deleted then")
    rows = found.tally.rows
    left = rows.total() - number
    if found.unfit:
        say(f"can't be compared, since they changed or are gone: {', '.join(found.unfit[:5])}")
    if left and rows["changed"]:
        say(f"{plural(rows['changed'], 'row')} changed since stay (--changed-too deletes them)")
    if rows["foreign"]:
        say(f"{plural(rows['foreign'], 'row')} with ids of rejected records stay: not this run's")


def _ended(undone: dict[str, Any], found: Look, run: str) -> int:
    from ingest.display import plural  # noqa: PLC0415 - beside its only use

    before = found.earlier.get("deleted", 0)
    dropped = undone.get("table_dropped", False)
    earlier = f", {plural(before, 'row')} before" if before else ""
    table = "; the table is dropped" if dropped else ""
    say(f"{plural(undone['deleted'] - before, 'row')} deleted{earlier}{table}")
    if undone["left"]:
        say(f"{plural(undone['left'], 'row')} left", style="yellow")
    elif found.made_table and not dropped:
        say(
            f"the table stays, which the run made: ingest undo {run} --drop-table drops it if empty"
        )
    return 6 if undone["left"] else 0
