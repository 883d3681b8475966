"""NDJSON lines to checked records: the grammar half of the shape stage for JSON.

One record a line, each an object. Lines end at `\\n` bytes only (U+2028 is text); a `\\r` before it
is white space; blank lines are no records. The strict parts are msgspec's (the whole grammar, in C,
a block at a time); what it does not look at is looked at here: where the lines end, UTF-8, keys
that stand twice in one object, lone surrogates. A block in which everything is right costs a few
passes in C; a block in which something is off is taken again line by line, to say what and where.

A decoder of many lines takes any white space for a line end. So the quick path asks that every line
begins with `{` and ends with `}`: no JSON has `}` and `{` side by side within a value, so then no
record goes over a line's end, and as many records as lines is one record a line.

Keys that stand twice are found by counting `":`: there are as many as in the same data decoded and
written anew, unless a blank stands before a colon or a mark is escaped; then the lines are asked
one by one.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Sequence, Sized
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from ingest import grammar
from ingest.errors import as_data
from ingest.shape.values import BadValue, shown

Record = dict[str, msgspec.Raw]
T = TypeVar("T")
_RECORDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_OBJECTS = msgspec.json.Decoder(dict[str, Any])
_VALUES = msgspec.json.Decoder()
MOST_DIGITS = 300  # Python reads no number of thousands; these are wide enough
MALFORMED = (msgspec.DecodeError, RecursionError)
_PARTED = re.compile(rb'"[ \t\r]+:')
# Every escape of a surrogate: a whole pair, or half of one; and any other escape, to step over it.
_ESCAPES = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F])|\\[^\n]"
)


class Lines(Struct, frozen=True):
    """The lines of one segment that hold something, of `count` lines in all.

    `texts[i]` is the segment's line `numbers[i]`, from 1.
    """

    texts: Sequence[bytes]
    count: int
    numbers: Sequence[int]


def split_lines(data: bytes, keep: Collection[int] = ()) -> Lines:
    """Lines that are not blank, or whose number is in `keep`."""
    texts = data.split(b"\n")
    if not texts[-1]:
        texts.pop()
    held = [i for i, text in enumerate(texts) if (text and not text.isspace()) or i + 1 in keep]
    if len(held) == len(texts):
        return Lines(texts, len(texts), range(1, len(texts) + 1))
    return Lines([texts[i] for i in held], len(texts), [i + 1 for i in held])


def read_records(texts: Sequence[bytes]) -> tuple[list[Record], dict[int, BadValue]]:
    """The records of the good lines, in order, and what is wrong with each of the others."""
    records = _all_of(texts, _RECORDS)
    return (records, {}) if records is not None else _read_one_by_one(texts)


def read_values(texts: Sequence[bytes]) -> list[dict[str, Any]]:
    """The good lines decoded, to be looked at: a number that can't be held is cut or infinite, what
    is nested too deep is empty."""
    records = _all_of(texts, _OBJECTS)
    if records is not None:
        return records
    found = _read_one_by_one(texts)[0]
    return [{key: _value(bytes(raw)) for key, raw in record.items()} for record in found]


def _all_of(
    texts: Sequence[bytes], decoder: msgspec.json.Decoder[dict[str, T]]
) -> list[dict[str, T]] | None:
    """The records of the lines, if everything in them is right."""
    joined = b"\n".join(texts)
    if not grammar.is_utf8(joined) or not _is_object_a_line(joined, len(texts)):
        return None
    try:
        records = decoder.decode_lines(joined)
    except MALFORMED:
        return None
    whole = len(records) == len(texts) and keys_are_unique(joined, records)
    return records if whole else None


def _value(raw: bytes) -> Any:
    try:
        return _VALUES.decode(raw)
    except MALFORMED:
        if raw[:1] in b"{[":
            return {}
        return int(raw[:MOST_DIGITS]) if raw.removeprefix(b"-").isdigit() else math.inf


def _is_object_a_line(data: bytes, lines: int) -> bool:
    """Whether every line begins with a brace and ends with one."""
    borders = data.count(b"}\n{") + (data.count(b"}\r\n{") if b"\r" in data else 0)
    ended = data.rstrip(b"\r").endswith(b"}")
    return data.startswith(b"{") and ended and borders == lines - 1


def keys_are_unique(data: bytes, records: Sequence[Sized]) -> bool:
    """True if surely no object in `data` has a key twice. False may also mean: not sure."""
    if _may_part_key_and_colon(data):
        return False
    marks = data.count(b'":')
    if marks == sum(map(len, records)):
        return True
    if b"\\u00" in data:  # an escaped mark would count only when it is written anew
        return False
    try:  # written anew, doubled keys are gone, and a mark within a text is a mark still
        return marks == msgspec.json.encode(_VALUES.decode_lines(data)).count(b'":')
    except MALFORMED:  # a number that Python can't hold, say
        return False


def _may_part_key_and_colon(data: bytes) -> bool:
    """Whether white space may stand between a key and its colon, which spoils the counting."""
    blanks = any(blank in data for blank in (b'" ', b'"\t', b'"\r'))
    return blanks and _PARTED.search(data) is not None


def _read_one_by_one(texts: Sequence[bytes]) -> tuple[list[Record], dict[int, BadValue]]:
    records: list[Record] = []
    bad: dict[int, BadValue] = {}
    for index, text in enumerate(texts):
        try:
            records.append(_read_one(text))
        except BadValue as trouble:
            bad[index] = as_data(trouble)
    return records, bad


def _read_one(text: bytes) -> Record:
    try:
        text.decode()
    except UnicodeDecodeError as exc:
        raise BadValue("not_utf8", f"byte {exc.start} of the record is no UTF-8") from exc
    if b"\\u" in text:
        _refuse_lone_surrogates(text)
    try:
        record = _RECORDS.decode(text)
    except msgspec.ValidationError as exc:
        raise BadValue("not_an_object", f"a record is a JSON object; this is not: {exc}") from exc
    except MALFORMED as exc:
        raise BadValue("not_json", _why(exc)) from exc
    if _may_part_key_and_colon(text) or text.count(b'":') != len(record):
        _refuse_doubled_keys(text)
    return record


def json_value(text: str) -> str:
    """The JSON value that stands in a text, as written; line breaks between tokens become blanks.

    Raises BadValue for what is no JSON, and for doubled keys and lone surrogates.
    """
    data = text.encode()
    if b"\\u" in data:
        _refuse_lone_surrogates(data)
    try:
        msgspec.json.decode(data, type=msgspec.Raw)
    except MALFORMED as exc:
        raise BadValue("not_json", f"{shown(text)} is not valid JSON: {_why(exc)}") from exc
    if "{" in text:
        _refuse_doubled_keys(data)
    return text.strip(" \t\r\n").replace("\n", " ").replace("\r", " ")


def _why(exc: Exception) -> str:
    if isinstance(exc, RecursionError):
        return "nested deeper than a parser follows"
    words = str(exc)
    if "trailing characters" in words:
        return f"{words}; one object a line, nothing behind it"
    return words


def _refuse_doubled_keys(text: bytes) -> None:
    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        members = dict(pairs)
        if len(members) < len(pairs):
            seen: set[str] = set()
            twice = next(k for k, _ in pairs if k in seen or seen.add(k))  # type: ignore[func-returns-value] # add gives None, which is what is meant
            raise BadValue("duplicate_key", f"the key {twice!r} stands twice in one object")
        return members

    try:
        json.loads(text, object_pairs_hook=unique, parse_int=str, parse_float=str)
    except RecursionError as exc:
        raise BadValue("not_json", "nested deeper than a parser follows") from exc


def _refuse_lone_surrogates(text: bytes) -> None:
    if any(match[1] for match in _ESCAPES.finditer(text)):
        raise BadValue(
            "lone_surrogate", "an escaped half of a surrogate pair stands alone: it is no text"
        )
