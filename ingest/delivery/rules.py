"""What a delivery works with, and what one body has behind it."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct, field

from ingest.errors import Trouble
from ingest.governor import Attempts, Governor
from ingest.model import Accounts, Batch, Outcome, Receipt, Verdict
from ingest.protocols import Clock, Envelope, Ledger, Settler, Target

# How often a body goes out whose fate nothing settles. Once more would do if that one's answer were
# sure to come; after two lost answers nobody knows that it is there at all.
MOST_UNSETTLED = 4
PERHAPS_SENT = "a run that was ended had perhaps sent it"


def never_sent(_: Batch) -> float | None:
    """No process before this one had any body under way."""
    return None


def _nothing(*_: object) -> None:
    """Nobody wants to know."""


class DeliveryRules(Struct, frozen=True):
    """`harmless`: sending a batch twice leaves the same rows (an upsert). `send_doubtful`: where
    nothing settles an ambiguous batch, send it once more and name it. `target_settles`: the target
    itself finds out what became of a body that an earlier process had under way (a file upload):
    until it has, such a body is ambiguous, and stays open.
    `longest_server_s`: how long after a lost answer the service may still commit."""

    harmless: bool = False
    send_doubtful: bool = True
    target_settles: bool = False
    longest_server_s: float = 60.0

    @property
    def counts_tell(self) -> bool:
        """Rows are only ever added, and by requests alone: a count says what one has done."""
        return not self.harmless and not self.target_settles


class Hands(Struct, frozen=True):
    """What a delivery works with.

    `stopping` asks whether the run is being ended. `sent_before` says how many seconds ago a
    process that was ended may have sent this very body, None if none did. `too_large` is told the
    size that bodies shall have from now on, `hold` a body that may still commit, and until when,
    `note` what people should know. `rows_expected` are those that the table has if it has what was
    accepted, and nobody else writes to it; None where that is not known.
    """

    target: Target
    envelope: Envelope
    governor: Governor
    clock: Clock
    accounts: Accounts
    on_end: Callable[[Receipt], None]
    stopping: Callable[[], bool]
    ledger: Ledger | None = None
    settler: Settler | None = None
    sent_before: Callable[[Batch], float | None] = never_sent
    too_large: Callable[[int], None] = _nothing
    hold: Callable[[Batch, float], None] = _nothing
    note: Callable[[str], None] = _nothing
    rows_expected: Callable[[], int | None] = lambda: None


class Tries(Struct):
    """What one body has behind it.

    `doubtful`: an attempt may have landed, and nothing has settled it; `unsettled` counts these.
    `lost_s` is when the last such attempt ended, on the monotonic clock. `whole` is the batch that
    the body is a part of, or the same. `refusal`: the service has refused the records, and surely
    taken none; such a body has no receipt yet.
    """

    batch: Batch
    whole: Batch
    attempts: int = 0
    failed: int = 0
    latency_s: float = 0.0
    wait_s: float = 0.0
    status: int | None = None
    message: str = ""
    state: Attempts = field(default_factory=Attempts)
    verdict: Verdict = field(default_factory=Verdict)
    exhausted: bool = False
    under_way: bool = False
    doubtful: bool = False
    unsettled: int = 0
    sent_before: bool = False
    intended: bool = False
    lost_s: float | None = None
    receipt: Receipt | None = None
    refusal: Trouble | None = None

    @property
    def landed_whole(self) -> bool:
        """Every record of it is surely in."""
        receipt = self.receipt
        if receipt is None or receipt.outcome is not Outcome.ACCEPTED:
            return False
        return not (receipt.verdict.refused or receipt.verdict.doubtful)

    @property
    def end_if_stopped(self) -> Outcome:
        """What a body is whose delivery goes no further."""
        return Outcome.AMBIGUOUS if self.doubtful or self.under_way else Outcome.UNSENT
