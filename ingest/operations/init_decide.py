"""From evidence to a type: what a person would write into the job, and why. Pure.

A type is taken only if *every* value has it, by the reading that a run uses; words for null are
null only then, and are named with their counts. Of a column that is nearly of a type, a comment
says what stood in the way. A date that can be read in two ways by every value is text, and the
comment says which two. What numbers are is `init_numbers`.
"""

from __future__ import annotations

from msgspec.structs import replace

from ingest.operations.init_dates import Form
from ingest.operations.init_decided import Decided, Holds, as_text, every, gaps, null_words
from ingest.operations.init_evidence import Evidence, Kind
from ingest.operations.init_numbers import NUMBERS, number
from ingest.shape.values import shown

TRUTHS = (("true", "false"), ("yes", "no"), ("t", "f"), ("y", "n"))
_USUAL = ("true", "True", "TRUE", "false", "False", "FALSE")
_TEXTS = ("string", "text")
SOME = 0.002  # of a column's values: fewer words for null are some word that looks like one


def decide(name: str, seen: Evidence, holds: Holds) -> Decided:
    """The type of a CSV's column of this name."""
    if not seen.values:
        nulls = f", {null_words(seen)}" if seen.nulls else ""
        return Decided("string", f"no value in {seen.without:,} records{nulls}")
    for attempt in (_date, number, _truth, _json):
        found = attempt(name, seen, holds)
        if found is not None:
            return found if found.type in _TEXTS else _with_gaps(found, seen)
    return plain_text(seen)


def _with_gaps(found: Decided, seen: Evidence) -> Decided:
    """The decision with what is null beside it."""
    why = found.why + gaps(seen, typed=True)
    return replace(found, why=why, nulls=tuple(sorted(seen.nulls)))


def _date(_name: str, seen: Evidence, _holds: Holds) -> Decided | None:
    whole = seen.dates.whole
    if seen.of(Kind.WHOLE) == seen.values and not _is_calendar(seen):
        return None
    if not whole:
        return None
    form = whole[0]
    rivals = [r for r in whole if r.order != form.order] if form.format else []
    if rivals:
        example = next(iter(seen.examples[kind] for kind in seen.examples if kind is Kind.OTHER))
        ways = " or ".join(dict.fromkeys(f'"{one.format}"' for one in (form, *rivals)))
        return as_text(
            seen,
            f"all {seen.values:,} values are {form.kind}s, but {shown(example)} can be read in"
            f" more than one way and no value decides it",
            f'set type = "{form.kind}" and format = {ways}, whichever it is',
        )
    how = f"of the form {form.format}" if form.format else "in ISO 8601"
    why = f"{every(seen)} are {form.kind}s {how}{_decider(seen, form)}"
    doubts = []
    if "%y" in form.format:
        doubts.append("a year of two digits: 69 to 99 are taken for 19.., 00 to 68 for 20..")
    if form.format in ("%Y%m%d", "%Y%m%d%H%M%S"):
        doubts.append("digits alone: if they are no dates, it is an integer")
    return Decided(form.kind, why, format=form.format, doubts=tuple(doubts))


def _is_calendar(seen: Evidence) -> bool:
    """Whether whole numbers may be dates at all: eight or fourteen digits of likely years."""
    least, most = str(seen.least), str(seen.most)
    return len(least) == len(most) in (8, 14) and least[:4] >= "1900" and most[:4] <= "2100"


def _decider(seen: Evidence, form: Form) -> str:
    """What decided between the day and the month, where it had to be decided."""
    count = seen.dates.deciding(form)
    if count is None:
        return ""
    place = "first" if form.order[0] == "d" else "second"
    return f" ({count:,} with 13 and more in the {place} place)"


def _truth(_name: str, seen: Evidence, holds: Holds) -> Decided | None:
    if seen.few is None:
        return None
    spelt = {word: word.strip(" \t") for word in seen.few}
    folded = {word.casefold() for word in spelt.values()}
    for pair in TRUTHS:
        if folded == set(pair) or (pair == TRUTHS[0] and folded <= set(pair)):
            true, false = (
                tuple(dict.fromkeys(w for w in spelt.values() if w.casefold() == side)) or (side,)
                for side in pair
            )
            words = (*true, *false)
            usual = set(words) <= set(_USUAL)
            return told_truth(seen.values, words, () if usual else (true, false), holds)
    return None


def told_truth(
    count: int,
    words: tuple[str, ...],
    said: tuple[()] | tuple[tuple[str, ...], tuple[str, ...]],
    holds: Holds,
) -> Decided:
    """Truth in these words; `said` are those for true and false where the job must say them. An
    integer where the service has no booleans."""
    why = f"{count:,} of {count:,} values are {' or '.join(words)}"
    if holds.booleans:
        true, false = said or ((), ())
        return Decided("boolean", why, true=true, false=false)
    true, false = said or (_USUAL[:3], _USUAL[3:])
    return Decided("integer", why, true=true, false=false)


def _json(_name: str, seen: Evidence, _holds: Holds) -> Decided | None:
    if not seen.is_json or seen.counts[Kind.OTHER] != seen.values:
        return None
    return Decided("json", f"{every(seen)} are JSON objects or lists")


def plain_text(seen: Evidence) -> Decided:
    """What is nothing but text; and what it nearly was."""
    doubts, why = _nearly(seen), f"{every(seen)} are texts of up to {seen.longest:,} characters"
    if seen.nulls:
        why += f"; kept as text: {null_words(seen)}"
    if seen.counts[Kind.NULL] > SOME * seen.values and not doubts:
        doubts = ("if these words mean that nothing is known, name them in nulls",)
    return as_text(seen, why, *doubts)


def _nearly(seen: Evidence) -> tuple[str, ...]:
    """Why a column that is nearly of one type is not of it."""
    numbers, odd = seen.of(*NUMBERS), seen.of(Kind.OTHER, Kind.PADDED)
    if numbers * 10 >= seen.values * 9 and odd:
        kind = "decimal" if seen.of(Kind.FRACTION, Kind.EXPONENT) else "integer"
        example = shown(seen.examples.get(Kind.OTHER, seen.examples.get(Kind.PADDED, "")))
        said = f"{numbers:,} are numbers, {seen.values - numbers:,} are not, like {example}"
        return (f'{said}: with type = "{kind}" these would be rejects',)
    if near := seen.dates.nearly:
        form, count = near
        how = f', format = "{form.format}"' if form.format else ""
        said = f'{count:,} read as type = "{form.kind}"{how}'
        return (f"{said}; the other {seen.dates.total - count:,} would be rejects",)
    return ()
