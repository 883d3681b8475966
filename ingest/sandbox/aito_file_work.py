"""The processing behind a triggered file upload: one task a file, beside the requests.

Reading and unpacking happen on worker threads, and every chunk of `CHUNK_LINES` lines is one turn
on the store's thread, so other requests get theirs in between and see the progress. What is kept
of a session after each chunk is the truth (see `aito_file_sessions`): when the server closes, the
tasks stop between two chunks, and after a restart they go on at the line where they stood, as soon
as anybody asks anything about an uploaded file.

With `--discard` the lines were counted while they arrived: the count is all that is landed.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import closing
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from ingest.sandbox import aito_file_sessions as sessions
from ingest.sandbox import halves, s3
from ingest.sandbox.aito_file_lines import Broken, chunks
from ingest.sandbox.aito_file_status import Backwards, Session
from ingest.sandbox.halves import Shared
from ingest.sandbox.refusal import Refused

CHUNK_LINES: Final = 1000


class Work:
    """The running tasks of one sandbox."""

    def __init__(self, shared: Shared) -> None:
        self.backwards = Backwards()
        self.objects = s3.objects(shared)
        self._shared = shared
        self._resumed = asyncio.create_task(self._resume())
        self._tasks = {self._resumed}

    async def resumed(self) -> None:
        """Wait until what a restart cut off goes on: what starts later must not be resumed."""
        await asyncio.shield(self._resumed)

    def start(self, session: Session, wait_s: float = 0.0) -> None:
        """Begin, or go on, after `wait_s` seconds."""
        task = asyncio.create_task(self._process(session, wait_s))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _resume(self) -> None:
        for session in await self._shared.on_store(sessions.unfinished):
            self.start(session)

    async def _process(self, session: Session, wait_s: float) -> None:
        await self._closing_or(wait_s)
        landed = self._counted if self._shared.settings.discard else self._landed
        session, trouble = await landed(session)
        if self._shared.closing.is_set():
            return
        await self._shared.on_store(lambda s: sessions.finished(s, session, time.time(), trouble))
        await run_in_threadpool(self.objects.forget, session.id)

    async def _landed(self, session: Session) -> tuple[Session, str]:
        """The session after its file, and why that could not be read on (if it could not)."""
        try:
            with closing(chunks(self.objects.taken(session.id), CHUNK_LINES, session.read)) as rest:
                while chunk := await run_in_threadpool(next, rest, None):
                    if self._shared.closing.is_set():
                        break
                    session = await self._land(session, chunk)
        except (Broken, Refused, OSError) as error:
            return session, str(error)
        return session, ""

    async def _land(self, session: Session, chunk: list[bytes]) -> Session:
        landed = await self._shared.on_store(lambda s: sessions.land(s, session, chunk))
        self._shared.stats.records_accepted += landed.completed - session.completed
        return landed

    async def _counted(self, session: Session) -> tuple[Session, str]:
        """The session with the lines of a body that was thrown away."""
        try:
            lines, trouble = await run_in_threadpool(self.objects.counted, session.id)
        except OSError as error:
            return session, str(error)
        if not self._shared.closing.is_set():
            session = await self._shared.on_store(lambda s: sessions.counted(s, session, lines))
        return session, trouble

    async def _closing_or(self, wait_s: float) -> None:
        try:
            await asyncio.wait_for(self._shared.closing.wait(), wait_s)
        except TimeoutError:
            return


async def of(request: Request) -> Work:
    """The work of the sandbox that serves `request`, after what a restart left has begun again."""
    state = request.app.state
    if not hasattr(state, "aito_file"):
        state.aito_file = Work(halves.of(request))
    work = state.aito_file
    assert isinstance(work, Work)
    await work.resumed()
    return work
