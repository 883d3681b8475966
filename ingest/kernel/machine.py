"""The kernel's machines: each has a memory of its own, and is used by one thread at a time.

Threads come and go, so a machine belongs to none of them: it is taken from those that are idle, or
made, and laid back. There are never more of them than calls at once.
"""

from __future__ import annotations

import atexit
import ctypes
import struct
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from msgspec import Struct

from ingest.kernel.program import RANGE, SLACK, Program, image_of

PAGE_BYTES = 64 * 1024
MOST_PAGES = 2**16 - 1
LONGEST_ESCAPE = 6  # a control character's
_HEAD_OF_RUN = struct.Struct("<3I")
_TEXT = struct.Struct("<2I")


class Transcript(Struct, frozen=True):
    """The records of all ranges in order, where each range's end, and how many it has.

    `longest` is the size in bytes of the longest record, its end included; 0 if there is none.
    """

    data: bytes
    ends: Sequence[int]
    records: Sequence[int]
    longest: int


class _Code(Struct, frozen=True):
    """What all machines share: Wasmtime, its engine, the kernel as machine code."""

    wasmtime: Any
    engine: Any
    module: Any


def is_loaded() -> bool:
    """Whether the kernel has been needed already: to load it takes a tenth of a second."""
    return _code.cache_info().currsize > 0


def is_there() -> bool:
    """Whether this machine can have a kernel."""
    return _code() is not None


def transcribe(
    program: Program,
    data: bytes,
    ranges: Sequence[tuple[int, int]],
    texts: Sequence[Sequence[bytes]] = (),
) -> Transcript | None:
    """The records in these ranges of `data`, each range whole records with their ends.

    `texts` has `program.texts` texts for each range. None: a value was not what the program allows,
    there are no records, or there is no kernel. Every record must have its fields and a line end;
    if one has not, the answer is worth nothing, and that is all.
    """
    code = _code()
    if code is None:
        return None
    try:
        answer = (machine := _taken(code)).run(program, data, ranges, texts)
    except (code.wasmtime.WasmtimeError, code.wasmtime.Trap):
        return None  # no memory left to reserve, or over its edge
    _idle.append(machine)
    return answer


class _Machine:
    """One instance of the kernel."""

    def __init__(self, code: _Code) -> None:
        self._store = code.wasmtime.Store(code.engine)
        exports = code.wasmtime.Instance(self._store, code.module, []).exports(self._store)
        self._memory, self._transcribe = exports["memory"], exports["transcribe"]
        self._image = b""

    def run(
        self,
        program: Program,
        data: bytes,
        ranges: Sequence[tuple[int, int]],
        texts: Sequence[Sequence[bytes]],
    ) -> Transcript | None:
        """See `transcribe`."""
        image = image_of(program)
        table = len(image)
        literals = table + RANGE.size * len(ranges)
        places, shown = _laid_out(texts or [()] * len(ranges), literals)
        source = literals + len(shown) + SLACK
        target = source + len(data) + SLACK
        said = max((sum(map(len, some)) for some in texts), default=0)
        if not self._make_room(target + _most_bytes(program, len(data), said)):
            return None
        rows = (
            RANGE.pack(source + start, source + end, 0, 0, *place)
            for (start, end), place in zip(ranges, places, strict=True)
        )
        if self._image is not image:
            self._write(0, image)
            self._image = image
        self._write(0, _HEAD_OF_RUN.pack(table, literals, target))
        self._write(table, b"".join(rows) + shown)
        self._write(source, data)
        longest = self._transcribe(self._store, 0)
        if not longest and ranges:
            return None
        return self._result(table, literals, target, longest)

    def close(self) -> None:
        """Give its memory back."""
        self._store.close()

    def _make_room(self, size_bytes: int) -> bool:
        """Memory that nobody has touched takes none of the system's."""
        missing = -(-size_bytes // PAGE_BYTES) - self._memory.size(self._store)
        if missing > 0:
            if missing > MOST_PAGES - self._memory.size(self._store):
                return False
            self._memory.grow(self._store, missing)
        return True

    def _address(self, at: int) -> int:
        return ctypes.addressof(self._memory.data_ptr(self._store).contents) + at

    def _write(self, at: int, data: bytes) -> None:
        ctypes.memmove(self._address(at), data, len(data))

    def _result(self, table: int, end: int, target: int, longest: int) -> Transcript:
        rows = list(RANGE.iter_unpack(ctypes.string_at(self._address(table), end - table)))
        ends = [row[2] - target for row in rows]
        size = ends[-1] if ends else 0
        data = ctypes.string_at(self._address(target), size)
        return Transcript(data, ends, [row[3] for row in rows], longest)


_idle: list[_Machine] = []


def _taken(code: _Code) -> _Machine:
    try:
        return _idle.pop()
    except IndexError:
        return _Machine(code)


def _laid_out(texts: Sequence[Sequence[bytes]], start: int) -> tuple[list[tuple[int, int]], bytes]:
    """Each range's texts from `start` on: where the list of them lies and ends, and all bytes."""
    parts: list[bytes] = []
    places = []
    for some in texts:
        at = start + _TEXT.size * len(some)
        places.append((start, at))
        for text in some:
            parts.append(_TEXT.pack(at, at + len(text)))
            at += len(text)
        parts += some
        start = at
    return places, b"".join(parts)


def _most_bytes(program: Program, size_bytes: int, text_bytes: int) -> int:
    """More than any output takes: a record has at least a byte for each of its columns."""
    records = size_bytes // program.columns
    growth = program.most_copies * (LONGEST_ESCAPE if program.escaping else 1)
    return growth * size_bytes + records * (program.largest_growth + text_bytes) + SLACK


@cache
def _code() -> _Code | None:
    try:
        import wasmtime  # noqa: PLC0415 - 0.1 s, which a small load has no use for
    except (ImportError, OSError, RuntimeError):  # not installed; no build for this machine
        return None
    config = wasmtime.Config()
    config.parallel_compilation = False  # one function is no work for a pool of threads
    try:
        text = Path(__file__).with_name("transcribe.wat").read_text(encoding="ascii")
        engine = wasmtime.Engine(config)
        code = _Code(wasmtime, engine, wasmtime.Module(engine, text))
        _idle.append(_Machine(code))
    except (OSError, wasmtime.WasmtimeError):
        return None
    atexit.register(_close, code)
    return code


def _close(code: _Code) -> None:
    """Before the interpreter takes apart what Wasmtime's own finalizers need.

    A machine that a thread is still at is not among the idle ones, and holds what it needs.
    """
    while _idle:
        _idle.pop().close()
    code.module.close()
    code.engine.close()
