"""What the values of one column look like, counted part by part. Pure.

Every value is of exactly one `Kind`, found in native code on the different values of a part; what
is kept is how often each kind occurs and its first example, never the values. Words that usually
mean null are a kind of their own, by their exact spelling: whether they are null depends on what
the others are, so that is decided elsewhere (`init_decide`).
"""

from __future__ import annotations

import enum
from collections import Counter

import polars as pl

from ingest.operations.init_dates import DateEvidence
from ingest.shape import values as scalars
from ingest.shape.guessed import LONG_TEXT
from ingest.shape.json_read import json_value

NULL_WORDS = (
    "na", "n/a", "n.a.", "#n/a", "<na>", "nan", "null", "(null)", "#null!", "none", "nil", "-",
    "--", "---", "–", "—", ".", "..", "...", "?", "\\n", "0000-00-00", "0000-00-00 00:00:00",
)  # fmt: skip
FEW = 16  # different values that are remembered as they are
JSON_TRIED = 2_000
_BLANKS = " \t"
_NATURAL = "(?:0|[1-9][0-9]*)"


class Kind(enum.StrEnum):
    """What a value is, by its spelling alone."""

    EMPTY = "empty"
    NULL = "null"  # blanks, or a word that usually means null
    WHOLE = "whole"
    POINT_ZERO = "point_zero"  # 12345.0
    WHOLE_EXPONENT = "whole_exponent"  # 1.5E3
    PADDED = "padded"  # 00100, and 00.5
    FRACTION = "fraction"  # 1.25, and 10.00
    EXPONENT = "exponent"  # 1.5e-3
    PLUS = "plus"  # +5
    COMMA = "comma"  # 12,5
    COMMA_OR_GROUP = "comma_or_group"  # 1,234
    GROUPED = "grouped"  # 1,234,567 and 1.234,56
    OTHER = "other"


# Asked in this order: the first pattern that a value has says what it is.
PATTERNS: tuple[tuple[Kind, str], ...] = (
    (Kind.WHOLE, rf"^-?{_NATURAL}$"),
    (Kind.POINT_ZERO, rf"^-?{_NATURAL}\.0$"),
    (Kind.PADDED, r"^[+-]?0[0-9]+(?:\.[0-9]*)?$"),
    (Kind.FRACTION, r"^-?(?:[0-9]+\.[0-9]*|\.[0-9]+)$"),
    (Kind.EXPONENT, r"^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)[eE][+-]?[0-9]+$"),
    (Kind.PLUS, r"^\+(?:[0-9]+\.?[0-9]*|\.[0-9]+)$"),
    (Kind.COMMA_OR_GROUP, r"^[+-]?[1-9][0-9]{0,2},[0-9]{3}$"),
    (Kind.COMMA, r"^[+-]?[0-9]+,[0-9]+$"),
    (Kind.GROUPED, r"^[+-]?[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?$"),
    (Kind.GROUPED, r"^[+-]?[0-9]{1,3}(?:[.' ][0-9]{3})+(?:,[0-9]+)?$"),
)


def _kind(column: pl.Expr) -> pl.Expr:
    bare = column.str.strip_chars(_BLANKS)
    null = (bare == "") | bare.str.to_lowercase().is_in(NULL_WORDS)
    found = pl.when(column == "").then(pl.lit(Kind.EMPTY)).when(null).then(pl.lit(Kind.NULL))
    for kind, pattern in PATTERNS:
        found = found.when(bare.str.contains(pattern)).then(pl.lit(kind))
    return found.otherwise(pl.lit(Kind.OTHER))


class Evidence:
    """Of one column: `counts` and `examples` by kind, `nulls` by their exact spelling.

    `few` are the different values but empty ones and words for null, with how often each stands;
    None once there are too many. `unique`: no value twice, and none empty. `least` and `most` are
    of the whole numbers. `shortest` and `longest` count the characters of values.
    """

    def __init__(self) -> None:
        self.counts: Counter[Kind] = Counter()
        self.examples: dict[Kind, str] = {}
        self.nulls: Counter[str] = Counter()
        self.few: Counter[str] | None = Counter()
        self.dates = DateEvidence()
        self.least: int | None = None
        self.most: int | None = None
        self.shortest = self.longest = 0
        self.has_newlines = False
        self.is_json = True
        self.unique = True
        self._hashes: list[pl.Series] = []
        self._json_left = JSON_TRIED

    @property
    def values(self) -> int:
        """How many values were seen, empty ones and words for null left out."""
        return self.counts.total() - self.counts[Kind.EMPTY] - self.counts[Kind.NULL]

    @property
    def without(self) -> int:
        """How many were empty or a word for null."""
        return self.counts[Kind.EMPTY] + self.counts[Kind.NULL]

    def of(self, *kinds: Kind) -> int:
        """How many values are of these kinds."""
        return sum(self.counts[kind] for kind in kinds)

    def look(self, texts: pl.Series) -> None:
        """Take one more part into account."""
        if not len(texts):
            return
        different = texts.alias("v").value_counts(name="n")
        frame = different.with_columns(_kind(pl.col("v")).alias("kind"))
        self._look_unique(texts, different.height)
        for kind, count, example in (
            frame.group_by("kind").agg(pl.col("n").sum(), pl.col("v").min()).iter_rows()
        ):
            self.counts[Kind(kind)] += count
            self.examples.setdefault(Kind(kind), example)
        nulls = frame.filter(pl.col("kind") == Kind.NULL)
        for word, count in nulls.select("v", "n").iter_rows():
            self.nulls[word] += count
        held = frame.filter(~pl.col("kind").is_in([Kind.EMPTY, Kind.NULL]))
        if held.height:
            self._look_values(held)

    def _look_values(self, held: pl.DataFrame) -> None:
        texts = held["v"]
        lengths = texts.str.len_chars()
        shortest, longest = int(lengths.min()), int(lengths.max())  # type: ignore[arg-type] # counts
        self.shortest = min(self.shortest or shortest, shortest)
        self.longest = max(self.longest, longest)
        self._remember(held)
        self._look_numbers(held)
        self.dates.look(texts, held["n"])
        others = held.filter(pl.col("kind") == Kind.OTHER)["v"]
        self.is_json = self.is_json and len(others) == len(texts) and self._are_json(others)
        self.has_newlines = self.has_newlines or bool(others.str.contains("\n").any())

    @property
    def is_long(self) -> bool:
        """Whether a text field of one line is not enough."""
        return self.longest > LONG_TEXT or self.has_newlines

    def _remember(self, held: pl.DataFrame) -> None:
        if self.few is None or held.height > FEW:
            self.few = None
            return
        for value, count in held.select("v", "n").iter_rows():
            self.few[value] += count
        if len(self.few) > FEW:
            self.few = None

    def _look_numbers(self, held: pl.DataFrame) -> None:
        """The range of whole numbers; exponents that make whole ones get the kind of theirs."""
        for text, count in (
            held.filter(pl.col("kind") == Kind.EXPONENT).select("v", "n").iter_rows()
        ):
            try:
                number = int(scalars.integer(text))
            except scalars.BadValue:
                continue
            self.counts[Kind.EXPONENT] -= count
            self.counts[Kind.WHOLE_EXPONENT] += count
            self._reach(number, number)
        whole = held.filter(pl.col("kind").is_in([Kind.WHOLE, Kind.POINT_ZERO, Kind.PLUS]))["v"]
        bare = whole.str.strip_chars(_BLANKS).str.strip_prefix("+").str.strip_suffix(".0")
        numbers = bare.cast(pl.Int128, strict=False).drop_nulls()
        if len(numbers):
            self._reach(int(numbers.min()), int(numbers.max()))  # type: ignore[arg-type] # integers
        if numbers.len() < len(bare.filter(~bare.str.contains(".", literal=True))):
            self._reach(0, 2**200)  # more digits than 128 bits hold

    def _reach(self, least: int, most: int) -> None:
        self.least = least if self.least is None else min(self.least, least)
        self.most = most if self.most is None else max(self.most, most)

    def _are_json(self, texts: pl.Series) -> bool:
        if not texts.str.contains(r"^\s*[\[{]").all():
            return False
        tried, self._json_left = texts.head(self._json_left), max(0, self._json_left - len(texts))
        try:
            for text in tried:
                json_value(text)
        except scalars.BadValue:
            return False
        return True

    def _look_unique(self, texts: pl.Series, different: int) -> None:
        self.unique = self.unique and different == len(texts)
        if not self.unique:
            self._hashes.clear()
            return
        self._hashes.append(texts.hash())

    def is_unique(self) -> bool:
        """Whether every value stands once in all parts, and none is empty or a word for null."""
        if not self.unique or self.without or not self._hashes:
            return False
        together = pl.concat(self._hashes)
        return together.n_unique() == len(together)
