"""Types of columns that nobody named, from the first part of the data. Pure.

A type is taken only if every value seen has it, and only where a value of another column of that
type could not be meant otherwise: `00100` and `+5` stay text, a column of `1` and `0` is whole
numbers, dates must be ISO, words for null are never guessed. What later does not fit is rejected
with its reason, so a guess can't change a value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from ingest.job import FieldType, Job
from ingest.model import Block
from ingest.shape import rules, time_rules, times
from ingest.shape.csv_read import read_csv
from ingest.shape.json_read import read_records, split_lines
from ingest.shape.values import BadValue, Scalar

LONG_TEXT = 255
HEAD_ROWS = 64
_TIME = f"[T ]{time_rules.PLAIN_TIME}{time_rules.PLAIN_OFFSET}$"
_ISO = time_rules.ISO_DATE.removesuffix("$")


@dataclass(frozen=True, slots=True)
class _Guess:
    """A type; `pattern` matches all its values, `sure` nothing else. `scalar` judges the others."""

    kind: FieldType
    pattern: str
    sure: str
    scalar: Scalar = str

    def holds(self, texts: pl.Series) -> bool:
        """Whether all these texts are of this type."""
        if not texts.str.contains(self.pattern).all():
            return False
        return all(map(self._reads, texts.filter(~texts.str.contains(self.sure)).unique()))

    def _reads(self, text: str) -> bool:
        try:
            self.scalar(text)
        except BadValue:
            return False
        return True


GUESSES = (
    _Guess("integer", rules.PLAIN_INTEGER, rules.PLAIN_INTEGER),
    _Guess("decimal", rules.PLAIN_DECIMAL, rules.PLAIN_DECIMAL),
    _Guess("date", time_rules.ISO_DATE, f"^{time_rules.PLAIN_DATE}$", times.date_value),
    _Guess("timestamp", _ISO + _TIME, f"^{time_rules.PLAIN_DATE}{_TIME}", times.timestamp),
)


def guess_types(
    sample: Sequence[Block], wanted: Mapping[str, str], job: Job
) -> dict[str, FieldType]:
    """The types of the source columns in `wanted` (a CSV), or of every key (NDJSON).

    `sample` is the first blocks, of one layout; they are read one by one and nothing is kept.
    """
    layout = sample[0].layout
    if layout.format == "ndjson":
        return _guess_keys(sample, job)
    places = {source: layout.columns.index(source) for source in wanted if source in layout.columns}
    guesses = {source: ColumnGuess(_nulls(wanted[source], job)) for source in places}
    for block in sample if places else ():
        frame = read_csv(block).frame
        for source, place in places.items():
            guesses[source].look(frame.to_series(place))
    return {source: guess.type for source, guess in guesses.items()}


def _nulls(name: str, job: Job) -> tuple[str, ...]:
    settings = job.fields.get(name)
    return settings.nulls if settings and settings.nulls is not None else job.source.nulls


def _guess_keys(sample: Sequence[Block], job: Job) -> dict[str, FieldType]:
    typed = {f.from_ or name for name, f in job.fields.items() if f.type is not None}
    tokens: dict[str, set[FieldType]] = {}
    for block in sample:
        for record in read_records(split_lines(block.data).texts)[0]:
            for key, raw in record.items():
                kind = _kind_of(bytes(raw))
                if kind is not None and key not in typed:
                    tokens.setdefault(key, set()).add(kind)
    return {key: _common(kinds) for key, kinds in tokens.items()}


def _kind_of(raw: bytes) -> FieldType | None:
    first = raw[:1]
    if first == b"n":
        return None
    if first == b'"':
        return "text" if len(raw) > LONG_TEXT or b"\\n" in raw else "string"
    if first in b"tf":
        return "boolean"
    if first in b"{[":
        return "json"
    return "decimal" if any(mark in raw for mark in (b".", b"e", b"E")) else "integer"


def _common(kinds: set[FieldType]) -> FieldType:
    """The type that takes all of these; JSON where nothing else does."""
    if len(kinds) == 1:
        return next(iter(kinds))
    if kinds == {"integer", "decimal"}:
        return "decimal"
    return "text" if kinds == {"string", "text"} else "json"


def guess_type(texts: pl.Series, nulls: Sequence[str]) -> FieldType:
    """The type of a column of texts."""
    guess = ColumnGuess(tuple(nulls))
    guess.look(texts)
    return guess.type


class ColumnGuess:
    """The type of a column that is seen part by part. `nulls` are the words for null."""

    def __init__(self, nulls: tuple[str, ...]) -> None:
        self._nulls = list(nulls)
        self._possible: tuple[_Guess, ...] = GUESSES
        self._seen = self._long = False

    def look(self, texts: pl.Series) -> None:
        """Take one more part into account."""
        values = texts.filter(~texts.is_in(self._nulls)).drop_nulls()
        if not len(values):
            return
        self._seen = True
        self._possible = tuple(
            guess
            for guess in self._possible
            if guess.holds(values.head(HEAD_ROWS)) and guess.holds(values)
        )
        if not self._possible and not self._long:
            longest = int(values.str.len_chars().max() or 0)  # type: ignore[arg-type] # a count
            self._long = longest > LONG_TEXT or bool(values.str.contains("\n").any())

    @property
    def type(self) -> FieldType:
        """What all parts together say."""
        if self._seen and self._possible:
            return self._possible[0].kind
        return "text" if self._long else "string"
