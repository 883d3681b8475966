"""What a transcription does, as a value, and how it lies in the kernel's memory.

A block of CSV whose every value is known to be spelt as its column wants it becomes JSON by moving
bytes: the delimiters give way to the members' names. A `Program` says which bytes go where; the
kernel (`transcribe.wat`) does it for all records of a block in one call, at more than a gigabyte a
second, without the interpreter's lock. Polars takes five times as long to split such a block into
values and glue them together again.

Memory, from address 0 on (little endian, 32 bits each unless said otherwise)::

    head      ranges, their end, where to write, cells, their end, members, their end, delimiter,
              quote, plain, escapes, end of a record, its size
    cells     for each of a record's fields, and behind them each of a range's texts:
              from, to, whether it needs an escape
    members   before, its size, cell, stripped, instead, its size, words, their end,
              longest word + 1, most bytes, behind (64 bits), its size, refused, swapped, for what
    escapes   for each byte what it becomes (7 bytes) and how many those are (1 byte)
    literals  all bytes that the above points at
    ranges    from, to, where its output ends, how many records, texts, their end
"""

from __future__ import annotations

import struct
from collections import Counter
from functools import lru_cache
from itertools import accumulate

import orjson
from msgspec import Struct

HEAD = struct.Struct("<13I12x")
CELL_BYTES = 12
MEMBER = struct.Struct("<10IQ4I")
RANGE = struct.Struct("<6I")
SLACK = 16  # as many bytes may be read or written beyond what is meant
NO_BYTE = 256
ANY_SIZE = 2**32 - 1
MOST_BEHIND = 8


class Member(Struct, frozen=True):
    """One member of a record: `before`, the text of field or range text `cell`, `behind`.

    A text that is one of the `nulls`, as written, becomes `instead`; where that is None, it must
    not occur. Any other has at most `most_bytes`; the last `strip` of them are left out, and the
    first of `swap`'s two that it holds becomes the second.
    `before` and `instead` begin with the comma that parts the member from the one before it;
    `instead` may be empty. `behind` has at most eight bytes.
    """

    cell: int
    before: bytes
    behind: bytes = b""
    nulls: tuple[bytes, ...] = ()
    instead: bytes | None = b""
    strip: int = 0
    swap: tuple[str, str] | None = None
    most_bytes: int = ANY_SIZE


class Program(Struct, frozen=True):
    """What becomes of records with so many `columns`, followed by so many `texts` of their range.

    With `escaping`, values are escaped where they need it, and may stand in the `quote`, if there
    is one. Without it, every delimiter and every LF ends a field. `end` ends a record: members that
    are the same in all of them, each behind its comma, and the brace.
    """

    columns: int
    delimiter: str
    members: tuple[Member, ...]
    end: bytes
    escaping: bool = False
    quote: str | None = None
    texts: int = 0

    @property
    def most_copies(self) -> int:
        """How often one field is written."""
        return max(Counter(member.cell for member in self.members).values(), default=1)

    @property
    def largest_growth(self) -> int:
        """What all literals of a record take together, at most."""
        sizes = (max(len(m.before) + len(m.behind), len(m.instead or b"")) for m in self.members)
        return sum(sizes) + len(self.end) + 1


@lru_cache(maxsize=64)
def image_of(program: Program) -> bytes:
    """The memory up to the ranges; the same bytes for the same program."""
    cells = HEAD.size
    members = cells + CELL_BYTES * (program.columns + program.texts)
    escapes = members + MEMBER.size * len(program.members)
    literals = _Literals(escapes + 8 * 256)
    table = b"".join(_member(member, cells, literals) for member in program.members)
    end = literals.put(program.end)
    head = HEAD.pack(
        *(0, 0, 0),  # of each run
        *(cells, cells + CELL_BYTES * program.columns, members, escapes),
        ord(program.delimiter),
        NO_BYTE if program.quote is None else ord(program.quote),
        not program.escaping,
        *(escapes, end, len(program.end)),
    )
    return b"".join(
        (head, bytes(members - cells), table, _escapes(), *literals.parts, bytes(SLACK))
    )


class _Literals:
    """Bytes one behind the other, from an address on."""

    def __init__(self, start: int) -> None:
        self._next = start
        self.parts: list[bytes] = []

    def put(self, data: bytes) -> int:
        """Where these bytes will lie."""
        at = self._next
        self.parts.append(data)
        self._next += len(data)
        return at


def _member(member: Member, cells: int, literals: _Literals) -> bytes:
    if len(member.behind) > MOST_BEHIND:
        raise ValueError(f"{member.behind!r} has more than {MOST_BEHIND} bytes")
    words = [struct.pack("<I", len(word)) + word for word in member.nulls]
    instead = member.instead or b""
    *starts, words_end = accumulate(map(len, words), initial=literals.put(b"".join(words)))
    return MEMBER.pack(
        *(literals.put(member.before), len(member.before)),
        cells + CELL_BYTES * member.cell,
        member.strip,
        *(literals.put(instead), len(instead)),
        *(starts[0] if starts else words_end, words_end),
        1 + max(map(len, member.nulls), default=-1),
        member.most_bytes,
        int.from_bytes(member.behind, "little"),
        len(member.behind),
        member.instead is None,
        *((NO_BYTE, 0) if member.swap is None else map(ord, member.swap)),
    )


@lru_cache(maxsize=1)
def _escapes() -> bytes:
    ascii_texts = (orjson.dumps(chr(byte))[1:-1] for byte in range(128))
    texts = [*ascii_texts, *(bytes([byte]) for byte in range(128, 256))]
    return b"".join(text.ljust(7, b"\0") + bytes([len(text)]) for text in texts)
