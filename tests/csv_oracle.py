"""CSV read one byte at a time: slow, plain, and written without a look at `ingest.grammar`.

The tests compare the grammar with this, and this with Python's `csv` wherever `csv` has an answer.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from ingest.model import Dialect

ENDS = b"\r\n"


@dataclass
class Found:
    """A record: `data[start:stop]`, its fields if it is legal, else the trouble."""

    start: int
    stop: int
    trouble: str | None = None
    fields: list[bytes] = field(default_factory=list)


class _Stop(Exception):  # noqa: N818  # it is no error
    """The record's fate is known: trouble at a place, or (no trouble) its end."""

    def __init__(self, place: int, trouble: str | None = None) -> None:
        super().__init__(place)
        self.place, self.trouble = place, trouble


class Machine:
    """One record, byte by byte."""

    def __init__(self, data: bytes, start: int, dialect: Dialect) -> None:
        marks = (dialect.delimiter, dialect.quote, dialect.escape)
        self.delimiter, self.quote, self.escape = (ord(m) if m else -1 for m in marks)
        self.data, self.text = data, bytearray()
        self.fields: list[bytes] = []
        self.state, self.opened, self.position = "start", -1, start

    def run(self, bound: int) -> _Stop | None:
        """Feed `data[position:bound]`. None: the bytes ended before the record did."""
        while self.position < bound:
            try:
                self.step(self.data[self.position])
            except _Stop as stop:
                return stop
            self.position += 1
        return None

    def close(self) -> None:
        """A field ends."""
        self.fields.append(bytes(self.text))
        self.text.clear()

    def step(self, byte: int) -> None:
        """One byte."""
        if self.state in ("escaped", "escaped in quotes"):
            self.text.append(byte)
            self.state = "bare" if self.state == "escaped" else "quoted"
        elif self.state == "quoted":
            self.inside(byte)
        elif self.state == "closed" and byte == self.quote:
            self.text.append(byte)
            self.state = "quoted"
        elif byte in ENDS:
            self.close()
            raise _Stop(self.position)
        elif byte == self.delimiter:
            self.close()
            self.state = "start"
        elif self.state == "closed":
            raise _Stop(self.position, "text_after_quote")
        elif byte == self.escape:
            self.opened, self.state = self.position, "escaped"
        elif byte == self.quote and self.state == "start":
            self.opened, self.state = self.position, "quoted"
        else:
            self.text.append(byte)
            self.state = "bare"

    def inside(self, byte: int) -> None:
        """One byte within quotes."""
        if byte == self.quote:
            self.state = "closed"
        elif byte == self.escape:
            self.state = "escaped in quotes"
        else:
            self.text.append(byte)


def line_end(data: bytes, place: int, bound: int) -> int | None:
    """Where the first CR or LF at or behind `place` stands."""
    return next((i for i in range(place, min(bound, len(data))) if data[i] in ENDS), None)


def one(data: bytes, start: int, dialect: Dialect, limit: int) -> Found:
    """The record that starts at `start`."""
    bound = min(len(data), start + limit + 2)
    whole = bound == len(data)
    machine = Machine(data, start, dialect)
    stop = machine.run(bound)
    if stop is None:
        if machine.state in ("quoted", "escaped in quotes"):
            stop = _Stop(machine.opened, "unterminated_quote")
        elif whole and (
            machine.state == "escaped" or (machine.state == "bare" and unfinished(machine, data))
        ):
            stop = _Stop(machine.opened, "unfinished_escape")
        elif whole:
            machine.close()
            stop = _Stop(bound)
        else:
            stop = _Stop(bound + 1)
    place: int | None = stop.place
    if stop.trouble:
        place = line_end(data, stop.place, bound)
        place = bound if place is None and whole else place
    if place is None or place - start > limit:
        place = line_end(data, start + limit, len(data))
        return Found(start, len(data) if place is None else place, "record_too_long")
    return Found(start, place, stop.trouble, [] if stop.trouble else machine.fields)


def unfinished(machine: Machine, data: bytes) -> bool:
    """csv wants something behind an escaped line end."""
    return 0 <= machine.opened == len(data) - 2 and data[-2] == machine.escape and data[-1] in ENDS


def read(data: bytes, dialect: Dialect, limit: int = 10**9) -> list[Found]:
    """All records of a whole text."""
    found, position = [], 0
    comment = ord(dialect.comment) if dialect.comment else -1
    while position < len(data):
        if data[position] in ENDS:
            position += 1
        elif data[position] == comment:
            end = line_end(data, position, len(data))
            position = len(data) if end is None else end
        else:
            found.append(one(data, position, dialect, limit))
            position = found[-1].stop
    return found


DIALECTS = st.sampled_from(
    [
        Dialect(),
        Dialect(";"),
        Dialect("\t", "'"),
        Dialect("|", None),
        Dialect("^", "]", None, "-"),
        Dialect(",", '"', None, "#"),
        Dialect(",", '"', "\\", "#"),
        Dialect(",", None, "\\"),
    ]
)
PIECES = [
    b'"',
    b'"',
    b'"',
    b",",
    b",",
    b"\n",
    b"\n",
    b"\r\n",
    b"\r",
    b"a",
    b"bc",
    b" ",
    b'""',
    b"\0",
]
ODD_PIECES = [b";", b"\t", b"|", b"'", b"^", b"]", b"-", b"#", b"\\", "é\u2028".encode(), b"\xff"]


def texts(max_pieces: int = 40, pieces: list[bytes] = PIECES + ODD_PIECES) -> Any:
    """Bytes with far more structure in them than any file has."""
    return st.lists(st.sampled_from(pieces), max_size=max_pieces).map(b"".join)


def rows_of(data: bytes, dialect: Dialect) -> list[list[str]]:
    """The rows of legal records."""
    return [[f.decode() for f in r.fields] for r in read(data, dialect) if not r.trouble]
