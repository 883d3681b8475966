"""Evidence that outlives the process: which bodies' keys were looked up, and were not there.

A key in the table proves that a body landed only if it was not there before. Where the table was
not empty, that is asked of each body before its first attempt; and whoever takes the run up after a
kill can't ask it any more, since the key may be there by that very attempt. So the answer is kept,
durably, before the body is sent: one line a body in the run's directory. A line that a kill has
torn is no answer, and its body was not sent.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import anyio
import anyio.to_thread
import orjson

from ingest.errors import IngestError
from ingest.model import Batch
from ingest.settling.evidence import EvidenceSettler
from ingest.settling.looks import WaitUntil

_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
Key = tuple[int, int, int]


class TrustedEvidence:
    """`protocols.Settler`: an `EvidenceSettler` whose good bodies are kept in the file at `path`.

    `asks`: the table was not empty; else there is nothing to keep.
    """

    def __init__(self, inner: EvidenceSettler, path: Path, *, asks: bool) -> None:
        self._inner = inner
        self._path = path
        self._asks = asks
        self._known = frozenset(_read(path)) if asks else frozenset()
        self._turn = anyio.Lock()

    async def prepare(self, batch: Batch) -> bool:
        """See `protocols.Settler`; a good answer is on the disk on return. Raises IngestError where
        it can't be written."""
        good = await self._inner.prepare(batch)
        if good and self._asks:
            async with self._turn:
                await anyio.to_thread.run_sync(_append, self._path, _key(batch))
        return good

    async def settle(
        self, batch: Batch, since_s: float, wait_until: WaitUntil, landed: int | None = 0
    ) -> bool | None:
        """See `protocols.Settler`."""
        if _key(batch) in self._known:
            self._inner.trust(batch)
        return await self._inner.settle(batch, since_s, wait_until, landed)


def _key(batch: Batch) -> Key:
    return batch.number, batch.offset, batch.count


def _read(path: Path) -> Iterator[Key]:
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError:
        return  # nothing is trusted then, and what is in doubt is named
    for line in lines:
        try:
            number, offset, count = orjson.loads(line)
        except (ValueError, TypeError):
            continue
        yield number, offset, count


def _append(path: Path, key: Key) -> None:
    try:
        handle = os.open(path, _FLAGS, 0o600)
        try:
            os.write(handle, b"\n" + orjson.dumps(key))  # never grown onto a torn line
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as exc:
        raise IngestError(
            f"what was looked up can't be kept: {path}: {exc.strerror or exc}",
            "make room; then run the same command again",
        ) from exc
