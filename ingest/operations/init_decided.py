"""What was decided about a field, and the sentences that every decision is told in. Pure."""

from __future__ import annotations

from msgspec import Struct

from ingest.job import FieldType
from ingest.operations.init_evidence import Evidence, Kind
from ingest.shape.values import INT64_MAX, INT64_MIN, shown


class Holds(Struct, frozen=True):
    """What the service's columns could hold: `integers` are the ends of its whole numbers."""

    booleans: bool
    integers: tuple[int, int] = (INT64_MIN, INT64_MAX)
    wider: str = ""


class Decided(Struct, frozen=True):
    """A field's type and what goes with it; `why` is the evidence, `doubts` what a person may see
    otherwise. An integer with words for true and false stands for a boolean."""

    type: FieldType
    why: str
    nulls: tuple[str, ...] = ()
    format: str = ""
    decimal: str = "."
    true: tuple[str, ...] = ()
    false: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


def as_text(seen: Evidence, why: str, *doubts: str) -> Decided:
    """A text, of one line or of many."""
    kind: FieldType = "text" if seen.is_long else "string"
    return Decided(kind, why + gaps(seen, typed=False), doubts=doubts)


def every(seen: Evidence) -> str:
    """`14,332 of 14,332 values`."""
    return f"{seen.values:,} of {seen.values:,} values"


def gaps(seen: Evidence, *, typed: bool) -> str:
    """What is empty, and where that is settled, which words are null."""
    empty = f"; {seen.counts[Kind.EMPTY]:,} empty" if seen.counts[Kind.EMPTY] else ""
    return empty + (f"; null are {null_words(seen)}" if typed and seen.nulls else "")


def null_words(seen: Evidence) -> str:
    """The words that usually mean null, with how often each stands."""
    return ", ".join(f"{shown(word)} ({count:,})" for word, count in sorted(seen.nulls.items()))
