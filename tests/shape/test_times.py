"""What dates and timestamps mean."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.shape import times
from ingest.shape.values import BadValue


def date_refusal(text: str, *formats: str) -> str:
    """The reason for which a date is refused."""
    with pytest.raises(BadValue) as caught:
        times.date_value(text, formats)
    return caught.value.reason


def moment_refusal(text: str, formats: Sequence[str] = (), zone: str | None = None) -> str:
    """The reason for which a timestamp is refused."""
    with pytest.raises(BadValue) as caught:
        times.timestamp(text, formats, zone)
    return caught.value.reason


@pytest.mark.parametrize("text", ["2024-02-29", "0001-01-01", "9999-12-31", " 2024-01-05\t"])
def test_iso_dates(text: str) -> None:
    """A date of the calendar, blanks around it or not."""
    assert times.date_value(text) == f'"{text.strip()}"'


@pytest.mark.parametrize(
    "text",
    [
        "2023-02-29", "0000-01-01", "2024-13-01", "2024-1-5", "20240105", "2024-01-05T00:00",
        "2024-W01-1", "٢٠٢٤-٠١-٠١", "2024-01-05\n", "", "today",
    ],
)  # fmt: skip
def test_what_is_no_iso_date(text: str) -> None:
    """Neither what the calendar lacks nor another spelling."""
    assert date_refusal(text) == "not_a_date"


@pytest.mark.parametrize(
    ("form", "text", "day"),
    [
        ("%d.%m.%Y", "31.12.2024", "2024-12-31"),
        ("%d.%m.%Y", "1.2.2024", "2024-02-01"),
        ("%m/%d/%Y", " 12/31/2024 ", "2024-12-31"),
        ("%Y%m%d", "20240229", "2024-02-29"),
        ("%d-%b-%Y", "05-JAN-2024", "2024-01-05"),
        ("%d %B %Y", "5 january 2024", "2024-01-05"),
        ("%d.%m.%y", "01.02.68", "2068-02-01"),
        ("%d.%m.%y", "01.02.69", "1969-02-01"),
        ("%Y-%j", "2024-366", "2024-12-31"),
        ("%Y-%j", "2024-1", "2024-01-01"),
        ("%d.%m.%Y %H:%M", "31.12.2024 23:59", "2024-12-31"),
        ("100%% %Y-%m-%d", "100% 2024-01-05", "2024-01-05"),
        ("%Y年%m月%d日", "2024年1月5日", "2024-01-05"),
        ("(%Y.%m.%d)", "(2024.01.05)", "2024-01-05"),
    ],
)
def test_dates_of_a_format(form: str, text: str, day: str) -> None:
    """Every directive that is known."""
    assert times.date_value(text, (form,)) == f'"{day}"'


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("%d.%m.%Y", "31.02.2024"),
        ("%d.%m.%Y", "2024-12-31"),
        ("%d.%m.%Y", "31.12.24"),
        ("%d.%m.%Y", "31.12.2024x"),
        ("%d.%m.%Y", "31.12.2024\n"),
        ("%d.%m.%Y", "٣١.١٢.٢٠٢٤"),
        ("%d.%m.%Y", "31x12x2024"),
        ("%d %m %Y", "31  12 2024"),
        ("%Y%m%d", "2024111"),
        ("%Y%m%d", "202411"),
        ("%d %B %Y", "05 Jan 2024"),
        ("%d %b %Y", "05 January 2024"),
        ("%Y-%j", "2023-366"),
        ("%Y-%j", "2024-367"),
        ("%Y%j", "20241"),
    ],
)
def test_what_is_not_of_the_format(form: str, text: str) -> None:
    """Nothing is rounded into the calendar, and digits without a mark between are not guessed."""
    assert date_refusal(text, form) == "not_a_date"


def test_formats_that_disagree_make_a_date_ambiguous() -> None:
    """03/04 is an error where both readings are allowed; 03/03 and 13/04 are not."""
    both = ("%d/%m/%Y", "%m/%d/%Y")
    assert date_refusal("03/04/2024", *both) == "ambiguous_date"
    assert times.date_value("03/03/2024", both) == '"2024-03-03"'
    assert times.date_value("13/04/2024", both) == '"2024-04-13"'
    assert times.date_value("04/13/2024", both) == '"2024-04-13"'


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ("%Q %Y", "%Q is not known"),
        ("%Y-%m-%d %", "% is not known"),
        ("%-d.%m.%Y", "%- is not known"),
        ("%d.%m", "no year"),
        ("", "no year"),
        ("%Y %Y", "%Y stands twice"),
        ("%Y %y", "%Y and %y say the same part"),
        ("%Y %m %b", "%m and %b say the same part"),
        ("%Y-%m-%d %H %I %p", "%H and %I say the same part"),
        ("%Y-%m-%d %I:%M", "%I needs %p"),
        ("%Y-%m-%d %H:%M %p", "%p needs %I"),
        ("%Y %d", "%d needs %m or %b or %B"),
        ("%Y-%m-%d %M", "%M needs %H or %I"),
        ("%Y-%m-%d %H:%S", "%S needs %M"),
    ],
)
def test_a_format_that_would_leave_something_to_guess(form: str, words: str) -> None:
    """Unknown, doubled or missing parts are an error with the reason."""
    with pytest.raises(ValueError, match=words):
        times.format_pattern(form)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-12-31T23:59:59Z", "2024-12-31T23:59:59Z"),
        ("2024-12-31 23:59:59", "2024-12-31T23:59:59"),
        ("2024-12-31T23:59", "2024-12-31T23:59:00"),
        ("2024-12-31T23:59:59.123456789+02:00", "2024-12-31T23:59:59.123456789+02:00"),
        ("2024-12-31T23:59:59.5-0330", "2024-12-31T23:59:59.5-03:30"),
        (" 2024-02-29T00:00:00 ", "2024-02-29T00:00:00"),
        ("0001-01-01T00:00:00+05:00", "0001-01-01T00:00:00+05:00"),
    ],
)
def test_iso_timestamps_keep_fraction_and_offset(text: str, moment: str) -> None:
    """Without a time zone, nothing is converted."""
    assert times.timestamp(text) == f'"{moment}"'


@pytest.mark.parametrize(
    "text",
    [
        "2024-12-31", "2024-12-31T24:00:00", "2024-12-31T23:60:00", "2024-12-31T23:59:60",
        "2023-02-29T00:00:00", "2024-12-31T10:00.5", "2024-12-31T10:00:00.",
        "2024-12-31T10:00:00+24:00", "2024-12-31T10:00:00+05:60", "2024-12-31T10:00:00 Z",
        "2024-12-31T10:00:00.1234567890", "2024-12-31t10:00:00", "",
    ],
)  # fmt: skip
def test_what_is_no_iso_timestamp(text: str) -> None:
    """Neither impossible times nor offsets, nor fractions of a minute."""
    assert moment_refusal(text) == "not_a_timestamp"


@pytest.mark.parametrize(
    ("form", "text", "moment"),
    [
        ("%d.%m.%Y %H:%M", "31.12.2024 23:59", "2024-12-31T23:59:00"),
        ("%Y-%m-%d %I:%M %p", "2024-01-01 12:30 AM", "2024-01-01T00:30:00"),
        ("%Y-%m-%d %I:%M %p", "2024-01-01 12:30 pm", "2024-01-01T12:30:00"),
        ("%Y-%m-%d %H:%M:%S.%f", "2024-01-01 00:00:00.5", "2024-01-01T00:00:00.500000"),
        ("%Y-%m-%d %H:%M%z", "2024-01-01 00:00+02:00", "2023-12-31T22:00:00Z"),
        ("%Y-%m-%d %H:%M%z", "2024-01-01 00:00Z", "2024-01-01T00:00:00Z"),
        ("%Y%m%d%H%M%S", "20240105010203", "2024-01-05T01:02:03"),
        ("%Y-%m-%d", "2024-01-05", "2024-01-05T00:00:00"),
    ],
)
def test_timestamps_of_a_format(form: str, text: str, moment: str) -> None:
    """An offset in the text makes it UTC, a time without one stays without."""
    assert times.timestamp(text, (form,)) == f'"{moment}"'


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-01-15T12:00:00", "2024-01-15T11:00:00Z"),
        ("2024-07-15T12:00:00", "2024-07-15T10:00:00Z"),
        ("2024-03-31T01:59:59", "2024-03-31T00:59:59Z"),
        ("2024-03-31T03:00:00", "2024-03-31T01:00:00Z"),
        ("2024-10-27T03:00:00", "2024-10-27T02:00:00Z"),
        ("2024-07-15T12:00:00.25", "2024-07-15T10:00:00.25Z"),
        ("2024-07-15T12:00:00+09:00", "2024-07-15T03:00:00Z"),
        ("2024-10-27T02:30:00Z", "2024-10-27T02:30:00Z"),
        ("2150-07-01T00:00:00", "2150-06-30T22:00:00Z"),
    ],
)
def test_a_time_zone_makes_utc(text: str, moment: str) -> None:
    """Local time by the zone's rules; a time with an offset by its own."""
    assert times.timestamp(text, (), "Europe/Berlin") == f'"{moment}"'


@pytest.mark.parametrize("text", ["2024-03-31T02:30:00", "2024-10-27T02:30:00"])
def test_skipped_and_doubled_times_are_ambiguous(text: str) -> None:
    """A local time that the clock change skips or shows twice is never guessed."""
    assert moment_refusal(text, (), "Europe/Berlin") == "ambiguous_time"


@pytest.mark.parametrize(
    ("text", "formats", "zone"),
    [
        ("9999-12-31T23:59:59", (), "America/New_York"),
        ("0001-01-01T00:00:00", (), "Asia/Tokyo"),
        ("0001-01-01T00:00:00+05:00", (), "UTC"),
        ("0001-01-01 00:00+02:00", ("%Y-%m-%d %H:%M%z",), None),
    ],
)
def test_the_ends_of_the_calendar(text: str, formats: Sequence[str], zone: str | None) -> None:
    """A moment that has no UTC in the years 1 to 9999 is refused, not a crash."""
    assert moment_refusal(text, formats, zone) == "out_of_range"


ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "UTC"]


def in_utc(local: datetime, zone: str) -> str | None:
    """The time in UTC, None if it is refused."""
    try:
        return times.timestamp(local.isoformat(), (), zone)
    except BadValue:
        return None


@given(
    st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)),  # noqa: DTZ001 - local times
    st.sampled_from(ZONES),
)
@settings(max_examples=200)
def test_utc_comes_back_as_the_same_local_time(local: datetime, zone: str) -> None:
    """What is accepted is one moment: seen in its zone it shows the time that was written."""
    local = local.replace(microsecond=0)
    spelt = in_utc(local, zone)
    if spelt is None:
        near = {(local + timedelta(hours=h)).replace(tzinfo=ZoneInfo(zone)) for h in (-3, 3)}
        assert len({moment.utcoffset() for moment in near}) == 2
        return
    assert spelt.endswith('Z"')
    moment = datetime.fromisoformat(spelt.strip('"'))
    assert moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None) == local
