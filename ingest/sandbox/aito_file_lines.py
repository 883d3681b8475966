"""Gzip pieces to lines of NDJSON, in bounded memory, however the pieces were cut.

Promise: every whole, non-blank line of the file is given once, in order, until the gzip breaks;
then `Broken` says how. Nothing is held but one unpacked piece and one unfinished line. That is what
a bomb can cost too: a line is kept to `LINE_BYTES` (one byte more marks it as too long), and a file
that unpacks to more than `RATIO` times its size is `Broken` once `FREE_BYTES` are out.

Any number of gzip members is one file, with zero bytes between them (RFC 1952; the zeros are what
tape blocks leave). A file that ends within a member is cut short: its last, unfinished line is no
row. A checksum that does not fit is found at a member's end, when its lines are out already, but
for those of the last piece.

The format's page says nothing of blank lines; here they are no rows (guess).
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path

from isal import isal_zlib

LINE_BYTES = 16_000_000
RATIO = 300
FREE_BYTES = 64 * 1024 * 1024
PIECE_BYTES = 1024 * 1024
READ_BYTES = 256 * 1024
BLANK = b" \t\r"


class Broken(Exception):  # noqa: N818 - it says what happened
    """The gzip can't be read on; the message says how and after how many bytes."""


class Unpacker:
    """Pieces of gzip in, plain pieces of at most `PIECE_BYTES` out."""

    def __init__(self) -> None:
        self._member = _new_member()
        self._is_within = False
        self._ended = 0
        self.packed_bytes = 0
        self.plain_bytes = 0

    def feed(self, packed: bytes) -> Iterator[bytes]:
        """Unpack the next piece. Raises `Broken`."""
        self.packed_bytes += len(packed)
        while packed := self._begun(packed):
            plain = self._inflated(packed)
            self.plain_bytes += len(plain)
            self._check_ratio()
            yield plain
            packed = self._left()

    def finish(self) -> None:
        """The file ends here. Raises `Broken` if it should not, or if it was empty."""
        if self._is_within or not self._ended:
            raise Broken(f"the gzip file is cut short after {self.packed_bytes} bytes")

    def _begun(self, packed: bytes) -> bytes:
        """What is left for a member: between two of them zeros are skipped."""
        if not self._is_within and self._ended:
            packed = packed.lstrip(b"\x00")
        self._is_within = self._is_within or bool(packed)
        return packed

    def _inflated(self, packed: bytes) -> bytes:
        try:
            return self._member.decompress(packed, PIECE_BYTES)
        except isal_zlib.error as error:  # type: ignore[misc]  # isal's stub calls it an instance
            raise Broken(f"not gzip within {self.packed_bytes} bytes: {error}") from error

    def _left(self) -> bytes:
        if not self._member.eof:
            return self._member.unconsumed_tail
        unused = self._member.unused_data
        self._member = _new_member()
        self._is_within = False
        self._ended += 1
        return unused

    def _check_ratio(self) -> None:
        if self.plain_bytes > max(FREE_BYTES, RATIO * self.packed_bytes):
            raise Broken(
                f"{self.packed_bytes} bytes of gzip unpack to more than {RATIO} times as much: "
                "this looks like a bomb"
            )


class Lines:
    """Plain pieces in, whole lines out: without their ends, without blank ones."""

    def __init__(self) -> None:
        self._tail = bytearray()

    def feed(self, plain: bytes) -> list[bytes]:
        """The lines that this piece ended, at most `LINE_BYTES` + 1 of each."""
        first, *others = plain.split(b"\n")
        self._tail += first[: LINE_BYTES + 1 - len(self._tail)]
        if not others:
            return []
        lines = [bytes(self._tail), *others[:-1]]
        self._tail = bytearray(others[-1][: LINE_BYTES + 1])
        return _not_blank(lines)

    def finish(self) -> list[bytes]:
        """The last line, if it had no end."""
        return _not_blank([bytes(self._tail)])


class Counter:
    """Pieces of gzip in, the number of lines out: as many as `chunks` would give.

    It cuts them as for processing: counting line ends and looking for blank lines is slower.
    """

    def __init__(self) -> None:
        self._unpacker = Unpacker()
        self._lines = Lines()
        self.lines = 0

    def feed(self, packed: bytes) -> None:
        """Count the next piece. Raises `Broken`."""
        for plain in self._unpacker.feed(packed):
            self.lines += len(self._lines.feed(plain))

    def finish(self) -> None:
        """The file ends here. Raises `Broken`."""
        self._unpacker.finish()
        self.lines += len(self._lines.finish())


def chunks(path: Path, chunk_lines: int, skip: int = 0) -> Generator[list[bytes]]:
    """The lines of a gzip file in lists of at most `chunk_lines`, without the first `skip`.

    Raises `Broken`, after all that could be read. Blocks; close it to close the file.
    """
    with path.open("rb") as file:
        for lines in _read(iter(lambda: file.read(READ_BYTES), b"")):
            skipped = min(skip, len(lines))
            skip -= skipped
            for start in range(skipped, len(lines), chunk_lines):
                yield lines[start : start + chunk_lines]


def _read(pieces: Iterator[bytes]) -> Iterator[list[bytes]]:
    unpacker, lines = Unpacker(), Lines()
    for packed in pieces:
        for plain in unpacker.feed(packed):
            yield lines.feed(plain)
    unpacker.finish()
    yield lines.finish()


def _not_blank(lines: list[bytes]) -> list[bytes]:
    return [line for long in lines if (line := long.strip(BLANK))]


def _new_member() -> isal_zlib.Decompress:
    return isal_zlib.decompressobj(wbits=31)
