"""One run in its job's books: what is known of it, and where its outcomes go."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct, field
from msgspec.structs import replace

from ingest.build.grown import Before
from ingest.journal import (
    IntentRecord,
    Journal,
    JournalLedger,
    RunRecord,
    RunState,
    Settled,
    WrittenRejects,
)
from ingest.model import Accounts, Batch
from ingest.report import AmbiguousBatch
from ingest.sources.files import FileSource
from ingest.state import RunDir
from ingest.targets.aito_upload_record import Upload


class Booking(Struct):
    """One run in the books. Without `journal` it is outside of them.

    `skipped` are records of unchanged files, by index, `grown` what files that grew were before
    (those records are settled). `begun` are the files that are loaded for
    the first time, None in a run that is taken up.
    """

    run: RunDir
    journal: Journal | None = None
    record: RunRecord | None = None
    accounts: Accounts = field(default_factory=Accounts)
    settled: Settled | None = None
    intents: Sequence[IntentRecord] = ()
    ambiguous: Sequence[IntentRecord] = ()
    written: WrittenRejects = field(default_factory=WrittenRejects)
    skipped: dict[int, int] = field(default_factory=dict)
    grown: Mapping[int, Before] = field(default_factory=dict)
    begun: frozenset[int] | None = None
    _ledger: JournalLedger | None = None

    @property
    def first_number(self) -> int:
        """The number of the first batch that is packed anew."""
        return self.record.highest + 1 if self.record else 1

    def ledger(self, before_settling: Callable[[], None]) -> JournalLedger | None:
        """Where intents and outcomes are written: one for all who write, since it is what lets
        them write one after the other."""
        if self._ledger is None and self.journal is not None and self.record is not None:
            self._ledger = JournalLedger(self.journal, self.record, before_settling)
        return self._ledger

    def make_room(self) -> bool:
        """The disk is full: give up what was held back. False if nothing was."""
        return self.journal is not None and self.journal.make_room()

    def sent_before(self) -> Callable[[Batch], float | None]:
        """How long ago a process that was ended had a body under way; None if none had.

        The books know when a body was intended, and not when its last attempt ended: so the wait
        for late commits begins now. A file that was never triggered was surely not taken.
        """
        known = {intent.key for intent in self.intents if _may_be_taken(intent)}
        return lambda batch: 0.0 if (batch.number, batch.offset, batch.count) in known else None

    def records_of(self, index: int, read: int) -> int:
        """Records of a file that are on the accounts: `read` here, settled before, or skipped."""
        before = 0
        if self.settled is not None and (found := self.settled.files.get(index)):
            before = sum(last - max(first, read + 1) + 1 for first, last in found if last > read)
        return read + self.skipped.get(index, 0) + before

    def ambiguous_before(self) -> list[AmbiguousBatch]:
        """The batches that earlier processes of the run left ambiguous."""
        return [
            AmbiguousBatch(
                one.number, one.spans, one.resent, one.doubtful or one.records, one.message
            )
            for one in self.ambiguous
        ]

    def finish(
        self, state: RunState, accounts: Accounts, source: FileSource, records: Mapping[int, int]
    ) -> None:
        """The run came to its end in this process; `records` were read of each file, by index.

        Only of a run that is done a file counts as complete: one that was read to its end need not
        be sent to its end. What is kept of it are the bytes that were read, with the times that it
        had before: one that is written to meanwhile is seen to have changed. Of a run that goes on
        later the hashes are kept of what was read whole, so that a file that is only touched until
        then is known again.
        """
        if self.journal is None or self.record is None:
            return
        facts = {one.index: one for one in source.files_read()}
        members = {file.index for file in source.files if file.member}
        whole = [
            (file, one)
            for file in self.journal.files(self.record)
            if file.size_bytes is not None
            and (one := facts.get(file.index)) is not None
            and one.sha256 is not None
        ]
        if state == "done":
            known = [
                replace(
                    file,
                    size_bytes=file.size_bytes if file.index in members else one.raw_bytes,
                    sha256=one.sha256,
                    records=records.get(file.index, 0),
                    complete=True,
                )
                for file, one in whole
            ]
        else:
            known = [
                replace(file, sha256=one.sha256)
                for file, one in whole
                if file.index not in members and file.size_bytes == one.raw_bytes
            ]
        self.journal.finish(self.record, state, accounts, known)


def _may_be_taken(intent: IntentRecord) -> bool:
    """Whether a process before this one may have handed the body's records over."""
    if intent.spool is None:
        return True
    if intent.upload is None:
        return False
    try:
        return Upload.from_text(intent.upload).triggers > 0
    except (ValueError, TypeError):
        return True  # nobody can tell
