"""Rules for columns of dates and timestamps: `rules`' three steps, for values of time.

The reference is `times`, which asks Python's `strptime` and `zoneinfo`. The bulk step parses with
Polars, so it keeps to what both surely read alike: formats of a few plain directives, and texts
that only one of the formats can match. Offsets of a time zone are always Python's:
Polars brings a time zone table of its own, which may be of another year and knows no clock change
after 2100. An expression that stands twice in another is computed twice, so none does needlessly.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl

from ingest.shape import times, values
from ingest.shape.rules import Rule, Spelling

_LEAP_YEAR = (
    r"(?:[1-9][0-9](?:0[48]|[2468][048]|[13579][26])|(?:[2468][048]|[13579][26])00)"  # and no other
)
# Every date of the years 1000 to 9999.
PLAIN_DATE = (
    r"(?:[1-9][0-9]{3}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])"
    r"|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
    rf"|{_LEAP_YEAR}-02-29)"
)
ISO_DATE = f"^{times.YEAR}-[0-9]{{2}}-[0-9]{{2}}$"
PLAIN_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,9})?"
PLAIN_OFFSET = r"(?:Z|[+-](?:0[0-9]|1[0-9]|2[0-3]):[0-5][0-9])?"
DAY_PARTS = (frozenset("Ymd"), frozenset("Ybd"))
TIME_PARTS = tuple(frozenset(parts) for parts in ("", "HM", "HMS", "IMp", "IMSp"))
CACHED_DAYS = 20_000


def date_value(formats: Sequence[str] = ()) -> Rule:
    """Dates; ISO unless formats are given. ValueError for a format that can't be relied on."""
    patterns = [times.format_pattern(form) for form in formats] or [ISO_DATE]
    sure = _are_sure(formats, with_times=False)

    def bulk(column: pl.Expr) -> pl.Expr:
        text = column.str.strip_chars(values.BLANKS)
        parsed = [
            _parsed(text, pattern, form, pl.Date)
            for pattern, form in zip(patterns, formats or ["%Y-%m-%d"], strict=True)
        ]
        day = pl.when(_only_one(text, patterns)).then(pl.coalesce(parsed))
        return day.dt.to_string('"%Y-%m-%d"')

    return Rule(
        scalar=functools.partial(times.date_value, formats=tuple(formats)),
        spellings=() if formats else (Spelling(f"^{PLAIN_DATE}$", '"', '"'),),
        bulk=bulk if sure else None,
        typed=lambda column: column.str.strip_chars('"').str.to_date("%Y-%m-%d"),
    )


def timestamp(formats: Sequence[str] = (), zone: str | None = None) -> Rule:
    """Points in time; ISO 8601 unless formats are given, UTC if a zone is.

    ValueError for a format that can't be relied on.
    """
    patterns = [times.format_pattern(form) for form in formats]
    patterns = patterns or [f"^{PLAIN_DATE}T{PLAIN_TIME}$"]
    spelt = f"^{PLAIN_DATE}T{PLAIN_TIME}{PLAIN_OFFSET}$"
    spaced = f"^{PLAIN_DATE} {PLAIN_TIME}{PLAIN_OFFSET}$"

    def with_t(column: pl.Expr) -> pl.Expr:
        return column.str.replace(" ", "T", literal=True)

    def bulk(column: pl.Expr) -> pl.Expr:
        """Whole seconds only, so that no fraction has to be spelt twice in the same way."""
        text = column.str.strip_chars(values.BLANKS)
        text = text if formats else with_t(text)
        parsed = [
            _parsed(text, pattern, form, pl.Datetime("us"))
            for pattern, form in zip(patterns, formats or ["%Y-%m-%dT%H:%M:%S"], strict=True)
        ]
        moment = pl.when(_only_one(text, patterns)).then(pl.coalesce(parsed))
        if zone is None:
            return moment.dt.to_string('"%Y-%m-%dT%H:%M:%S"')
        return _in_utc(moment, zone).dt.to_string('"%Y-%m-%dT%H:%M:%SZ"')

    plain = not formats and zone is None
    return Rule(
        scalar=functools.partial(times.timestamp, formats=tuple(formats), zone=zone),
        spellings=(
            (Spelling(spelt, '"', '"'), Spelling(spaced, '"', '"', swap=(" ", "T")))
            if plain
            else ()
        ),
        bulk=None if plain or not _are_sure(formats, with_times=True) else bulk,
        typed=_typed_timestamp,
    )


def _are_sure(formats: Sequence[str], *, with_times: bool) -> bool:
    """Whether both libraries surely read all these formats alike.

    Not so: `%y` (turns the century elsewhere), `%B` (takes short names, too), `%j`, `%f`, `%z`, and
    dates or times with a part missing.
    """
    time_parts = TIME_PARTS if with_times else TIME_PARTS[:1]
    wanted = [day | time for day in DAY_PARTS for time in time_parts]
    return all(set(re.findall("%([^%])", form)) in wanted for form in formats)


def _only_one(text: pl.Expr, patterns: Sequence[str]) -> pl.Expr:
    """True where one format alone can match: where two can, the scalar says what it is."""
    return pl.sum_horizontal([text.str.contains(pattern) for pattern in patterns]) == 1


def _parsed(text: pl.Expr, pattern: str, form: str, kind: type[pl.Date] | pl.Datetime) -> pl.Expr:
    """The texts read by one format, null where they aren't of its form."""
    return pl.when(text.str.contains(pattern)).then(text).str.strptime(kind, form, strict=False)


def _in_utc(local: pl.Expr, zone: str) -> pl.Expr:
    """Local times in UTC; null on days with a clock change, and at the ends of the calendar."""

    def offsets(days: pl.Series) -> pl.Series:
        unique = days.unique().drop_nulls()
        found = [day_offset_s(zone, day) for day in unique]
        known = pl.Series(found, dtype=pl.Int32)
        return days.replace_strict(unique, known, default=None, return_dtype=pl.Int32)

    offset_s = local.dt.date().map_batches(offsets, return_dtype=pl.Int32)
    return local - pl.duration(seconds=offset_s, time_unit="us")


@functools.lru_cache(maxsize=CACHED_DAYS)
def day_offset_s(zone: str, day: date) -> int | None:
    """Seconds that local time is ahead of UTC all through this day; None if that changes, or if
    the day is one of the calendar's ends, whose times may have no UTC."""
    if not date.min + timedelta(days=1) < day < date.max - timedelta(days=1):
        return None
    start = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone))
    found = {(start + timedelta(hours=hour)).utcoffset() for hour in range(25)}
    offset = found.pop()
    return int(offset.total_seconds()) if not found and offset is not None else None


def _typed_timestamp(column: pl.Expr) -> pl.Expr:
    """UTC where the text has an offset, local otherwise; without a zone either way."""
    text = column.str.strip_chars('"')
    spelt = text.str.replace(r"Z$", "+00:00")
    aware = spelt.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%:z", strict=False, time_unit="us")
    naive = spelt.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", strict=False, time_unit="us")
    return pl.coalesce(aware.dt.convert_time_zone("UTC").dt.replace_time_zone(None), naive)
