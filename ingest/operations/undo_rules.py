"""What an undo may delete, and what it is refused for. Pure.

Exact or not at all: a row is deleted because its id is the one that this run derived for a record,
or because it bears this run's stamp. Where neither is, a row that the run made can't be told from
somebody else's, and the undo is refused with the reason:

- an *upsert* changed rows that were there, and what they held before is not known;
- an *evidence key* is a column of the data: another row may have the same value by now;
- without id, stamp and key nothing tells rows apart.

A row is *own* if it holds what the run sent, *changed* if it holds something else by now, or if
what was sent can't be made anew; those stay unless they are asked for, too. Rows with the id of a
record that was rejected are *foreign*, and stay in any case.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Literal

from msgspec import Struct, field

from ingest.errors import SettingsError, TargetError
from ingest.job import Job

Way = Literal["id", "stamp"]
Fate = Literal["own", "changed", "foreign"]


def way_of(job: Job, run: str) -> Way:
    """By what the run's rows are known. Raises SettingsError where they are not."""
    if job.delivery.id == "derived":
        return "id"
    if job.delivery.stamp:
        return "stamp"
    if job.target.mode == "upsert":
        why = "it was an upsert, and what the rows held before is not known"
    elif job.delivery.evidence_key:
        why = (
            f"its rows are known by {job.delivery.evidence_key!r} only, a column of the data that"
            " other rows may share by now"
        )
    else:
        why = "its rows bear neither ids of its own nor a stamp, so they can't be told from others"
    raise SettingsError(
        f"{run} can't be undone exactly: {why}",
        'runs with [delivery] id = "derived" (avalanchio) or stamp = "<column>" can be undone',
    )


class Tally(Struct):
    """Rows by their fate, and those that were deleted."""

    rows: Counter[Fate] = field(default_factory=Counter)
    deleted: int = 0

    def wanted(self, *, changed_too: bool) -> int:
        """How many rows would be deleted."""
        return self.rows["own"] + (self.rows["changed"] if changed_too else 0)

    def as_report(
        self, at: str, state: Literal["begun", "done"], earlier: int = 0
    ) -> dict[str, Any]:
        """What stands under `undone` in the run's report. `earlier`: deleted by one cut short."""
        return {
            "at": at,
            "state": state,
            "deleted": self.deleted + earlier,
            "changed": self.rows["changed"],
            "foreign": self.rows["foreign"],
            "left": self.rows.total() - self.deleted,
        }


def check_deleted(asked: int, left: int, before: int, now: int) -> None:
    """After a set of `asked` rows was deleted: none of them is `left`, and the table has just so
    many rows less. Raises TargetError where the counts say otherwise."""
    if not left and before - now == asked:
        return
    if left:
        what = f"{left:,} of {asked:,} rows that were deleted are still there"
    elif now > before - asked:
        what = f"{asked:,} rows were deleted and the table has {before - now:,} less"
    else:
        what = f"{asked:,} rows were to be deleted, and {before - now:,} are gone"
    raise TargetError(
        f"stopped: {what}",
        "others write to the table at the same time, or the service deletes otherwise than it is"
        " asked: look at the table; then the same command goes on where it stopped",
    )
