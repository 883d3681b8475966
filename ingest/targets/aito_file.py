"""aito by files: a gzip spool put to a place the service names, then processed by it.

Init (`POST data/{t}/file`) gives an id and a signed URL, the file is PUT there, a trigger (`POST
data/{t}/file/{id}`) starts the processing, the status (`GET` the same) says how far it is. What
follows what is decided in `aito_upload`; here it is done. One `send` is one attempt at a file.

What is raised keeps the promises of `protocols.Target`, with these differences to a small body:

- A file is never taken apart, so no `Permanent` leaves `send`: a refusal that no retry mends stops
  the run with an IngestError. Before the trigger that is safe, because nothing was applied.
- From the trigger on only a `Verdict` or `Ambiguous` leaves it, whatever is met: an error that
  stops the run would count the records as unsent. Whoever sends an ambiguous file again gets no
  second trigger: the target knows the upload by its batch's number and only looks again.
- A file may be taken in part. The verdict names the failing rows that the service listed and that
  were found in the file; what is missing besides is doubtful.
- If no row of the first file landed, the next one is not sent: no single rows are at fault then.

Each change is recorded before anything more is done, so that a process that was killed at any
instant is followed by one that knows what may be out.

The rows are counted right before the trigger, not before the upload, which may take an hour. The
spool is not removed here: rejects are still to be read from it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio
import anyio.to_thread

from ingest.errors import Ambiguous, IngestError, TargetError
from ingest.model import Batch, Verdict
from ingest.protocols import Envelope
from ingest.targets.aito import DEFAULTS, AitoSettings, AitoTable
from ingest.targets.aito_failures import Found, locate
from ingest.targets.aito_file_answers import settled
from ingest.targets.aito_file_steps import Attempt, FileSettings, Steps
from ingest.targets.aito_upload import Do, Upload, advance, begin, doubt
from ingest.targets.aito_upload_events import Event, Triggering
from ingest.wire import Wire

__all__ = ["AitoFileTarget", "FileSettings"]


class AitoFileTarget(AitoTable):
    """One table, loaded by files. `protocols.Target`; batches must have a spool."""

    via = "file"

    def __init__(
        self,
        wire: Wire,
        table: str,
        envelope: Envelope,
        settings: AitoSettings = DEFAULTS,
        file: FileSettings | None = None,
    ) -> None:
        """`envelope` is that of the packing which fills the spools."""
        super().__init__(wire, table, settings)
        self._envelope = envelope
        self._file = file or FileSettings()
        self._requests = Steps(self, self._file)
        self._steps: dict[Do, Callable[[Attempt], Awaitable[Event]]] = {
            Do.INIT: self._requests.init,
            Do.PUT: self._requests.put,
            Do.TRIGGER: self._requests.trigger,
            Do.LOOK: self._requests.look,
            Do.COUNT: self._requests.count,
        }
        self._uploads: dict[int, Upload] = {}
        self._taken = 0
        self._nothing_landed = ""

    @property
    def envelope(self) -> Envelope:
        """One JSON object a line, gzipped."""
        return self._envelope

    def take_up(self, number: int, upload: Upload) -> None:
        """The batch of that number goes on where a journal says it stood."""
        self._uploads[number] = upload

    def landed_before(self, rows: int) -> None:
        """So many rows were taken by processes before this one."""
        self._taken += rows

    async def send(self, batch: Batch) -> Verdict:
        """One attempt; see the module's head for what it raises."""
        if batch.spool is None:
            raise TargetError(f"{self.shown}: a batch without a file", "this is a defect")
        upload = self._uploads.get(batch.number) or Upload(batch.count)
        if self._nothing_landed and not upload.triggers:
            raise TargetError(f"{self.shown}: {self._nothing_landed}", _SYSTEMATIC)
        course = begin(upload, self._file.rules, self._now())
        attempt = Attempt(batch, batch.spool, course, upload)
        while (step := self._steps.get(attempt.course.do)) is not None:
            if attempt.course.wait_s:
                await self._file.senses.clock.sleep(attempt.course.wait_s)
            if attempt.course.do is Do.TRIGGER:
                await self._went(attempt, Triggering(await self._rows_before(attempt.upload)))
            await self._went(attempt, await step(attempt))
        return await self._ended(attempt)

    async def _rows_before(self, upload: Upload) -> int | None:
        return upload.rows_before if upload.triggers else await self._requests.rows()

    async def _went(self, attempt: Attempt, event: Event) -> None:
        """Decide what `event` means, and have it recorded before anything more is done."""
        attempt.course = advance(attempt.course, event, self._now())
        upload = attempt.upload
        self._uploads[attempt.batch.number] = upload
        if not upload.is_further(attempt.told):
            return
        attempt.told = upload
        try:
            await self._file.on_state(attempt.batch, upload)
        except IngestError as error:
            triggers_out = upload.triggers - isinstance(event, Triggering)
            if not triggers_out:
                raise
            raise Ambiguous(f"upload {upload.id} can't be recorded: {error.message}") from None

    async def _ended(self, attempt: Attempt) -> Verdict:
        match attempt.course.do:
            case Do.FINISH:
                return await self._verdict(attempt)
            case Do.GIVE_UP:
                rows = await self._requests.rows()
                raise Ambiguous(doubt(attempt.upload, rows, self._file.stall_timeout_s))
        assert attempt.error is not None, "an attempt that is over has a result or an error"
        raise attempt.error

    async def _verdict(self, attempt: Attempt) -> Verdict:
        status, upload = attempt.status, attempt.upload
        assert status is not None, "only a status ends an upload well"
        found = Found()
        if status.rows:
            found = await anyio.to_thread.run_sync(
                locate, attempt.spool.path, status.rows, upload.records, abandon_on_cancel=True
            )
        place = f"file upload {upload.id}"
        result = settled(upload.records, status, len(found.refused))
        if isinstance(result, str):
            raise Ambiguous(f"{place}: {result}")
        del self._uploads[attempt.batch.number]
        self._taken += result.taken
        words = "; ".join(filter(None, (result.words, found.trouble)))
        if not self._taken:
            self._nothing_landed = f"{place}: no row landed: {words or found.refused[0].words}"
        message = f"{place}: {words}" if words else ""
        return Verdict(result.taken, found.refused, result.doubtful, message)

    def _now(self) -> float:
        return self._file.senses.clock.monotonic()


_SYSTEMATIC = "no single record is at fault: compare the fields with the table"
