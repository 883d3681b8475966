"""Kept reports read again: for what they are, and never for more."""

from __future__ import annotations

import os
import time

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.housekeeping import listing, read_past
from ingest.state import RunDir, StateDir
from tests.housekeeping.made import START, done, made


@pytest.fixture
def state(tmp_path) -> StateDir:
    """A state directory that is not there yet."""
    return StateDir(tmp_path / ".ingest")


def test_a_run_that_is_done(state):
    """Its id says job and start, its report the rest."""
    past = read_past(done(state, rejected=2))
    assert past.document() == {
        "run": "20210301-221500-stocks-4f2a", "job": "stocks", "state": "done", "exit_code": 3,
        "started_at": "2021-03-01T22:15:00+00:00", "seconds": 1.5,
        "records": {"accepted": 3, "rejected": 2, "ambiguous": 0, "unsent": 0},
        "target": "aito h: t",
    }  # fmt: skip
    assert past.started == START


def test_without_a_report_it_is_unfinished(state):
    """Killed, or still going; also where the directory itself has gone meanwhile."""
    run = made(state)
    assert (read_past(run).state, read_past(run).records) == ("unfinished", None)
    run.path.rmdir()
    assert read_past(run).state == "unfinished"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[1]",
        b"null",
        b"\x00",
        b"\xff" * 1000,
        b"{}",
        b'{"state":"done","exit_code":0}',
        b'{"state":"done","exit_code":0,"records":[]}',
        b'{"state":"done","exit_code":0,"records":{"accepted":"5"}}',
        b'{"state":"done","exit_code":0,"records":{"accepted":-1}}',
        b'{"state":"done","exit_code":0,"records":{"accepted":' + b"9" * 6000 + b"}}",
        b'{"state":"done","exit_code":true,"records":{}}',
        b'{"state":"done","exit_code":256,"records":{}}',
        b'{"state":"done","exit_code":0,"records":{},"seconds":1e999}',
        b'{"state":"done","exit_code":0,"records":{},"seconds":-1}',
        b'{"state":"done","exit_code":0,"records":{},"seconds":NaN}',
        b'{"state":"done","exit_code":0,"records":{},"target":["t"]}',
        b'{"state":"done","exit_code":0,"records":{},"target":"\xff"}',
        b'{"state":"\x1b[2Jdone","exit_code":0,"records":{}}',
        b'{"state":"whatever","exit_code":0,"records":{}}',
        b'{"x":' + b"[" * 1_000_000,
        b'{"state":"done","exit_code":0,"records":{}',
    ],
)
def test_a_hostile_report_is_unreadable(state, content):
    """Whatever is wrong with it, the run is listed and its figures are not made up."""
    run = made(state)
    run.report_path.write_bytes(content)
    past = read_past(run)
    assert (past.state, past.exit_code, past.records) == ("unreadable", None, None)
    assert past.id == run.id


def test_what_is_no_file_is_not_waited_for(state, tmp_path):
    """A pipe would block for ever, a link could lead anywhere, a directory is none."""
    pipe, link, directory = (made(state, tail=f"000{n}") for n in range(3))
    os.mkfifo(pipe.report_path)
    (tmp_path / "good.json").write_bytes(done(state).report_path.read_bytes())
    link.report_path.symlink_to(tmp_path / "good.json")
    directory.report_path.mkdir()
    assert [read_past(run).state for run in (pipe, link, directory)] == ["unreadable"] * 3


@pytest.mark.parametrize(("more", "state_name"), [(0, "done"), (1, "unreadable")])
def test_the_bound(state, monkeypatch, more, state_name):
    """A report of just that size is read, of one byte more not."""
    run = done(state)
    size = run.report_path.stat().st_size
    monkeypatch.setattr(listing, "MAX_BYTES", size - more)
    assert read_past(run).state == state_name


def test_what_is_not_shown_costs_next_to_nothing(state):
    """Ten megabytes of other keys: no objects are made of them, and none of them is trusted."""
    run = made(state)
    rest = b',"files":[' + b'{"path":[{}]},' * 700_000 + b"{}]}"
    run.report_path.write_bytes(b'{"state":"done","exit_code":0,"records":{"accepted":1}' + rest)
    start_s = time.process_time()
    assert read_past(run).records == {"accepted": 1, "rejected": 0, "ambiguous": 0, "unsent": 0}
    assert time.process_time() - start_s < 1


def test_an_id_that_is_no_time(state):
    """Somebody's directory with digits; the start is unknown, nothing else is."""
    run = RunDir(state.runs_dir / "99999999-999999-x-0000")
    assert (read_past(run).started, read_past(run).job) == (None, "x")


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.dictionaries(
        st.sampled_from(["state", "exit_code", "records", "seconds", "target", "run"]),
        st.recursive(
            st.none() | st.booleans() | st.integers(-5, 300) | st.floats() | st.text(max_size=5)
            | st.sampled_from(["done", "failed"]),
            lambda inner: st.lists(inner, max_size=2)
            | st.dictionaries(st.sampled_from(["accepted", "unsent", "z"]), inner, max_size=3),
            max_leaves=5,
        ),
    )
)  # fmt: skip
def test_whatever_json_says_the_listing_is_sound(tmp_path, report):
    """Every figure has its type and range, or there is none at all."""
    run = RunDir(tmp_path / "20210301-221500-stocks-4f2a")
    run.path.mkdir(exist_ok=True)
    run.report_path.write_bytes(orjson.dumps(report))
    past = read_past(run)
    if past.state == "unreadable":
        assert (past.exit_code, past.seconds, past.records, past.target) == (None,) * 4
    else:
        assert past.state == report["state"]
        assert past.records is not None
        assert all(type(number) is int and number >= 0 for number in past.records.values())
        assert past.seconds is not None
        assert past.seconds >= 0
