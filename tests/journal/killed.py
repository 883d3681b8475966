"""A process that intends and settles until it is killed, and says what was acknowledged.

`python -m tests.journal.killed FOLDER SEED`: eight writers, bodies of ten records, random outcomes.
After each acknowledged call one line on standard output: `i` or `s`, number, outcome. Taken up
again, it first brings every open body to its end.
"""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

import anyio

from ingest.journal import IntentRecord, JournalLedger
from ingest.model import Batch, Outcome, Receipt
from tests.journal.helpers import begun, body, opened, part_of, taken_up

WRITERS = 8
OUTCOMES = (Outcome.ACCEPTED, Outcome.ACCEPTED, Outcome.AMBIGUOUS, Outcome.UNSENT)


def batch_of(number: int) -> Batch:
    """Batch `number` of ten records."""
    return body(number, part_of(10 * number - 9, 10))


def say(kind: str, number: int, outcome: str = "-") -> None:
    """Tell the parent, in one write."""
    os.write(1, f"{kind} {number} {outcome}\n".encode())


async def write(ledger: JournalLedger, numbers: list[int], chance: random.Random) -> None:
    """One writer: a body, its end, the next."""
    while True:
        batch = batch_of(numbers.pop())
        await ledger.intend(batch)
        say("i", batch.number)
        if chance.random() < 0.1:
            continue  # its fate stays open
        outcome = chance.choice(OUTCOMES)
        await ledger.settle(Receipt(batch, outcome, 1, 0))
        say("s", batch.number, outcome.value)


async def end(ledger: JournalLedger, intents: list[IntentRecord]) -> None:
    """Send open bodies once more, and say that they are accepted."""
    for intent in intents:
        batch = batch_of(intent.number)
        await ledger.intend(batch)
        say("i", batch.number)
        await ledger.settle(Receipt(batch, Outcome.ACCEPTED, 1, 0))
        say("s", batch.number, Outcome.ACCEPTED.value)


async def main(folder: Path, seed: int) -> None:
    """Until the kill."""
    with opened(folder) as journal:
        run = begun(journal) if journal.unfinished() is None else taken_up(journal)
        ledger = JournalLedger(journal, run)
        numbers = list(range(run.highest + 100_000, run.highest, -1))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(end, ledger, journal.open_intents(run))
            for writer in range(WRITERS):
                tasks.start_soon(write, ledger, numbers, random.Random(seed * 100 + writer))


if __name__ == "__main__":
    anyio.run(main, Path(sys.argv[1]), int(sys.argv[2]))
