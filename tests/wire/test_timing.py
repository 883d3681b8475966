"""Retry-After."""

from __future__ import annotations

from email.utils import formatdate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.wire import SystemClock, parse_retry_after

WALL_S = 784_111_777.0  # Sun, 06 Nov 1994 08:49:37 GMT, the RFC's own example


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None), ("", None), ("0", 0), ("1", 1), ("2", 2), (" 120 ", 120), ("86400", 86_400),
        ("1.5", 1.5), ("-1", None), ("+5", None), ("1e3", None), ("١٢", None), ("soon", None),
        ("1_000", None), ("NaN", None), ("Infinity", None), ("5 seconds", None),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0),
        ("Sun, 06 Nov 1994 08:50:07 GMT", 30),
        ("Sunday, 06-Nov-94 08:50:07 GMT", 30),
        ("Sun Nov  6 08:50:07 1994", 30),
        ("Sun, 06 Nov 1994 09:50:07 +0100", 30),
        ("Sat, 05 Nov 1994 08:49:37 GMT", 0),
        ("Mon, 31 Feb 1994 08:49:37 GMT", None),
        ("Sun, 06 Nov 99999999 08:49:37 GMT", None),
    ],
)  # fmt: skip
def test_retry_after_in_all_its_forms(value, expected):
    """Seconds, the three HTTP dates, a past date is now; anything else is as if not there."""
    assert parse_retry_after(value, WALL_S) == expected


def test_a_very_long_wait_is_still_a_number():
    """Four hundred digits don't break it: the governor caps."""
    assert parse_retry_after("9" * 400, WALL_S) == float("inf")


@given(st.text(max_size=40) | st.floats(0, 4e9).map(lambda s: formatdate(s, usegmt=True)))
@settings(max_examples=300, deadline=None)
def test_no_header_raises_or_gives_a_negative_wait(value):
    """Whatever stands there."""
    assert (parse_retry_after(value, WALL_S) or 0) >= 0


@pytest.mark.anyio
@pytest.mark.parametrize("seconds", [-1.0, 0.0])
async def test_the_system_clock_yields_without_waiting(seconds):
    """Zero and less come back at once, on both back ends, and time never goes back."""
    clock = SystemClock()
    before = clock.monotonic()
    await clock.sleep(seconds)
    assert 0 <= clock.monotonic() - before < 5
