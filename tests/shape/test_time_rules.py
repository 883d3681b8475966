"""Rules for dates and timestamps: their native steps say only what the reference says."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.shape import time_rules
from ingest.shape.time_rules import day_offset_s
from tests.shape.helpers import ODD_TEXTS
from tests.shape.laws import assert_agrees, assert_typed

DATE_FORMATS: list[tuple[str, ...]] = [
    (),
    ("%d.%m.%Y",),
    ("%Y%m%d",),
    ("%d %b %Y",),
    ("%d %B %Y",),
    ("%d.%m.%y",),
    ("%Y-%j",),
    ("%Y-%m",),
    ("%Y",),
    ("%b %d, %Y",),
    ("%d.%m.%Y %H:%M",),
    ("100%% %Y-%m-%d",),
    ("%d/%m/%Y", "%m/%d/%Y"),
    ("%Y-%m-%d", "%d.%m.%Y", "%d %B %Y"),
    ("%d %b %Y", "%d %B %Y"),
]
TIME_FORMATS: list[tuple[str, ...]] = [
    (),
    ("%d.%m.%Y %H:%M",),
    ("%d.%m.%Y %H:%M:%S",),
    ("%Y%m%d%H%M%S",),
    ("%Y-%m-%d %I:%M %p",),
    ("%Y-%m-%d %I:%M:%S %p",),
    ("%Y-%m-%d %H:%M:%S.%f",),
    ("%Y-%m-%d %H:%M%z",),
    ("%Y-%m-%d %H",),
    ("%Y-%m-%d",),
    ("%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M"),
    ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"),
]
ZONES = [None, "UTC", "Europe/Berlin", "America/New_York", "Africa/Casablanca", "Asia/Kathmandu"]
NEAR = st.text("0123456789.-/: TZJanJANfebPpMmAm,+%", max_size=20)
EDGES = [
    "31.12.2024", "1.2.2024", "20240229", "20230229", "2024111", "05 Jan 2024", "05 January 2024",
    "05 may 2024", "31 Feb 2024", "2024-366", "2023-366", "2024-01", "2024", "0999-01-01",
    "01.01.0999", "03/04/2024", "13/04/2024", "31.12.2024 23:59", "31.12.2024 24:00",
    "31.12.2024 23:59:60", "20240105010203", "2024-01-01 12:30 AM", "2024-01-01 12:30 pm",
    "2024-01-01 0:30 pm", "2024-01-01 13:30 PM", "2024-01-01 1:2", "2024-03-31T02:30:00",
    "2024-10-27 02:30:00", "2150-07-01T00:00:00", "1890-01-01T00:00:00", "9999-12-31T23:59:59",
    "1000-01-01T00:00:00", "2024-01-01T00:00:00+02:00", "2024-01-01T00:00:00.5",
    "2024-01-01 00:00Z", "100% 2024-01-05", "2024-07-15T12:00:00", " 2024-07-15 12:00:00\t",
    "01.01.0000", "01.01.0001", "00000101", "0000-01-01", "0001-01-01 00:00:00",
    "0000-01-01 00:00:00", "9999-12-30 00:00:00", "01.01.0001 00:00", "01.01.100",
    "01.01.10000", "+2024-01-01", "٣١.١٢.٢٠٢٤",
]  # fmt: skip
MOMENTS = st.datetimes(datetime(999, 1, 1), datetime(9999, 12, 31))  # noqa: DTZ001 - made up


def spelt_by(*formats: str) -> st.SearchStrategy[str]:
    """Moments in the spellings of these formats (Python writes years before 1000 short)."""
    spellings = [*formats, "%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S.%f"]
    return st.builds(
        lambda moment, form: moment.strftime(form), MOMENTS, st.sampled_from(spellings)
    )


@pytest.mark.parametrize("formats", DATE_FORMATS, ids=" or ".join)
def test_dates_mean_the_same_in_every_step(formats: tuple[str, ...]) -> None:
    """Edges, true dates and noise, for every format."""
    rule = time_rules.date_value(formats)
    assert_agrees(rule, [*ODD_TEXTS, *EDGES, None])

    @given(st.lists(st.one_of(NEAR, spelt_by(*formats)), max_size=30))
    @settings(max_examples=25)
    def law(texts: Sequence[str]) -> None:
        assert_agrees(rule, texts)
        assert_typed(rule, texts)

    law()


@pytest.mark.parametrize("formats", TIME_FORMATS, ids=" or ".join)
@pytest.mark.parametrize("zone", ZONES)
def test_timestamps_mean_the_same_in_every_step(formats: tuple[str, ...], zone: str | None) -> None:
    """Edges, true moments and noise, for every format and zone."""
    rule = time_rules.timestamp(formats, zone)
    assert_agrees(rule, [*ODD_TEXTS, *EDGES, None])

    @given(st.lists(st.one_of(NEAR, spelt_by(*formats)), max_size=30))
    @settings(max_examples=6)
    def law(texts: Sequence[str]) -> None:
        assert_agrees(rule, texts)
        assert_typed(rule, texts)

    law()


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/Sao_Paulo", "Australia/Lord_Howe"])
def test_all_hours_around_clock_changes(zone: str) -> None:
    """Every half hour of two years, changes at midnight and by half an hour among them."""
    rule = time_rules.timestamp((), zone)
    for year in (2017, 2101):
        start = datetime(year, 1, 1)  # noqa: DTZ001 - local time
        steps = (start + timedelta(minutes=30 * step) for step in range(17_520))
        texts = [moment.isoformat() for moment in steps if moment.day in (1, 2, 14, 15, 25, 31)]
        assert_agrees(rule, texts)
        assert rule.bulk is not None
        found = pl.DataFrame({"c": texts}).select(rule.bulk(pl.col("c"))).to_series()
        assert found.null_count() <= 96  # the two days of the change


@pytest.mark.parametrize(
    ("zone", "day", "offset_s"),
    [
        ("UTC", date(2024, 1, 1), 0),
        ("Europe/Berlin", date(2024, 1, 1), 3600),
        ("Europe/Berlin", date(2024, 7, 1), 7200),
        ("Europe/Berlin", date(2024, 3, 31), None),
        ("Europe/Berlin", date(2024, 10, 27), None),
        ("America/Sao_Paulo", date(2017, 10, 15), None),
        ("America/Sao_Paulo", date(2018, 2, 17), None),
        ("America/Sao_Paulo", date(2018, 2, 18), -10800),
        ("UTC", date(9999, 12, 31), None),
    ],
)
def test_the_offset_of_a_day(zone: str, day: date, offset_s: int | None) -> None:
    """One offset for all the day, or none where the clock changes."""
    assert day_offset_s(zone, day) == offset_s


@given(
    st.dates(date(1900, 1, 1), date(2200, 1, 1)),
    st.integers(0, 86_399),
    st.sampled_from([z for z in ZONES if z]),
)
def test_the_offset_of_a_day_holds_at_every_second(day: date, second: int, zone: str) -> None:
    """Where a day has one offset, no moment of it has another, on either side of a fold."""
    offset_s = day_offset_s(zone, day)
    if offset_s is None:
        return
    moment = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone))
    moment += timedelta(seconds=second)
    for fold in (0, 1):
        assert moment.replace(fold=fold).utcoffset() == timedelta(seconds=offset_s)


@pytest.mark.parametrize("make", [time_rules.date_value, time_rules.timestamp])
def test_a_format_that_can_not_be_relied_on_is_no_rule(make: type) -> None:
    """The trouble shows when the rule is made, before any value is read."""
    with pytest.raises(ValueError, match="no year"):
        make(("%d.%m.",))


def test_typed_timestamps_are_utc_where_an_offset_stands() -> None:
    """For SQL, an offset is taken into account and a local time left alone."""
    rule = time_rules.timestamp()
    assert rule.typed is not None
    texts = ['"2024-01-01T00:00:00+02:00"', '"2024-01-01T00:00:00Z"', '"2024-01-01T00:00:00.5"']
    typed = pl.DataFrame({"c": texts}).select(rule.typed(pl.col("c"))).to_series()
    assert [moment.isoformat() for moment in typed] == [
        "2023-12-31T22:00:00",
        "2024-01-01T00:00:00",
        "2024-01-01T00:00:00.500000",
    ]


def test_the_pattern_of_a_date_is_the_calendar() -> None:
    """Day by day over four centuries, and the 29th, 30th and 31st of every February."""
    first = date(1898, 1, 1)
    days = [(first + timedelta(days=n)).isoformat() for n in range(146_097)]
    februaries = [f"{year}-02-{day}" for year in range(1000, 10_000) for day in (29, 30, 31)]
    texts = pl.Series([*days, *februaries])
    spelt = texts.str.contains(f"^{time_rules.PLAIN_DATE}$")
    real = texts.str.to_date("%Y-%m-%d", strict=False).is_not_null()
    assert spelt.equals(real)
