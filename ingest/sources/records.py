"""Records that a program hands over, as an input like any other: NDJSON, made while it is read.

Each record is encoded when it comes, so an iterator may give the same dict again and again. Pieces
of `PIECE_BYTES` pass through a stream without a buffer: the iterator is asked for more only when
the run has taken what there was, and a slow service slows it down. What can't be read twice can't
be taken up by a later run, as with standard input.

The iterator is driven by one task (`RecordStream.pump`), from its first record to its closing: a
generator may hold a task group or a cancel scope, which must be left where they were entered. A
plain iterable is iterated on the event loop, in the task's own thread (a cursor of SQLite knows no
other): whatever blocks there blocks the run.

What can't be encoded is a record's trouble, and no run's: a line stands in its place that says so
and is no object, and so it is rejected under the record's number. JSON has no NaN and no infinity:
these are null, as whoever has them from a data frame means it. A Decimal keeps its digits.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Generator, Iterable, Mapping
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import msgspec
import orjson

from ingest.errors import SourceError
from ingest.job import SourceSettings
from ingest.model import FileInfo
from ingest.sources.discover import Discovery, Place
from ingest.sources.files import FileSource
from ingest.sources.opening import Verdict

RECORDS = "<records>"
PIECE_BYTES = 128 * 1024
SHOWN_CHARS = 1000
_OPTIONS = orjson.OPT_APPEND_NEWLINE | orjson.OPT_SERIALIZE_NUMPY

Records = AsyncIterable[Mapping[str, Any]] | Iterable[Mapping[str, Any]]


def encoded(record: object) -> bytes:
    """A record as one line of JSON; of one that can't be JSON, a line that says so."""
    try:
        return orjson.dumps(record, _as_json, _OPTIONS)
    except TypeError as exc:  # orjson's errors are all of this kind
        why = exc.__cause__ or exc
        words = f"can't be encoded as JSON: {why}: {_shown(record)}"
        safe = words.encode("utf-8", "backslashreplace").decode()
        return orjson.dumps(safe, option=orjson.OPT_APPEND_NEWLINE)


class RecordStream:
    """The records of an iterator as an `Input`. `pump` runs beside whoever reads; `close` it.

    `failure` is what the iterator raised; the records before it were given.
    """

    prompt = False

    def __init__(self, records: Records) -> None:
        self._records = records
        self._send, self._receive = anyio.create_memory_object_stream[bytes](0)
        self._given = 0
        self.failure: Exception | None = None

    async def pump(self) -> None:
        """Drive the iterator until it ends, or until nobody reads any more, and close it."""
        async with self._send:
            with suppress(anyio.BrokenResourceError):
                try:
                    await self._drive()
                finally:
                    await self._close()

    async def read(self) -> bytes:
        """See `opening.Input`. What the iterator raised is no reading error: records came whole."""
        try:
            return await self._receive.receive()
        except anyio.EndOfStream:
            return b""

    def verdict(self) -> Verdict:
        """See `opening.Input`: an iterator that raised has not come to its end."""
        if self.failure is None:
            return Verdict()
        return Verdict(
            error=SourceError(
                f"{RECORDS}: the iterator raised {type(self.failure).__name__} after"
                f" {self._given:,} records: {self.failure}",
                "the records before it were taken; what it raised is the outcome's `cause`",
            )
        )

    async def aclose(self) -> None:
        """See `opening.Input`."""
        self._receive.close()

    def close(self) -> None:
        """Let go of both ends, whether they were used or not."""
        self._receive.close()
        self._send.close()

    async def _drive(self) -> None:
        piece = bytearray()
        records = self._records
        try:
            if isinstance(records, AsyncIterable):
                async for record in records:
                    await self._add(piece, record)
            else:
                for record in records:
                    await self._add(piece, record)
        except anyio.BrokenResourceError:
            raise
        except Exception as exc:  # noqa: BLE001 - a stranger's code: whatever it raises is told
            self.failure = exc
        if piece:
            await self._send.send(bytes(piece))

    async def _close(self) -> None:
        """A generator that was left is closed here, in the task that drove it; within no scope of
        ours, since its own lie outside of that one and are left first."""
        try:
            if isinstance(self._records, AsyncGenerator):
                await self._records.aclose()
            elif isinstance(self._records, Generator):
                self._records.close()
        except Exception as exc:  # noqa: BLE001 - a stranger's code: whatever it raises is told
            self.failure = self.failure or exc

    async def _add(self, piece: bytearray, record: object) -> None:
        piece += encoded(record)
        self._given += 1
        if len(piece) >= PIECE_BYTES:
            await self._send.send(bytes(piece))
            piece.clear()


class RecordSource(FileSource):
    """The records of a stream, as the one input of a job."""

    def __init__(
        self, settings: SourceSettings, stream: RecordStream, note: Callable[[str], None]
    ) -> None:
        super().__init__(settings, Path(), note)
        self._stream = stream

    def _discovered(self) -> Discovery:
        file = FileInfo(0, RECORDS, regular=False)
        return Discovery((file,), (Place(RECORDS, given=self._stream),))


def _as_json(value: Any) -> Any:
    """What orjson does not know by itself. Subclasses of dates (a data frame's) are such, too."""
    if isinstance(value, Decimal):
        return orjson.Fragment(str(value)) if value.is_finite() else None
    if isinstance(value, msgspec.Struct):
        return msgspec.to_builtins(value, builtin_types=(Decimal, dt.datetime, dt.date, dt.time))
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, dt.date | dt.time):
        return value.isoformat() if value == value else None  # noqa: PLR0124 - not a time: NaT
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def _shown(record: object) -> str:
    try:
        return repr(record)[:SHOWN_CHARS]
    except Exception as exc:  # noqa: BLE001 - a stranger's code
        return f"and its repr raised {type(exc).__name__}"
