"""Records that the service refused, as rejects with their own bytes.

A batch knows its records by number only; where a number stands in its file, and which bytes it had
there, is asked of the block that it came from. That is slow work for rare cases: it runs in a
thread, one block at a time.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import accumulate

import anyio.to_thread
from msgspec.structs import replace

from ingest.errors import Permanent
from ingest.model import Outcome, Receipt, Refusal, Reject, Slice
from ingest.protocols import Shaper


async def rejects_of(receipt: Receipt, shaper: Shaper) -> list[Reject]:
    """The rejects that a receipt means: all records of a refused batch, or those that were named
    in one that was taken otherwise."""
    slices = receipt.batch.slices
    if receipt.outcome is Outcome.REJECTED:
        wanted = [(part, dict.fromkeys(numbers_of(part), receipt.message)) for part in slices]
    else:
        wanted = named(slices, receipt.verdict.refused)
    found: list[Reject] = []
    for part, words in wanted:
        found += await anyio.to_thread.run_sync(_rejects, shaper, part, words)
    return found


def named(
    slices: Sequence[Slice], refused: Sequence[Refusal]
) -> list[tuple[Slice, dict[int, str]]]:
    """The slices with refused records: their numbers in the file, and the service's words.

    An index that no record has, and one that stands twice, are the target's to see to.
    """
    borders = list(accumulate((part.count for part in slices), initial=0))
    found: dict[int, dict[int, str]] = {}
    for refusal in sorted(refused, key=lambda one: one.index):
        place = bisect_right(borders, refusal.index) - 1
        number = numbers_of(slices[place])[refusal.index - borders[place]]
        found.setdefault(place, {})[number] = refusal.words
    return [(slices[place], words) for place, words in found.items()]


def numbers_of(part: Slice) -> list[int]:
    """The record numbers in the file of a slice's records, in order."""
    gone = set(part.rejected)
    return [n for n in range(part.first, part.last + 1) if n not in gone]


def _rejects(shaper: Shaper, part: Slice, words: Mapping[int, str]) -> list[Reject]:
    origin = part.origin
    if origin is None:
        raise Permanent(f"{part.file.shown}: records {part.first} to {part.last} have no origin")
    base = origin.first_record - 1
    block = origin.kept.restored()
    places = shaper.locate(block, origin.segment, [number - base for number in words])
    empty = Reject(part.file.shown, 0, 0, 0, "send", "refused_by_service", "", b"")
    return [
        replace(
            empty,
            line=place.line + origin.first_line - 1,
            byte=place.byte,
            record=number,
            message=message,
            raw=place.raw,
        )
        for place, (number, message) in zip(places, words.items(), strict=True)
    ]
