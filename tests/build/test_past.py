"""Which runs' rejects can be replayed, and what must be as it was."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from msgspec.structs import replace

from ingest.build.origin import Recalled
from ingest.build.past import Past, check_base_url, check_headers, check_job, past_of
from ingest.errors import SettingsError, SourceError
from ingest.job import Job, make_job
from ingest.journal import FileRecord, Journal, NewRun
from ingest.model import Accounts, FileInfo, Layout
from ingest.sources.files import FileStat
from ingest.state import RunDir

NAME = "20261121-221500-job-4f2a"
AB, BA = Layout("csv", ("a", "b")), Layout("csv", ("b", "a"))


def job(**sections: Any) -> Job:
    """A job with other settings."""
    target = {"system": "aito", "table": "t"}
    return make_job({"name": "job", "source": {"paths": ["a.csv"]}, "target": target, **sections})


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """One with a run that is done."""
    with Journal.open(tmp_path / "jobs" / "journal.sqlite", "job", time.time) as made:
        begin(made, NAME)
        yield made


def begin(journal: Journal, name: str, **accounts: int) -> None:
    """One more run, which is done."""
    identity = orjson.dumps({**job().identifying(), "base_url": "http://h"}).decode()
    record = journal.begin(NewRun(name, "x", identity, "aito h: t"))
    journal.put_files(record, [FileRecord(0, "a.csv", 10, 1, 2, 3, "hash", 5, complete=True)])
    journal.finish(record, "done", Accounts(**accounts))


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    """Its directory, with a report."""
    found = RunDir(tmp_path / NAME)
    found.path.mkdir()
    found.report_path.write_text('{"records": {"rejected": 2}}')
    return found


def test_a_run_that_is_done(run, journal):
    """What was, and what its report says."""
    past = past_of(run, journal)
    assert (past.rejected, past.later, past.record.name) == (2, None, NAME)
    assert past.identity["base_url"] == "http://h"


def test_a_later_run_is_known(run, journal):
    """If it loaded something: one that skipped all did not."""
    begin(journal, "20261122-000000-job-0000", read=5, skipped=5)
    assert past_of(run, journal).later is None
    begin(journal, "20261123-000000-job-0000", read=5, skipped=4)
    assert past_of(run, journal).later == "20261123-000000-job-0000"


@pytest.mark.parametrize("state", ["open", "failed", "interrupted"])
def test_an_unfinished_run(run, journal, state):
    """The way on is named."""
    record = journal.runs()[0]
    journal.resume(record)
    if state != "open":
        journal.finish(record, state, Accounts())
    with pytest.raises(SettingsError, match="not finished") as caught:
        past_of(run, journal)
    assert "take it up first" in caught.value.hint


def test_runs_outside_of_the_books(run, journal):
    """A forgotten one, and one that never was in them."""
    with pytest.raises(SettingsError, match="--fresh"):
        past_of(RunDir(run.path.with_name("20261121-221500-job-ffff")), journal)
    journal.forget()
    with pytest.raises(SettingsError, match="forgotten by --restart"):
        past_of(run, journal)


@pytest.mark.parametrize("content", [None, "", "[]", "{}", '{"records": {"rejected": "x"}}'])
def test_a_report_that_says_nothing(run, journal, content):
    """There is nothing to book on."""
    run.report_path.unlink()
    if content is not None:
        run.report_path.write_text(content)
    with pytest.raises(SettingsError, match=r"report\.json: .* nothing to book on"):
        past_of(run, journal)


def test_what_may_change_and_what_not(run, journal):
    """The mapping may; every difference of the others is named."""
    past = past_of(run, journal)
    mapped = {"fields": {"x": {"from": "a", "type": "date"}}, "delivery": {"evidence_key": "x"}}
    check_job(past, job(**mapped, source={"paths": ["a.csv"], "nulls": ["NA"]}))
    with pytest.raises(SettingsError) as caught:
        check_job(past, job(source={"paths": ["b"]}, target={"system": "avalanchio", "table": "u"}))
    for words in ('source.paths was ["a.csv"]', 'is "avalanchio"', 'target.table was "t"'):
        assert words in caught.value.message


@pytest.mark.parametrize(
    ("url", "rehearsed", "rehearsal", "said"),
    [
        ("http://h", False, False, None),
        ("http://x", True, True, None),
        ("http://x", False, False, 'was "http://h" and is "http://x"'),
        ("http://h", False, True, 'is "sandbox"'),
        ("http://h", True, False, 'was "sandbox"'),
    ],
)
def test_where_it_goes(run, journal, url, rehearsed, rehearsal, said):
    """A rehearsal's server has another port each time; nothing else may differ."""
    past = past_of(run, journal)
    if said is None:
        check_base_url(past, url, rehearsed=rehearsed, rehearsal=rehearsal)
        return
    with pytest.raises(SettingsError) as caught:
        check_base_url(past, url, rehearsed=rehearsed, rehearsal=rehearsal)
    assert said in caught.value.message


def headers(past: Past, columns: list[list[str]], layout: Layout, mtime_ns: int = 9) -> None:
    """Check one file that has this layout now."""
    stat = FileStat(0, "a.csv", "/nowhere", 10, mtime_ns, 2, 3)
    file = FileInfo(0, "a.csv", 10)
    check_headers(past, Recalled(job(), columns), [(file, layout)], [stat])


def test_headers(run, journal, monkeypatch):
    """The only one that the run had, or that of a file which did not change since."""
    monkeypatch.setattr(FileStat, "sha256", lambda self: "other")
    past = past_of(run, journal)
    headers(past, [["a", "b"]], AB)
    headers(past, [["a", "b"], ["b", "a"]], BA, mtime_ns=1)
    for columns, layout in (([["a", "b"]], BA), ([["a", "b"], ["b", "a"]], BA)):
        with pytest.raises(SourceError, match=r"a\.csv: its header .*now: b, a"):
            headers(past, columns, layout)
    headers(replace(past, record=spelt(past)), [["a", "b"]], BA)
    monkeypatch.setattr(FileStat, "sha256", lambda self: "hash")
    headers(past, [["a", "b"], ["b", "a"]], BA)


def spelt(past: Past) -> Any:
    """A run whose job said otherwise how files are spelt."""
    identity = past.identity
    identity["source"]["delimiter"] = ";"
    return replace(past.record, identity_json=orjson.dumps(identity).decode())
