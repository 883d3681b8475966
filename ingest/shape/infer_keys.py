"""Types of JSON keys that nobody named, by what their values look like. Pure.

Records that are built alike are taken together, a key's values at once: they are looked at by whole
tuples of tokens, since the sample has some hundred thousand of them and a load waits for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ingest.job import FieldType, Job
from ingest.model import Block
from ingest.shape.guessed import (
    EXACT_DOUBLE,
    LONG_TEXT,
    MOST_DIGITS,
    Guessed,
    Held,
    held_by,
)
from ingest.shape.json_read import Record, read_records, split_lines
from ingest.shape.plan import source_column
from ingest.shape.service import ServiceTypes


def guess_keys(sample: Sequence[Block], job: Job, types: ServiceTypes) -> Guessed:
    """The types of all keys, except those that the job types and those that are always null."""
    typed = {f.from_ or name for name, f in job.fields.items() if f.type is not None}
    reading = {source_column(name, f): f for name, f in job.fields.items()}
    keys: dict[str, KeyGuess] = {}
    for block in sample:
        records = read_records(split_lines(block.data).texts)[0]
        for key, tokens in _columns(records):
            seen = [token for token in tokens if not token.startswith(b"n")]
            if key in typed or not seen:
                continue
            if key not in keys:
                field = reading.get(key)
                keys[key] = KeyGuess(held_by(field, types), as_it_came=field is None)
            keys[key].look(seen)
    reasons = {key: reason for key, guess in keys.items() if (reason := guess.reason)}
    return Guessed({key: guess.type for key, guess in keys.items()}, reasons)


def _columns(records: Iterable[Record]) -> Iterable[tuple[str, list[bytes]]]:
    """Each key with its values, for each way in which records are built."""
    built: dict[tuple[str, ...], list[Record]] = {}
    for record in records:
        built.setdefault(tuple(record), []).append(record)
    for keys, alike in built.items():
        columns = zip(*(record.values() for record in alike), strict=True)
        for key, column in zip(keys, columns, strict=False):  # of {} there are none
            yield key, list(map(bytes, column))


def _has_fraction(numbers: bytes) -> bool:
    """Whether any of them is written as a decimal."""
    return b"." in numbers or b"e" in numbers or b"E" in numbers


def _common(kinds: set[FieldType]) -> FieldType:
    """The type that takes all of these; JSON where nothing else does."""
    if len(kinds) == 1:
        return next(iter(kinds))
    if kinds == {"integer", "decimal"}:
        return "decimal"
    return "text" if kinds == {"string", "text"} else "json"


class KeyGuess:
    """The type of a JSON key that is seen part by part. `as_it_came`: no field reads it."""

    def __init__(self, held: Held, *, as_it_came: bool) -> None:
        self._held = held
        self._as_it_came = as_it_came
        self._kinds: set[FieldType] = set()
        self._least = self._most = 0

    def look(self, tokens: Sequence[bytes]) -> None:
        """Take more values into account, as they are written; none of them is null."""
        firsts = {token[:1] for token in tokens}
        if b'"' in firsts:
            self._look_at_strings([t for t in tokens if t.startswith(b'"')])
        if firsts & {b"t", b"f"}:
            self._kinds.add("boolean")
        if firsts & {b"{", b"["}:
            self._kinds.add("json")
        if firsts - {b'"', b"t", b"f", b"{", b"["}:
            self._look_at_numbers([t for t in tokens if t[:1] not in b'"tf{['])

    def _look_at_strings(self, tokens: Sequence[bytes]) -> None:
        are_long = max(map(len, tokens)) > LONG_TEXT or b"\\n" in b" ".join(tokens)
        self._kinds.add("text" if are_long else "string")

    def _look_at_numbers(self, tokens: Sequence[bytes]) -> None:
        integers = tokens
        if _has_fraction(b" ".join(tokens)):
            integers = [token for token in tokens if not _has_fraction(token)]
            self._kinds.add("decimal")
        if not integers:
            return
        self._kinds.add("integer")
        if self._held.ends:
            numbers = [int(token[:MOST_DIGITS]) for token in integers]
            self._least = min(self._least, *numbers)
            self._most = max(self._most, *numbers)

    @property
    def reason(self) -> str:
        """Why the type is not what the values look like, empty where it is."""
        if self._held.ends is None or self._kinds != {"integer"}:
            return ""
        least, most = self._held.ends
        return "" if least <= self._least and self._most <= most else self._held.reason

    @property
    def type(self) -> FieldType:
        """What all values together say."""
        if not self.reason:
            return _common(self._kinds)
        if not self._as_it_came:
            return "string"
        return "decimal" if max(-self._least, self._most) <= EXACT_DOUBLE else "json"
