"""Types of columns that nobody named, from the first part of the data. Pure.

A type is taken only if every value seen has it, and only where a value of another column of that
type could not be meant otherwise: `00100` and `+5` stay text, a column of `1` and `0` is whole
numbers, truth is `true` and `false` in one spelling (where the service has such columns), dates
must be ISO, words for null are never guessed. Whole numbers that the service's column would not
hold are taken as text, and that is said; as a member of JSON that no field reads, which travels as
it came, they are decimals as long as a double has their every digit. What later does not fit is
rejected with its reason, so a guess can't change a value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl
from msgspec import Struct

from ingest.job import FieldType, Job
from ingest.model import Block
from ingest.shape import rules, time_rules, times
from ingest.shape.csv_read import read_csv
from ingest.shape.guessed import ANY, LONG_TEXT, Guessed, Held, held_by
from ingest.shape.infer_keys import guess_keys
from ingest.shape.service import ServiceTypes
from ingest.shape.values import BadValue, Scalar

HEAD_ROWS = 64
_TIME = f"[T ]{time_rules.PLAIN_TIME}{time_rules.PLAIN_OFFSET}$"
_ISO = time_rules.ISO_DATE.removesuffix("$")


class _Guess(Struct, frozen=True):
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


BOOLEANS = tuple(
    _Guess("boolean", pattern, pattern)
    for pattern in ("^(?:true|false)$", "^(?:True|False)$", "^(?:TRUE|FALSE)$")
)


def guess_types(
    sample: Sequence[Block], wanted: Mapping[str, str], job: Job, types: ServiceTypes
) -> Guessed:
    """The types of the source columns in `wanted` (a CSV), or of every key (NDJSON).

    `wanted` gives the names they travel under. `sample` is the first blocks, of one layout; they
    are read one by one and nothing is kept.
    """
    layout = sample[0].layout
    if layout.format == "ndjson":
        return guess_keys(sample, job, types)
    places = {source: layout.columns.index(source) for source in wanted if source in layout.columns}
    guesses = {
        source: ColumnGuess(_nulls(name, job), held_by(job.fields.get(name), types))
        for source, name in wanted.items()
        if source in places
    }
    for block in sample if places else ():
        frame = read_csv(block).frame
        for source, place in places.items():
            guesses[source].look(frame.to_series(place))
    reasons = {source: reason for source, guess in guesses.items() if (reason := guess.reason)}
    return Guessed({source: guess.type for source, guess in guesses.items()}, reasons)


def _nulls(name: str, job: Job) -> tuple[str, ...]:
    settings = job.fields.get(name)
    return settings.nulls if settings and settings.nulls is not None else job.source.nulls


class ColumnGuess:
    """The type of a column that is seen part by part. `nulls` are the words for null."""

    def __init__(self, nulls: tuple[str, ...], held: Held = ANY) -> None:
        self._nulls = list(nulls)
        self._held = held
        self._possible: tuple[_Guess, ...] = (*GUESSES, *(BOOLEANS if held.booleans else ()))
        self._seen = self._long = self._wide = False

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
        if self._held.ends and self._looks == "integer":
            inside = values.cast(pl.Int64).is_between(*self._held.ends)  # 18 digits at the most
            self._wide = self._wide or not inside.all()
        if not self._possible and not self._long:
            longest = int(values.str.len_chars().max() or 0)  # type: ignore[arg-type] # a count
            self._long = longest > LONG_TEXT or bool(values.str.contains("\n").any())

    @property
    def _looks(self) -> FieldType | None:
        return self._possible[0].kind if self._seen and self._possible else None

    @property
    def reason(self) -> str:
        """Why the type is not what the values look like, empty where it is."""
        return self._held.reason if self._wide and self._looks == "integer" else ""

    @property
    def type(self) -> FieldType:
        """What all parts together say."""
        if self.reason:
            return "string"
        return self._looks or ("text" if self._long else "string")
