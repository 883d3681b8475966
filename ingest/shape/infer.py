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
from dataclasses import dataclass

import polars as pl

from ingest.job import FieldSettings, FieldType, Job
from ingest.model import Block
from ingest.shape import rules, time_rules, times
from ingest.shape.csv_read import read_csv
from ingest.shape.json_read import read_records, split_lines
from ingest.shape.plan import source_column
from ingest.shape.service import ServiceTypes
from ingest.shape.values import BadValue, Scalar

LONG_TEXT = 255
EXACT_DOUBLE = 2**53
MOST_DIGITS = 300  # Python reads no number of thousands; these are wide enough
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


BOOLEANS = tuple(
    _Guess("boolean", pattern, pattern)
    for pattern in ("^(?:true|false)$", "^(?:True|False)$", "^(?:TRUE|FALSE)$")
)


@dataclass(frozen=True, slots=True)
class Guessed:
    """Types by source column; `reasons` say why one is not what its values look like."""

    types: dict[str, FieldType]
    reasons: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Held:
    """What the service's column could hold: `ends` of its integers (None: 64 bits), truth."""

    ends: tuple[int, int] | None = None
    booleans: bool = False
    word: str = ""

    @property
    def reason(self) -> str:
        """Why integers did not become an integer column."""
        least, most = self.ends or (0, 0)
        bits = most.bit_length() + 1
        size = f"{bits} bits" if least == -most - 1 else f"the range {least} to {most}"
        return f"its integers pass {size}, which {self.word} can't hold"


def _held(settings: FieldSettings | None, types: ServiceTypes) -> _Held:
    settings = settings or FieldSettings()
    word = types.wished_type(settings, "integer")
    return _Held(types.narrow_range(word), types.has_booleans(settings), word)


def guess_types(
    sample: Sequence[Block], wanted: Mapping[str, str], job: Job, types: ServiceTypes
) -> Guessed:
    """The types of the source columns in `wanted` (a CSV), or of every key (NDJSON).

    `wanted` gives the names they travel under. `sample` is the first blocks, of one layout; they
    are read one by one and nothing is kept.
    """
    layout = sample[0].layout
    if layout.format == "ndjson":
        return _guess_keys(sample, job, types)
    places = {source: layout.columns.index(source) for source in wanted if source in layout.columns}
    guesses = {
        source: ColumnGuess(_nulls(name, job), _held(job.fields.get(name), types))
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


def _guess_keys(sample: Sequence[Block], job: Job, types: ServiceTypes) -> Guessed:
    typed = {f.from_ or name for name, f in job.fields.items() if f.type is not None}
    reading = {source_column(name, f): f for name, f in job.fields.items()}
    keys: dict[str, KeyGuess] = {}
    for block in sample:
        for record in read_records(split_lines(block.data).texts)[0]:
            for key, raw in record.items():
                if key in typed or (kind := _kind_of(token := bytes(raw))) is None:
                    continue
                if key not in keys:
                    field = reading.get(key)
                    keys[key] = KeyGuess(_held(field, types), as_it_came=field is None)
                keys[key].look(kind, token)
    reasons = {key: reason for key, guess in keys.items() if (reason := guess.reason)}
    return Guessed({key: guess.type for key, guess in keys.items()}, reasons)


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
    return "decimal" if b"." in raw or b"e" in raw or b"E" in raw else "integer"


def _common(kinds: set[FieldType]) -> FieldType:
    """The type that takes all of these; JSON where nothing else does."""
    if len(kinds) == 1:
        return next(iter(kinds))
    if kinds == {"integer", "decimal"}:
        return "decimal"
    return "text" if kinds == {"string", "text"} else "json"


class KeyGuess:
    """The type of a JSON key that is seen value by value. `as_it_came`: no field reads it."""

    def __init__(self, held: _Held, *, as_it_came: bool) -> None:
        self._held = held
        self._as_it_came = as_it_came
        self._kinds: set[FieldType] = set()
        self._least = self._most = 0

    def look(self, kind: FieldType, token: bytes) -> None:
        """Take one more value into account."""
        self._kinds.add(kind)
        if kind == "integer" and self._held.ends:
            number = int(token[:MOST_DIGITS])
            self._least, self._most = min(self._least, number), max(self._most, number)

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


class ColumnGuess:
    """The type of a column that is seen part by part. `nulls` are the words for null."""

    def __init__(self, nulls: tuple[str, ...], held: _Held = _Held()) -> None:
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
