"""The requests of a file upload to aito, each as a step that says what happened.

A step is given an attempt and returns an event (`aito_upload_events`); what follows from it is
decided in `aito_upload`. Raised is only what ends an attempt before anything was applied: kinds of
`Trouble` that mean "again" or stop the run, or a TargetError. `Permanent` is never raised, because
a file is not taken apart. From the trigger on every trouble is an event.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from msgspec import Struct, field
from msgspec.structs import replace

from ingest.errors import (
    Ambiguous,
    IngestError,
    NotFound,
    QuotaExceeded,
    Retryable,
    TargetError,
    Trouble,
    Unauthorized,
)
from ingest.events import FileProgress
from ingest.model import Batch, Spool
from ingest.targets.aito import AitoTable
from ingest.targets.aito_file_answers import (
    FILE_UNKNOWN,
    Slot,
    Status,
    read_slot,
    read_status,
)
from ingest.targets.aito_types import as_meant, doubt_about
from ingest.targets.aito_upload import EXPIRED_IN_A_ROW, Course, Rules, Upload
from ingest.targets.aito_upload_events import (
    Absent,
    Counted,
    Event,
    Initialised,
    PutFailed,
    Seen,
    Stored,
    TriggerLost,
    TriggerRefused,
    TriggerTaken,
    Unclear,
)
from ingest.wire import (
    PutEnd,
    PutResult,
    Resolver,
    Senses,
    SignedUrl,
    clocks,
    put_file,
    system_resolver,
)

OnState = Callable[[Batch, Upload], Awaitable[None]]


async def _keep_nothing(_batch: Batch, _upload: Upload) -> None:
    """For runs without a journal."""


class FileSettings(Struct, frozen=True):
    """How files are sent. `stall_timeout_s` without progress, and an upload is given up;
    `trigger_grace_s` unknown to the service, and one without an answer is triggered once more.

    `on_state` is awaited at each change that matters to whoever goes on after a kill, and before
    the trigger goes out; `on_progress` is told how far the file is.
    """

    stall_timeout_s: float = 900.0
    trigger_grace_s: float = 60.0
    on_state: OnState = _keep_nothing
    on_progress: Callable[[FileProgress], None] = lambda _progress: None
    senses: Senses = field(default_factory=Senses)
    resolve: Resolver = system_resolver

    @property
    def rules(self) -> Rules:
        """The limits in time."""
        return Rules(self.stall_timeout_s, self.trigger_grace_s)


class Attempt(Struct):
    """One attempt at a file. `error` is what it ends with if the course says AGAIN or STOP, `told`
    what was last recorded of it."""

    batch: Batch
    spool: Spool
    course: Course
    told: Upload
    url: SignedUrl | None = None
    status: Status | None = None
    error: Exception | None = None

    @property
    def upload(self) -> Upload:
        """What is known of it."""
        return self.course.upload


class Steps:
    """Init, PUT, trigger, status and count for one table."""

    def __init__(self, table: AitoTable, file: FileSettings) -> None:
        self._table = table
        self._file = file
        self._put_rules = replace(table.wire.put_rules, resolve=file.resolve)

    async def init(self, attempt: Attempt) -> Event:
        """Ask for an id and a URL."""
        slot = await self._slot()
        if isinstance(slot, str):
            words = f"{self._table.shown}: the answer to a new upload: {slot}"
            raise TargetError(words, "check target.base_url: this is not how aito answers")
        plain = self._put_rules.loopback
        attempt.url = SignedUrl(slot.url, plain=plain, expires_at=slot.expires_at)
        return Initialised(slot.id, str(attempt.url), attempt.url.expires_at)

    async def put(self, attempt: Attempt) -> Event:
        """Put the file to that URL."""
        assert attempt.url is not None, "only an initialised upload is put"
        total = attempt.spool.size_bytes

        def told(done: int) -> None:
            self._file.on_progress(FileProgress("uploading", done, total))

        result = await put_file(attempt.url, attempt.spool.path, total, self._put_rules, told)
        if result.end is PutEnd.STORED:
            return Stored()
        place = f"{self._table.shown}: the upload to {attempt.url}"
        if result.end is PutEnd.REFUSED:
            raise TargetError(f"{place}: {result.message}", result.hint)
        attempt.error = self._put_error(attempt.upload, result, place)
        return PutFailed(result.message, expired=result.end is PutEnd.EXPIRED)

    async def trigger(self, attempt: Attempt) -> Event:
        """Start the processing. That this is about to be done is recorded by now."""
        try:
            doubt = doubt_about(await self._table.wire.once("POST", self._place(attempt)))
        except Ambiguous as trouble:
            return TriggerLost(trouble.message)
        except Trouble as trouble:
            if trouble.status == 409:  # perhaps because it has begun
                return TriggerLost(trouble.message)
            attempt.error = self._as_raised(trouble, "the trigger of an upload")
            return TriggerRefused(trouble.message, unknown=trouble.status in FILE_UNKNOWN)
        return TriggerLost(doubt) if doubt else TriggerTaken()

    async def look(self, attempt: Attempt) -> Event:
        """Ask how far the service is."""
        try:
            status = read_status(await self._table.wire.once("GET", self._place(attempt)))
        except NotFound as trouble:
            return Absent(trouble.message)
        except Trouble as trouble:
            return Unclear(trouble.message, trouble.retry_after_s or 0.0)
        if status is None:
            return Unclear("the answer to a question for the status is none")
        attempt.status = status
        done = FileProgress("processing", status.completed, attempt.upload.records)
        self._file.on_progress(done)
        return Seen(status)

    async def count(self, _attempt: Attempt) -> Event:
        """Ask whether the table is as it was before the trigger."""
        return Counted(await self.rows())

    async def rows(self) -> int | None:
        """The table's rows now; None where that can't be known."""
        try:
            return await self._table.count()
        except IngestError:
            return None

    async def _slot(self) -> Slot | str:
        """A new upload. To ask twice harms nobody, so a lost answer means again."""
        try:
            return read_slot(await self._table.wire.once("POST", self._table.path("file")))
        except Ambiguous as trouble:
            words, pause_s = trouble.message, trouble.retry_after_s
            raise Retryable(words, status=trouble.status, retry_after_s=pause_s) from None
        except Trouble as trouble:
            raise self._as_raised(trouble, "a new upload") from None

    def _put_error(self, upload: Upload, result: PutResult, place: str) -> Exception:
        """What an attempt ends with whose PUT may be repeated; too many expiries stop the run."""
        if result.end is not PutEnd.EXPIRED or upload.expired < EXPIRED_IN_A_ROW:
            words, pause_s = f"{place}: {result.message}", result.retry_after_s
            return Retryable(words, status=result.status, retry_after_s=pause_s)
        times = clocks(upload.expires_at, result.date_s, self._file.senses.wall())
        return TargetError(
            f"{place}: each new address is refused as expired: {times}",
            "compare the clocks; a slow line needs smaller files: lower limits.spool_bytes",
        )

    def _as_raised(self, trouble: Trouble, what: str) -> Exception:
        """The trouble as it may leave an attempt that has applied nothing."""
        trouble = as_meant(trouble, self._table.table)
        if isinstance(trouble, Retryable | Unauthorized | QuotaExceeded | NotFound):
            return trouble
        return TargetError(
            f"{self._table.shown}: {what} is refused: {trouble.message}",
            'see target.table; target.via = "batch" goes another way',
        )

    def _place(self, attempt: Attempt) -> str:
        return self._table.path(f"file/{attempt.upload.id}")
