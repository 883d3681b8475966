"""A ledger in memory that holds a delivery to what the journal relies on."""

from __future__ import annotations

from ingest.model import Batch, Outcome, Receipt

Key = tuple[int, int, int]


def key_of(batch: Batch) -> Key:
    """What names a body."""
    return batch.number, batch.offset, batch.count


def numbers_of(batch: Batch) -> set[tuple[int, int]]:
    """The records that a body answers for."""
    parts = (*batch.slices, *batch.dropped)
    return {(p.file.index, n) for p in parts for n in range(p.first, p.last + 1)}


class Books:
    """No record stands in two open bodies; nothing is settled that was not intended."""

    def __init__(self) -> None:
        self.open: dict[Key, set[tuple[int, int]]] = {}
        self.ended: list[Key] = []
        self.apart_: list[Key] = []

    async def intend(self, batch: Batch) -> None:
        records = numbers_of(batch)
        for key, others in self.open.items():
            assert key == key_of(batch) or records.isdisjoint(others), (key, key_of(batch))
        self.open[key_of(batch)] = records

    async def settle(self, receipt: Receipt) -> None:
        key = key_of(receipt.batch)
        if receipt.outcome is Outcome.UNSENT and key not in self.open:
            return
        del self.open[key]
        self.ended.append(key)

    async def apart(self, batch: Batch) -> None:
        del self.open[key_of(batch)]
        self.apart_.append(key_of(batch))
