"""Does a refused batch land in part? Nobody says that an insert is all or nothing, so it is tried.

Once in a run, at the first refused body of two records or more that may tell: rows are counted, the
very body is sent again, and rows are counted again, while no other attempt is under way. As many
rows as before: a refused body lands not at all, and it may be taken apart. If it does land in part,
then parts sent again would double what is there, so the run stops, and a person must look.

What may blur the count is somebody else's writing to the table. So a count that has grown is not
believed at once: the body is sent once more, and only if it grew twice by the same number, and not
at all between, a part lands. If the counts go on changing otherwise, it can't be known, and the run
goes on. Rows that can't stand twice (a unique column) show another way: the service finds fault
with an earlier record the second time. It does so, too, where that record's value stands in another
batch as well, which landed in between; then the table has no more rows than were accepted.

A body whose first record is the one at fault tells nothing about services that stop there; nor does
one refused for its size, which nobody may have read. Upserts and file uploads are never asked: for
them a count says nothing. Nothing of this is needed where the second sending is accepted.

It costs a run one request. With it a lone bad record that the service names costs two besides the
batch's own: this one, and the rest without it. A table whose rows grow by others costs one more.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ingest.delivery.rules import Hands, Tries
from ingest.errors import IngestError, TargetError, TooLarge, Trouble
from ingest.model import Batch

SENDINGS = 2
QUESTIONS = 3


class PartialApply(TargetError):  # noqa: N818 - it says what happened
    """The service refused a batch and yet kept a part of it: a person must look."""

    exit_code = 6
    kind = "partial_apply"


class PartialCheck:
    """The question, asked once a run."""

    def __init__(self, hands: Hands, *, is_open: bool) -> None:
        self._hands = hands
        self.is_open = is_open
        self._left = QUESTIONS

    def wants(self, tries: Tries) -> bool:
        """This refused body may tell, and the question is open."""
        trouble = tries.refusal
        tells = trouble is not None and not isinstance(trouble, TooLarge) and trouble.record != 0
        return self.is_open and tells and tries.batch.count > 1 and tries.attempts > 0

    async def ask(self, tries: Tries, again: Callable[[Tries], Awaitable[None]]) -> None:
        """Send the refused body `again` and compare counts; no other attempt may be under way.

        Afterwards the body is refused once more, or it has its receipt. Raises PartialApply.
        """
        rows = await self._rows()
        grown: list[int] = []
        while rows is not None and len(grown) < SENDINGS:
            before = tries.refusal
            await again(tries)
            if before is None or tries.refusal is None:
                self._not_answered()
                return
            after = await self._rows()
            if after is None:
                return
            grown.append(after - rows)
            if _is_earlier(tries.refusal, before) and rows != self._hands.rows_expected():
                raise self._error(tries.batch, "some")
            if not grown[-1]:
                self.is_open = False
                return
            rows = await self._rows()
            if rows != after:
                break  # others write, too
        else:
            if grown and grown[0] > 0 and len(set(grown)) == 1:
                raise self._error(tries.batch, f"{grown[0]:,}")
        if rows is not None:
            self._unknown("the number of its rows keeps changing")

    async def _rows(self) -> int | None:
        """None, and the question is closed, where it can't be counted."""
        try:
            rows = await self._hands.target.count()
        except IngestError as error:
            self._unknown(error.message)
            return None
        if rows is None:
            self.is_open = False
        return rows

    def _not_answered(self) -> None:
        """The body was accepted, or its answer was lost: another one may tell."""
        self._left -= 1
        if not self._left:
            self._unknown("what it has refused it does not refuse again")

    def _unknown(self, why: str) -> None:
        self.is_open = False
        shown = self._hands.target.shown
        self._hands.note(f"{shown}: whether a refused batch lands in part can't be known: {why}")

    def _error(self, batch: Batch, landed: str) -> PartialApply:
        shown = self._hands.target.shown
        return PartialApply(
            f"{shown}: batch {batch.number} ({where(batch)}) was refused, and yet {landed} of its"
            f" {batch.count:,} records landed when it was sent again",
            "look at these records in the table: they may be there in part, once or twice; ask the"
            " service's people for inserts that land whole or not at all, or give each record an id"
            " of its own (an upsert, or delivery.id)",
        )


def where(batch: Batch) -> str:
    """Which records of which files a body holds, for people."""
    names = {part.file.index: part.file.shown for part in batch.slices}
    spans = [
        f"{names.get(span.file, f'file {span.file}')}: records {span.first} to {span.last}"
        for span in batch.spans
    ]
    more = f" and {len(spans) - 3} stretches more" if len(spans) > 3 else ""
    return "; ".join(spans[:3]) + more


def _is_earlier(now: Trouble, before: Trouble) -> bool:
    """Another record is at fault than before, and one that was none then."""
    return None not in (now.record, before.record) and (now.record or 0) < (before.record or 0)
