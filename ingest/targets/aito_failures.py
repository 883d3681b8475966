"""The rows that aito lists as failing, found again in the spool that they came from.

aito names a failing row by its content alone, and reports are about files and lines; so the spool
is unpacked once more and every listed row looked for. It is only done where rows are listed, in a
thread, in bounded memory: one record and at most `MOST_ROWS` listed rows.

Rows are equal if their JSON is equal by value: key order, spelling of numbers (`1.0`, `1`) and
white space don't count, and a null is as good as an absent key, because aito leaves nulls out. Of
equal rows that stand several times the first is taken that is not yet taken: they are the same row
to anybody. A number of a line, where one is given, chooses among equals.

A row that is not found is no refusal: which record failed is not known, so it is doubtful, and is
said to be.

*Guess*, and only here (`read_rows`): the page shows no failing row. It may be the row as an object
or as JSON text, or either within an object that also holds words and perhaps a number. Numbers
called lines count from 1, indexes from 0; they are believed without content, any other is not.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
from msgspec import Struct, field

from ingest.model import Refusal
from ingest.wire import safe_words

MOST_ROWS = 1_000
DEFAULT_WORDS = "aito lists it among the failing rows"

_ELEMENTS = ("row", "element", "record", "item", "document", "object", "data", "content", "value")
_WORDS = ("message", "error", "reason", "cause", "description", "errors")
_LINES = ("line", "lineNumber", "line_number", "lineno", "rowNumber", "row_number", "row")
_INDEXES = ("index", "rowIndex", "row_index", "elementIndex", "offset", "position", "number")
_BELIEVED = (*_LINES, "index", "rowIndex", "row_index", "elementIndex")
_EXACT = 2**53
_PLAIN = frozenset({str, int, float, bool})

Key = tuple[str, bytes]


class Failing(Struct, frozen=True):
    """One listed row: what it may look like in the file, and where it may stand (indexes from 0,
    the likeliest first). `believed`: it came without content, the first of `near` is its place."""

    keys: tuple[Key, ...]
    near: tuple[int, ...] = ()
    believed: bool = False
    words: str = DEFAULT_WORDS
    probes: tuple[tuple[str, Any], ...] = ()


class Found(Struct, frozen=True):
    """The refusals, in body order; `lost` listed rows were not found, `trouble` says why if the
    spool could not be read."""

    refused: tuple[Refusal, ...] = ()
    lost: int = 0
    trouble: str = ""


def locate(spool: Path, rows: Sequence[Any], count: int) -> Found:
    """Find the listed rows among the `count` records of a spool. Blocking: call it in a thread."""
    failing = read_rows(rows[:MOST_ROWS])
    search = _Search(failing)
    trouble = ""
    try:
        search.through(_records(spool))
    except (OSError, EOFError, zlib.error) as exc:
        trouble = f"the spool can't be read again: {exc}"
    refused = sorted(assigned(failing, search.places, count), key=lambda one: one.index)
    return Found(tuple(refused), len(rows) - len(refused), trouble)


def read_rows(rows: Sequence[Any]) -> list[Failing]:
    """The listed rows, whatever shape they come in. (guess)"""
    return [_read(row) for row in rows]


def assigned(
    failing: Sequence[Failing], places: dict[Key, list[int]], count: int
) -> Iterator[Refusal]:
    """A place of its own for each listed row that has one; those with a number choose first."""
    taken: set[int] = set()
    for row in sorted(failing, key=lambda one: not one.near):
        free = [place for key in row.keys for place in places.get(key, ()) if place not in taken]
        chosen = next((place for place in row.near if place in free), None)
        if chosen is None and free:
            chosen = free[0]
        if chosen is None and row.believed and row.near[0] < count and row.near[0] not in taken:
            chosen = row.near[0]
        if chosen is not None:
            taken.add(chosen)
            yield Refusal(chosen, row.words)


def canonical(row: dict[str, Any]) -> bytes | None:
    """Equal for rows of equal value; None for one that is too deep to compare."""
    try:
        present = {key: _plain(value) for key, value in row.items() if value is not None}
        return orjson.dumps(present, option=orjson.OPT_SORT_KEYS)
    except (RecursionError, orjson.JSONEncodeError):
        return None


class _Search(Struct):
    """One pass over the records. Kept are as many places of a key as rows are listed with it, and
    those that a number names."""

    failing: Sequence[Failing]
    places: dict[Key, list[int]] = field(default_factory=dict)

    def through(self, records: Iterable[bytes]) -> None:
        """Look at every record until all listed rows have their places."""
        wanted = [key for row in self.failing for key in row.keys]
        if not wanted:
            return
        texts = tuple({key[1] for key in wanted if key[0] == "text"})
        probes: dict[str, set[Any]] = {}
        for name, value in (probe for row in self.failing for probe in row.probes):
            probes.setdefault(name, set()).add(value)
        known = {key: wanted.count(key) for key in wanted}
        near = {place for row in self.failing for place in row.near}
        last = max(near, default=-1)
        for index, record in enumerate(records):
            key = _key_of(record, texts, probes)
            if key not in known:
                continue
            places = self.places.setdefault(key, [])
            if len(places) < known[key] or index in near:
                places.append(index)
                if index >= last and self._complete(known):
                    return

    def _complete(self, known: dict[Key, int]) -> bool:
        full = {key for key, places in self.places.items() if len(places) >= known[key]}
        return all(full.intersection(row.keys) for row in self.failing if row.keys)


def _key_of(record: bytes, texts: tuple[bytes, ...], probes: dict[str, set[Any]]) -> Key | None:
    """The record's key, if it may be a listed row: most are told apart by one field."""
    if texts and record.startswith(texts):
        return "text", next(text for text in texts if record.startswith(text))
    try:
        row = orjson.loads(record)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(row, dict) or not _may_be(row, probes):
        return None
    value = canonical(row)
    return None if value is None else ("row", value)


def _may_be(row: dict[str, Any], probes: dict[str, set[Any]]) -> bool:
    for name, values in probes.items():
        if not name:  # a listed row without a plain field: nothing tells it apart quickly
            return True
        value = row.get(name)
        if value.__class__ in _PLAIN and value in values:
            return True
    return False


def _read(row: Any) -> Failing:
    if isinstance(row, str):
        return _failing([row], {}, safe_words(row)[:500] if _parsed(row) is None else "")
    if not isinstance(row, dict):
        return Failing(())
    inner = next((row[name] for name in _ELEMENTS if isinstance(row.get(name), dict | str)), None)
    words = _words(row)
    wraps = inner is not None or (words and any(name in row for name in (*_LINES, *_INDEXES)))
    if not wraps:
        return _failing([row], {}, "")
    return _failing([row] if inner is None else [row, inner], row, words)


def _failing(contents: Sequence[Any], wrapper: dict[str, Any], words: str) -> Failing:
    """`contents` are what the row itself may be. A wrapper is among them, because it may be a row
    with columns of such names."""
    keys: list[Key] = []
    probes: list[tuple[str, Any]] = []
    for content in contents:
        row = _parsed(content) if isinstance(content, str) else content
        if row is None:  # a text that was cut, or never was JSON
            keys.append(("text", content.rstrip("\ufffd").encode()))
            continue
        value = canonical(row)
        if value is not None:
            keys.append(("row", value))
            probes.append(_probe(row))
    near, believed = _near(wrapper)
    believed = believed and len(contents) == 1
    return Failing(tuple(keys), near, believed, words or DEFAULT_WORDS, tuple(probes))


def _near(wrapper: dict[str, Any]) -> tuple[tuple[int, ...], bool]:
    for name in (*_LINES, *_INDEXES):
        number = wrapper.get(name)
        if type(number) is int and number >= 0:
            from_1, from_0 = number - 1, number
            first = (from_1, from_0) if name in _LINES else (from_0, from_1)
            believed = name in _BELIEVED and first[0] >= 0
            return tuple(place for place in first if place >= 0), believed
    return (), False


def _words(wrapper: dict[str, Any]) -> str:
    for name in _WORDS:
        said = wrapper.get(name)
        if isinstance(said, dict):
            said = said.get("message")
        if said:
            return safe_words(said if isinstance(said, str) else orjson.dumps(said))
    return ""


def _parsed(text: str) -> dict[str, Any] | None:
    try:
        row = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return row if isinstance(row, dict) else None


def _probe(row: dict[str, Any]) -> tuple[str, Any]:
    """The field that tells the row apart best: its longest plain value."""
    plain = [(k, v) for k, v in row.items() if k and isinstance(v, str | int | float)]
    return max(plain, key=lambda pair: len(str(pair[1])), default=("", None))


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        return int(value)
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value


def _records(spool: Path) -> Iterator[bytes]:
    """The lines of a spool, one at a time, without their ends."""
    from isal import igzip  # noqa: PLC0415 - only where rows have failed

    packed = igzip.IGzipFile(spool, "rb")  # type: ignore[no-untyped-call] # isal types it not
    with packed, io.BufferedReader(packed, 1024 * 1024) as plain:
        for line in plain:
            yield line.rstrip(b"\n")
