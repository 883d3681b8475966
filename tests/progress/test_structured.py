"""JSON lines: one object a line, with the run in each, and no line broken by data."""

from __future__ import annotations

import io
from datetime import datetime
from typing import Any

import orjson
import pytest

from ingest.events import FileProgress, Watcher, teller
from ingest.model import Batch, Outcome, Receipt, Span, Verdict
from ingest.progress.lines import PlainWatcher
from ingest.progress.structured import JsonWatcher
from tests.progress.helpers import STARTED, Gone, ascii_terminal, snapshot, written


def events(stream: io.StringIO) -> list[dict[str, Any]]:
    """The lines, parsed."""
    return [orjson.loads(line) for line in stream.getvalue().splitlines()]


def test_a_load_in_json():
    """Start, note, progress every few seconds, end: all with run, level and time."""
    stream = io.StringIO()
    watcher = JsonWatcher(stream, every_s=5.0)
    watcher.started(STARTED)
    watcher.note("line\nbreak \x1b[31m", level="warning")
    for tick in range(1, 45):
        watcher.tick(snapshot(elapsed_s=tick / 4, retried=1))
    watcher.finished({"run": STARTED.run, "exit_code": 3, "records": {"read": 9}, "other": 1})
    found = events(stream)
    assert [e["event"] for e in found] == ["started", "note", "progress", "progress", "finished"]
    assert [e["level"] for e in found] == ["info", "warning", "info", "info", "warning"]
    assert {e["run"] for e in found} == {STARTED.run}
    assert all(datetime.fromisoformat(e["timestamp"]).tzinfo for e in found)
    assert found[0]["bytes_total"] == 1_000_000
    assert found[1]["message"] == "line break"
    assert found[2]["accepted"] == 1000
    assert found[2]["retried"] == 1
    assert found[4]["records"] == {"read": 9}
    assert "other" not in found[4]


@pytest.mark.parametrize(
    ("code", "level"), [(0, "info"), (3, "warning"), (6, "warning"), (1, "error"), (130, "error")]
)
def test_the_end_has_the_level_of_its_exit_code(code, level):
    """What a collector alerts on."""
    stream = io.StringIO()
    JsonWatcher(stream).finished({"exit_code": code})
    assert events(stream)[0]["level"] == level


def test_quiet_keeps_warnings_and_bad_ends():
    """With `--quiet` a good run says nothing at all."""
    stream = io.StringIO()
    watcher = JsonWatcher(stream, quiet=True)
    watcher.started(STARTED)
    watcher.note("fine")
    watcher.tick(snapshot(elapsed_s=60.0))
    watcher.finished({"exit_code": 0})
    assert stream.getvalue() == ""
    watcher.note("odd", level="warning")
    watcher.finished({"exit_code": 1})
    assert [event["level"] for event in events(stream)] == ["warning", "error"]


def test_names_that_are_no_text_are_spelt_out():
    """A file name of raw bytes in a report breaks no line; an ASCII stream is no trouble."""
    stream = io.StringIO()
    JsonWatcher(stream).finished({"rejects": {"file": "a\udcff"}})
    assert events(stream)[0]["rejects"]["file"] == "a\\xff"
    narrow = ascii_terminal()
    JsonWatcher(narrow).note("grün")
    assert orjson.loads(written(narrow))["message"] == "grün"


def test_a_closed_pipe_is_silence():
    """No call raises."""
    watcher = JsonWatcher(Gone())
    watcher.started(STARTED)
    assert watcher.broken
    watcher.finished({})


def test_a_file_upload_is_an_object_of_its_own():
    """Machines get the halves of an upload as fields."""
    stream = io.StringIO()
    watcher = JsonWatcher(stream, every_s=0)
    watcher.tick(snapshot(file=FileProgress("processing", 3, 5)))
    [event] = events(stream)
    assert event["file"] == {"stage": "processing", "done": 3, "total": 5}


def receipt(outcome: Outcome = Outcome.ACCEPTED, **rest: Any) -> Receipt:
    """The end of a body of two records."""
    body = (memoryview(b"{}{}"),)
    batch = Batch(number=7, body=body, size_bytes=4, count=2, spans=(Span(0, 1, 2, 2),), offset=3)
    return Receipt(batch, outcome, attempts=2, failed=1, latency_s=0.1234, status=429, **rest)


def test_a_line_a_batch():
    """What became of it, and what it took."""
    stream = io.StringIO()
    watcher: Watcher = JsonWatcher(stream, every_s=None)
    watcher.started(STARTED)
    tell = teller(watcher)
    assert tell is not None
    tell(receipt())
    [_, event] = events(stream)
    del event["timestamp"]
    assert event == {
        "run": STARTED.run, "job": "stocks", "event": "batch", "level": "info", "number": 7,
        "offset": 3, "records": 2, "bytes": 4, "attempts": 2, "status": 429, "latency_ms": 123.4,
        "outcome": "accepted",
    }  # fmt: skip


def test_a_batch_that_did_not_go_well_is_a_warning():
    """Also with `--quiet`, with the service's words; one of which a record is missing, too."""
    stream = io.StringIO()
    watcher = JsonWatcher(stream, quiet=True)
    watcher.batch(receipt())
    watcher.batch(receipt(Outcome.AMBIGUOUS, message="lost\n\x1b[31m"))
    watcher.batch(receipt(verdict=Verdict(2, doubtful=1)))
    found = events(stream)
    assert [(e["level"], e["outcome"], e["doubtful"]) for e in found] == [
        ("warning", "ambiguous", 0), ("warning", "accepted", 1),
    ]  # fmt: skip
    assert found[0]["message"] == "lost"


def test_others_are_not_told_of_batches():
    """So nothing is spent on it."""
    assert teller(PlainWatcher(io.StringIO())) is None
