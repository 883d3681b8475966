"""Speed and time left follow from the snapshots alone."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.events import FileProgress, Started
from ingest.progress.figures import Pace, begins, figures
from tests.progress.helpers import STARTED, snapshot


def test_no_pace_before_the_second_snapshot():
    """With 0 and with 1 snapshot nothing is claimed."""
    pace = Pace()
    assert (pace.records_per_s, pace.left_s(100)) == (0.0, None)
    pace.add(snapshot())
    assert (pace.records_per_s, pace.left_s(100)) == (0.0, None)


def test_pace_of_two_snapshots():
    """Records and input bytes over the time between them."""
    pace = Pace()
    pace.add(snapshot(elapsed_s=1.0, accepted=1000, source_bytes=100))
    pace.add(snapshot(elapsed_s=3.0, accepted=5000, source_bytes=300))
    assert pace.records_per_s == 2000
    assert pace.left_s(1300) == 10
    assert pace.left_s(200) == 0
    assert pace.left_s(None) is None


def test_pace_forgets_what_is_older_than_its_window():
    """After a slow start the speed is that of the last seconds."""
    pace = Pace(window_s=10)
    for second in range(100):
        pace.add(snapshot(elapsed_s=float(second), accepted=0))
    for second in range(100, 121):
        pace.add(snapshot(elapsed_s=float(second), accepted=(second - 100) * 50))
    assert pace.records_per_s == 50


def test_two_snapshots_of_one_instant():
    """No time has passed: no division by it."""
    pace = Pace()
    pace.add(snapshot(accepted=1))
    pace.add(snapshot(accepted=2))
    assert pace.records_per_s == 0


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 10**6)), min_size=2, max_size=50),
    st.integers(0, 10**12),
)
def test_pace_is_never_negative(steps, total):
    """Growing totals give no negative speed and no negative time left."""
    pace, at_s, accepted = Pace(), 0.0, 0
    for step_s, more in steps:
        at_s, accepted = at_s + step_s, accepted + more
        pace.add(snapshot(elapsed_s=at_s, accepted=accepted, source_bytes=accepted))
    assert pace.records_per_s >= 0
    left_s = pace.left_s(total)
    assert left_s is None or left_s >= 0


def test_begins_says_the_size_where_it_is_known():
    """Standard input has none."""
    assert begins(STARTED).endswith("stocks to avalanchio host: stock, 2 files, 1.00 MB")
    assert begins(Started("r", "j", "t", 1, None)) == "r: j to t, 1 file"


def test_figures_leave_out_what_is_no_news():
    """Zeroes are not shown but for the main figures; every other count is."""
    quiet = figures(snapshot(), Pace(), None)
    assert quiet == "2,000 read, 1,000 accepted, 0/s, 250 kB sent, 4 in flight"
    loud = figures(snapshot(skipped=1, retried=2, rejected=3, ambiguous=4, unsent=5), Pace(), None)
    assert loud.endswith("1 skipped, 2 retried, 3 rejected, 4 ambiguous, 5 unsent")


@pytest.mark.parametrize(
    ("changes", "end"),
    [
        ({"pause_s": 12.0}, "PAUSED for 12.0 s as the service asked"),
        ({"stage": "draining"}, "draining"),
        ({"stage": "connecting"}, "connecting"),
    ],
)
def test_figures_say_what_is_unusual(changes, end):
    """A pause and a stage other than loading stand at the end."""
    assert figures(snapshot(**changes), Pace(), None).endswith(end)


def test_figures_show_the_time_left():
    """Known with a total and two snapshots."""
    pace = Pace()
    pace.add(snapshot(elapsed_s=0.0, source_bytes=0))
    pace.add(snapshot(elapsed_s=1.0, source_bytes=500_000))
    assert "1.00 s left" in figures(snapshot(), pace, 1_000_000)
    assert "left" not in figures(snapshot(), pace, None)


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (FileProgress("uploading", 0, 500_000_000), "uploading 0 B of 500 MB"),
        (FileProgress("uploading", 120_000_000, 500_000_000), "uploading 120 MB of 500 MB"),
        (FileProgress("processing", 1200, 5000), "1,200 of 5,000 processed"),
    ],
)
def test_both_halves_of_a_file_upload_are_shown(file, said):
    """Bytes up, then records in; nothing where no file is under way."""
    assert said in figures(snapshot(file=file), Pace(), None)
    assert "upload" not in figures(snapshot(), Pace(), None)
