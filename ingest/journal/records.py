"""What the journal knows, as values: runs, files, intents, and what is settled.

A *run* has a state. An *intent* is one body that was about to be sent, and its state says what is
known of it::

    OPEN ──▶ ACCEPTED | REJECTED | AMBIGUOUS | UNSENT      the four outcomes
      └────▶ APART      refused as a whole and taken apart: its parts stand for it

OPEN means "may or may not have been sent". APART and UNSENT are surely not applied, and so is
REJECTED: none of the three settles a record by itself. A rejected record is settled by its line in
the rejects file and by nothing else, because only that line makes it "never silent".
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Literal

from msgspec import Struct, field

from ingest.journal.intervals import IntervalSet
from ingest.model import Outcome, Span, Spool

RunState = Literal["open", "done", "failed", "interrupted"]
Key = tuple[int, int, int]


class State(enum.IntEnum):
    """What is known of an intent. The numbers stand in the file: they never change meaning."""

    OPEN = 0
    APART = 1
    ACCEPTED = 2
    REJECTED = 3
    AMBIGUOUS = 4
    UNSENT = 5


STATES = {
    Outcome.ACCEPTED: State.ACCEPTED,
    Outcome.REJECTED: State.REJECTED,
    Outcome.AMBIGUOUS: State.AMBIGUOUS,
    Outcome.UNSENT: State.UNSENT,
}


class NewRun(Struct, frozen=True):
    """A run that begins. `name` is its id for people; `identity` a digest over `identity_json`,
    which is kept to say what changed. `nonce` is what the run's stamps and ids are made from."""

    name: str
    identity: str
    identity_json: str
    target: str
    limit: int | None = None
    nonce: str = ""


class RunRecord(Struct, frozen=True):
    """A run as the journal has it. Times are wall times in seconds.

    `highest` is the highest batch number that an intent was ever recorded for, `accounts` what was
    kept at its end (a JSON object). Of a `forgotten` run nothing is settled any more.
    """

    id: int
    name: str
    identity: str
    identity_json: str
    target: str
    limit: int | None
    nonce: str
    state: RunState
    started_at: float
    finished_at: float | None
    highest: int
    accounts: Mapping[str, int] = field(default_factory=dict)
    forgotten: bool = False


class FileRecord(Struct, frozen=True):
    """A file of a run. `index` is its place in the run under way (-1: it is not part of it).

    `complete`: it was read to its end, and `records` and `sha256` say what it held.
    """

    index: int
    shown: str
    size_bytes: int | None = None
    mtime_ns: int | None = None
    inode: int | None = None
    device: int | None = None
    sha256: str | None = None
    records: int | None = None
    complete: bool = False


class IntentRecord(Struct, frozen=True):
    """A recorded body: its place, what it answers for, its digest, and how often it went out.

    `(number, offset, count)` names it: parts share the number (`offset` and `part` are those of
    `Batch`). `spans` are in input order, their file is the index in the run under way (-1: that
    file is not there any more); `where` says the same in words.
    `sendings` counts the times that it was about to be sent, over all processes; `upload` is the
    target's own note about an upload under way.
    """

    id: int
    number: int
    offset: int
    count: int
    spans: tuple[Span, ...]
    size_bytes: int
    digest: str
    where: str
    first_sent_at: float
    last_sent_at: float
    sendings: int
    state: State = State.OPEN
    resent: bool = False
    doubtful: int = 0
    message: str = ""
    upload: str | None = None
    spool: Spool | None = None
    part: int = 1

    @property
    def key(self) -> Key:
        """What names the body among those of its run."""
        return self.number, self.offset, self.count

    @property
    def records(self) -> int:
        """Records that the body answers for, superseded ones included."""
        return sum(span.count for span in self.spans)


class Tally(Struct, frozen=True):
    """Sums over a run's settled intents; those that are open count nowhere.

    `refused` records were named by the service in bodies that it took otherwise; they and rejected
    bodies are in neither `accepted` nor `ambiguous`. `apart` counts bodies that were taken apart.
    """

    accepted: int = 0
    ambiguous: int = 0
    superseded: int = 0
    refused: int = 0
    requests: int = 0
    failed: int = 0
    retried: int = 0
    bytes_sent: int = 0
    apart: int = 0


class Settled(Struct, frozen=True):
    """The records that need no further sending, by the file's index in the run under way."""

    files: Mapping[int, IntervalSet]
    tally: Tally = field(default_factory=Tally)

    def stretches(self, file: int, first: int, last: int) -> list[tuple[int, int, bool]]:
        """The records `first` to `last` of a file as stretches: from, to, whether settled."""
        found = self.files.get(file)
        return [(first, last, False)] if found is None else found.stretches(first, last)

    def holds(self, file: int, record: int) -> bool:
        """Whether this record is settled."""
        found = self.files.get(file)
        return found is not None and record in found
