"""The gate every request passes: bounded bodies, and for those with records counts and faults.

A body is read whole before anything is done with it, so that a fault strikes at a defined moment:
"handed over, then nothing" or "handed over, done, then nothing". Bodies without records pass on
untouched but for the bound; what a half says it streams passes on unread and unbounded. With
`discard` a body with records is counted piece by piece, never put together, and answered 200 before
any route is looked up. With a record directory each body is kept as it came, in the order in which
bodies became whole, faults and refusals included.

The answer to a request that shall be aborted, or whose commit comes late, is made and dropped: the
routes below know nothing of faults. When the server closes, late commits are done at once.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path

from msgspec import Struct
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ingest.sandbox import answers, body, faults, halves
from ingest.sandbox.aito_refusal import CONTENTION
from ingest.sandbox.body import Disconnected, Received
from ingest.sandbox.halves import Shared
from ingest.sandbox.refusal import Refused
from ingest.sandbox.stats import DISCONNECTED, RESET

ABORT_EXTENSION = "ingest.abort"  # in scope["extensions"]: {"abort": callable}, see `server`

COUNTED_EXTENSION = "ingest.counted"  # {"bytes": n}: the body was counted instead of kept


class Call(Struct, frozen=True):
    """One request as ASGI hands it over."""

    scope: Scope
    receive: Receive
    send: Send

    async def answer(self, response: ASGIApp) -> None:
        """Send a ready answer."""
        await response(self.scope, self.receive, self.send)

    async def refuse(self, refused: Refused, headers: Mapping[str, str] | None = None) -> None:
        """Say no, in the words of the half that serves the request."""
        await self.answer(halves.refusal(self.scope, refused, headers))


class Gate:
    """ASGI middleware around the routes."""

    def __init__(self, app: ASGIApp, shared: Shared, recorder: Recorder) -> None:
        self._app = app
        self._shared = shared
        self._recorder = recorder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        half, call = halves.serving(scope), Call(scope, receive, send)
        if half.streams(scope["method"], scope["path"]):
            await self._app(scope, receive, send)
        elif half.carries_records(scope["method"], scope["path"]):
            fate = self._shared.next_fate(faults.RECORDS)
            with self._shared.stats.request():
                self._shared.stats.answered(await self._with_records(call, fate))
        else:
            await self._without_records(call)

    async def _without_records(self, call: Call) -> None:
        try:
            received = await _received(call, keep=True)
        except Refused as refused:
            await call.refuse(refused)
        except Disconnected:
            return
        else:
            await self._app(call.scope, _replayed(received, call.receive), call.send)

    async def _with_records(self, call: Call, fate: faults.Fate) -> int | str:
        """Serve a request with records; how it ended, for the counts."""
        settings = self._shared.settings
        keep = not settings.discard or settings.record_dir is not None
        try:
            received = await _received(call, keep=keep)
        except Refused as refused:
            await call.refuse(refused)
            return refused.status
        except Disconnected:
            return DISCONNECTED
        self._shared.stats.body(received.size_bytes)
        await self._record(received)
        return await self._fated(call, received, fate)

    async def _record(self, received: Received) -> None:
        if self._recorder.is_on:
            await self._shared.run(self._recorder.next_file(received))

    async def _fated(self, call: Call, received: Received, fate: faults.Fate) -> int | str:
        if fate.slow_s:
            await asyncio.sleep(fate.slow_s)
        fault = fate.fault
        if fault is None:
            return await self._handled(call, received)
        if fault.kind in _ANSWERED:
            refused, headers = _ANSWERED[fault.kind](fault)
            await call.refuse(refused, _with_retry_after(headers, fault))
            return refused.status
        await self._aborted(call, received, fault)
        return RESET

    async def _aborted(self, call: Call, received: Received, fault: faults.Fault) -> None:
        """Abort the connection, and do the request before, later or never."""
        silent = Call(call.scope, call.receive, _swallow)
        if fault.kind == faults.RESET_AFTER:
            await self._handled(silent, received)
        await _abort(call)
        if fault.kind == faults.COMMIT_LATE:
            await self._closing_or(fault.delay_s or 0.0)
            await self._handled(silent, received)

    async def _handled(self, call: Call, received: Received) -> int:
        """Let the routes do the request (or throw it away); the status they answer with."""
        if self._shared.settings.discard:
            await call.answer(answers.JsonAnswer({"discarded": True}))
            return 200
        status = 500

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await call.send(message)

        await self._app(call.scope, _replayed(received, call.receive), noting)
        return status

    async def _closing_or(self, delay_s: float) -> None:
        try:
            await asyncio.wait_for(self._shared.closing.wait(), delay_s)
        except TimeoutError:
            return


class Recorder:
    """Keeps bodies as 000001.json, 000002.json, ...; goes on after the highest number it finds."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        taken = [0]
        if directory is not None:
            directory.mkdir(parents=True, exist_ok=True)
            taken += [int(p.stem) for p in directory.glob("*.json") if p.stem.isdecimal()]
        self._numbers = count(max(taken) + 1)

    @property
    def is_on(self) -> bool:
        """There is a directory to record to."""
        return self._directory is not None

    def next_file(self, received: Received) -> Callable[[], None]:
        """Take the next number now; the call that writes the file under it."""
        assert self._directory is not None
        path = self._directory / f"{next(self._numbers):06d}.json"
        return lambda: _write(path, received)


def _write(path: Path, received: Received) -> None:
    with path.open("xb") as file:
        file.writelines(received.pieces)


_WORDS = "a fault rehearsed by the sandbox"

# The kinds that are answered, with their headers: aito's as its client expects them.
_ANSWERED: Mapping[str, Callable[[faults.Fault], tuple[Refused, Mapping[str, str]]]] = {
    faults.STATUS: lambda fault: (Refused(fault.status, _WORDS), {}),
    faults.THROTTLED: lambda _: (Refused(429, _WORDS), {"x-error-cause": "Throttled"}),
    faults.QUOTA: lambda _: (Refused(429, _WORDS), {"x-error-cause": "Quota Exceeded"}),
    faults.CONTENTION: lambda _: (Refused(409, _WORDS, code=CONTENTION), {"Retry-After": "1"}),
}


def _with_retry_after(headers: Mapping[str, str], fault: faults.Fault) -> Mapping[str, str]:
    """Retry-After counts whole seconds, rounded up."""
    if fault.delay_s is None:
        return headers
    return {**headers, "Retry-After": str(math.ceil(fault.delay_s))}


async def _abort(call: Call) -> None:
    """Abort the connection and wait until the server has seen it go."""
    call.scope["extensions"][ABORT_EXTENSION]["abort"]()
    while (await call.receive())["type"] != "http.disconnect":
        pass


async def _swallow(_message: Message) -> None:
    """Drop an answer."""


async def _received(call: Call, *, keep: bool) -> Received:
    """The body, or its size alone where the server only counted it."""
    received = await body.received(call.receive, _announced(call.scope), keep=keep)
    counted = call.scope["extensions"].get(COUNTED_EXTENSION)
    if counted is None:
        return received
    if counted["bytes"] > body.BODY_BYTES:
        raise body.too_large(counted["bytes"])
    return Received(counted["bytes"], ())


def _announced(scope: Scope) -> int | None:
    length = Headers(scope=scope).get("content-length")
    return int(length) if length is not None and length.isdecimal() else None


def _replayed(received: Received, receive: Receive) -> Receive:
    """A `receive` that gives the body that was read already, then what the server has."""
    first = iter([{"type": "http.request", "body": received.joined(), "more_body": False}])

    async def replay() -> Message:
        return next(first, None) or await receive()

    return replay
