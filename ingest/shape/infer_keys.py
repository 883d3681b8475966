"""Types of JSON keys that nobody named, by what their values look like. Pure.

Records that are built alike are taken together, a key's values at once: they are looked at by whole
tuples of values, since the sample has some hundred thousand of them and a load waits for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import itemgetter
from types import NoneType
from typing import Any

from ingest.job import FieldType, Job
from ingest.model import Block
from ingest.shape.guessed import EXACT_DOUBLE, LONG_TEXT, Guessed, Held, held_by
from ingest.shape.json_read import read_values, split_lines
from ingest.shape.plan import source_column
from ingest.shape.service import ServiceTypes

_KINDS: dict[type, FieldType] = {
    bool: "boolean",
    int: "integer",
    float: "decimal",
    dict: "json",
    list: "json",
}


def guess_keys(sample: Sequence[Block], job: Job, types: ServiceTypes) -> Guessed:
    """The types of all keys, except those that the job types and those that are always null."""
    typed = {f.from_ or name for name, f in job.fields.items() if f.type is not None}
    reading = {source_column(name, f): f for name, f in job.fields.items()}
    keys: dict[str, KeyGuess] = {}
    for block in sample:
        for key, values in _columns(read_values(split_lines(block.data).texts)):
            kinds = set(map(type, values)) - {NoneType}
            if key in typed or not kinds:
                continue
            if key not in keys:
                field = reading.get(key)
                keys[key] = KeyGuess(held_by(field, types), as_it_came=field is None)
            keys[key].look(values, kinds)
    reasons = {key: reason for key, guess in keys.items() if (reason := guess.reason)}
    return Guessed({key: guess.type for key, guess in keys.items()}, reasons)


def _columns(records: Iterable[dict[str, Any]]) -> Iterable[tuple[str, list[Any]]]:
    """Each key with its values, for each way in which records are built."""
    built: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for record in records:
        built.setdefault(tuple(record), []).append(record)
    for keys, alike in built.items():
        for key in keys:
            yield key, list(map(itemgetter(key), alike))


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

    def look(self, values: Sequence[Any], kinds: set[type]) -> None:
        """Take more values into account. `kinds` are their types, but for null."""
        self._kinds |= {_KINDS[kind] for kind in kinds if kind is not str}
        if str in kinds:
            self._look_at_texts([v for v in values if type(v) is str])
        if int in kinds and self._held.ends:
            integers = [v for v in values if type(v) is int]
            self._least = min(self._least, *integers)
            self._most = max(self._most, *integers)

    def _look_at_texts(self, texts: Sequence[str]) -> None:
        are_long = max(map(len, texts)) > LONG_TEXT or "\n" in "".join(texts)
        self._kinds.add("text" if are_long else "string")

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
