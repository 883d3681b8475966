"""From the evidence of NDJSON's keys to types: as `init_decide`, for values that have a kind. Pure.

A text that somebody put into quotes stays a text, though it be digits; but a key that is a number
here and a number in quotes there is a number.
"""

from __future__ import annotations

from msgspec.structs import replace

from ingest.job import FieldType
from ingest.operations.init_decide import decide, plain_text, told_truth
from ingest.operations.init_decided import Decided, Holds, gaps
from ingest.operations.init_evidence import Evidence, Kind
from ingest.operations.init_keys import KeyEvidence
from ingest.operations.init_numbers import number
from ingest.shape.values import shown


def decide_key(name: str, seen: KeyEvidence, records: int, holds: Holds) -> Decided:
    """The type of an NDJSON member of this name, in `records` records."""
    found = _of_key(name, seen, holds)
    missing = records - seen.records
    gaps = [f"{seen.nulls:,} null"] if seen.nulls else []
    gaps += [f"{missing:,} records lack it"] if missing else []
    why = "; ".join([found.why, *gaps])
    return replace(found, why=why)


def _of_key(name: str, seen: KeyEvidence, holds: Holds) -> Decided:
    truths, texts, numbers = seen.truths.total(), seen.texts, seen.numbers
    kinds = [
        word
        for word, count in (
            ("objects or lists", seen.nested),
            ("true or false", truths),
            ("numbers", numbers.values),
            ("texts", texts.counts.total()),
        )
        if count
    ]
    if not kinds:
        return Decided("string", "no value")
    if len(kinds) == 1 and texts.counts:
        return _of_texts(name, texts, holds)
    if len(kinds) == 1 and truths:
        return told_truth(seen.truths.total(), ("true", "false"), (), holds)
    if len(kinds) == 1 and not seen.nested:
        found = number(name, numbers, holds)
        return found or Decided("json", f"{numbers.values:,} numbers of many spellings")
    if kinds == ["numbers", "texts"]:
        return _of_both(name, seen, holds)
    count = seen.records - seen.nulls
    return Decided("json", f"{count:,} values are {' and '.join(kinds)}: as they came")


def _of_texts(name: str, seen: Evidence, holds: Holds) -> Decided:
    """Texts in quotes: dates are dates, but digits in quotes are left what somebody made them."""
    found = decide(name, seen, holds)
    if found.type in ("integer", "decimal") and not found.true:
        doubt = f'its texts are all numbers: type = "{found.type}" would make them so'
        return replace(plain_text(seen), doubts=(doubt,))
    if found.type not in ("string", "text", "json") and seen.counts[Kind.EMPTY]:
        return replace(found, nulls=("", *(word for word in found.nulls if word)))
    return found


def _of_both(name: str, seen: KeyEvidence, holds: Holds) -> Decided:
    """Numbers, some of them in quotes; or numbers and words."""
    texts, numbers = seen.texts, seen.numbers
    first = number(name, numbers, holds)
    second = number(name, texts, holds) if texts.values else first
    if first is None or second is None or "string" in (first.type, second.type):
        example = shown(texts.examples.get(Kind.OTHER, next(iter(texts.examples.values()))))
        return Decided("string", f"{numbers.values:,} numbers, and texts like {example}")
    kind: FieldType = "integer" if first.type == second.type == "integer" else "decimal"
    empty = ("",) if texts.counts[Kind.EMPTY] else ()
    said = f", {texts.values:,} of them in quotes" if texts.values else ""
    why = f"{numbers.values + texts.values:,} numbers{said}{gaps(texts, typed=True)}"
    return Decided(kind, why, nulls=(*empty, *sorted(texts.nulls)))
