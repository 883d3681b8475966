"""What the table's own count says, beside the run's rows. Pure.

The rows before the run, those of later runs of the job, and those of the run should be all there
are. Where the table held nothing else, a row too many is a difference: doubled under another id, or
foreign. Where it did, others may have written to it since, so it is only unverified; and where
nobody counted before, it is not known whether there is one.
"""

from __future__ import annotations

from msgspec import Struct

from ingest.display import count


class TableFacts(Struct, frozen=True):
    """`before`: rows before the run, None if not known; `later` those of later runs, None if that
    is not known; `now` the count."""

    before: int | None
    later: int | None
    now: int

    @property
    def alone(self) -> bool:
        """Whether the run's rows were all the rows there were."""
        return self.before == 0 and self.later == 0

    def too_many(self, present: int) -> int:
        """Rows that are nobody's (`present` are the run's); negative: of others there are fewer."""
        return self.now - (self.before or 0) - (self.later or 0) - present

    def doubt(self, present: int) -> str:
        """Why it can't be said whether rows of the run are doubled; empty where it can."""
        if self.before is None:
            return (
                "how many rows the table had before the run is not known, so rows that were doubled"
                " under other ids would not be seen"
            )
        if self.later is None:
            return "a later run of the job has not ended: what the table should hold is not known"
        more = self.too_many(present)
        if self.alone or not more:
            return ""
        return (
            f"the table has {count(abs(more))} rows {'more' if more > 0 else 'less'} than before"
            " with those of the job's runs: others write to it, or rows were doubled or deleted"
        )
