"""Which spelling of dates a column has, if any: all that are known are held against every value.

A form counts as read only where the very rule that a run would use reads the value
(`shape.time_rules`), so that what is proposed here is accepted there. 03/04 has two readings;
nothing decides between them but another value of the column that only one of them reads. So the
forms are all kept and counted, and whoever decides looks at which of them read everything.

Forms that nobody uses (year, day, month) are left out: with them every date would be ambiguous.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import Literal

import polars as pl
from msgspec import Struct

from ingest.shape import time_rules, times
from ingest.shape.rules import Rule
from ingest.shape.values import BadValue

HEAD_VALUES = 64
ENOUGH = 0.9  # a form that reads less than this of the values is no longer followed
_ORDERS = (
    "%d{0}%m{0}%Y", "%m{0}%d{0}%Y", "%Y{0}%m{0}%d",
    "%d{0}%m{0}%y", "%m{0}%d{0}%y", "%y{0}%m{0}%d",
)  # fmt: skip
_NAMED = (
    "%d %b %Y", "%d-%b-%Y", "%d/%b/%Y", "%d-%b-%y", "%d %b %y", "%d %B %Y", "%d. %B %Y",
    "%b %d, %Y", "%B %d, %Y", "%b %d %Y", "%B %d %Y", "%b-%d-%Y", "%b/%d/%Y", "%Y-%b-%d",
    "%Y %b %d",
)  # fmt: skip
_CLOCKS = ("%H:%M:%S", "%H:%M", "%I:%M:%S %p", "%I:%M %p", "%I:%M%p", "%H:%M:%S.%f")
_BETWEEN = (" ", "T", ", ")
_COMPACT = ("%Y%m%d",)
_COMPACT_TIMES = ("%Y%m%d%H%M%S", "%Y%m%dT%H%M%S")
# What any of the forms must look like: three parts, or eight digits and more.
_DATE_LIKE = r"^[A-Za-z0-9]{1,9}[-/. ,]{1,2}[A-Za-z0-9]{1,9}[-/. ,]{1,2}[0-9]{1,4}|^[12][0-9]{7}"
_ORDER_OF = {"b": "m", "B": "m"}


class Form(Struct, frozen=True):
    """One spelling: ISO 8601 where `format` is empty."""

    kind: Literal["date", "timestamp"]
    format: str = ""

    @property
    def rule(self) -> Rule:
        """The rule by which a run would read it."""
        return _rule(self)

    @property
    def order(self) -> str:
        """The parts of the date in their order: `dmY`. Forms of one order mean the same."""
        named = re.findall("%([YymdbB])", self.format)
        return "".join(_ORDER_OF.get(part, part) for part in named)

    @property
    def swapped(self) -> Form | None:
        """The form with day and month in each other's place, where both are digits beside."""
        if self.order not in ("dmY", "mdY", "dmy", "mdy") or re.search("%[bB]", self.format):
            return None
        other = {"d": "m", "m": "d"}
        swapped = re.sub("%([dm])", lambda found: f"%{other[found[1]]}", self.format)
        return Form(self.kind, swapped)

    def reads(self, values: pl.Series) -> pl.Series:
        """Whether it reads each of these values."""
        frame, column = values.to_frame("v"), pl.col("v")
        rule = self.rule
        quick = pl.lit(value=False)
        for spelling in rule.spellings:
            quick = quick | spelling.holds(column)
        if rule.bulk is not None:
            quick = quick | rule.bulk(column).is_not_null()
        if self.format:
            bare = column.str.strip_chars(" \t")
            open_ = bare.str.contains(times.format_pattern(self.format))
        else:
            open_ = column.str.contains(r"^[ \t]*[0-9]{4}-[0-9]{2}-[0-9]{2}")
        found = frame.select(quick.alias("quick"), open_.alias("open"))
        read = found["quick"]
        rest = (found["open"] & ~read).arg_true()
        scalars = [_is_read(rule, text) for text in values.gather(rest)]
        return read.scatter(rest, scalars) if len(rest) else read


@functools.cache
def _rule(form: Form) -> Rule:
    formats = (form.format,) if form.format else ()
    return (time_rules.date_value if form.kind == "date" else time_rules.timestamp)(formats)


def _is_read(rule: Rule, text: str) -> bool:
    try:
        rule.scalar(text)
    except BadValue:
        return False
    return True


def forms() -> Iterator[Form]:
    """Every form that is known, the plainest first."""
    days = [order.format(mark) for mark in "/-." for order in _ORDERS] + list(_NAMED)
    yield Form("date")
    yield Form("timestamp")
    yield from (Form("date", day) for day in (*days, *_COMPACT))
    yield from (Form("timestamp", form) for form in _COMPACT_TIMES)
    for day in days:
        for between in _BETWEEN:
            yield from (Form("timestamp", day + between + clock) for clock in _CLOCKS)


class DateEvidence:
    """How many of a column's values each form reads. Shown the values part by part."""

    def __init__(self) -> None:
        self.read: dict[Form, int] = {}
        self._swapped: dict[Form, int] = {}
        self.total = 0

    def look(self, values: pl.Series, counts: pl.Series) -> None:
        """Take one more part into account: its different values, and how often each stands."""
        if self.total and not self.read:
            return
        if not self.total:
            self.read = dict.fromkeys(_likely(values.head(HEAD_VALUES)), 0)
            self._swapped = {form: 0 for form in self.read if form.swapped}
        self.total += int(counts.sum())
        for form in list(self.read):
            self.read[form] += int(counts.filter(form.reads(values)).sum())
            if self.read[form] < ENOUGH * self.total:
                del self.read[form]
        for form in self._swapped.keys() & self.read.keys():
            swapped = form.swapped
            assert swapped is not None
            self._swapped[form] += int(counts.filter(swapped.reads(values)).sum())

    @property
    def whole(self) -> list[Form]:
        """The forms that read every value."""
        return [form for form, count in self.read.items() if count == self.total > 0]

    @property
    def nearly(self) -> tuple[Form, int] | None:
        """The form that reads most of the values though not all, and how many it does."""
        best = max(self.read.items(), key=lambda one: one[1], default=None)
        return best if best and best[1] < self.total else None

    def deciding(self, form: Form) -> int | None:
        """How many values show that day and month are in this order and not in the other; None
        where there is no other."""
        read = self._swapped.get(form)
        return None if read is None else self.total - read


def _likely(head: pl.Series) -> list[Form]:
    """The forms that read at least half of a few values."""
    if not head.str.strip_chars(" \t").str.contains(_DATE_LIKE).any():
        return []
    found, texts = [], head.str.strip_chars(" \t").to_list()
    for form in forms():
        pattern = times.format_pattern(form.format) if form.format else r"^[0-9]{4}-"
        if 2 * sum(re.match(pattern, text) is not None for text in texts) < len(texts):
            continue
        if 2 * int(form.reads(head).sum()) >= len(texts):
            found.append(form)
    return found
