"""What an earlier run settled of today's files, from a journal and real files."""

from __future__ import annotations

import time
from pathlib import Path

import anyio
import pytest
from msgspec.structs import replace

from ingest.build.earlier import ANEW, Earlier, earlier
from ingest.build.unchanged import Identity, identity_of, identity_text, record_of
from ingest.job import Job, make_job
from ingest.journal import Journal, NewRun
from ingest.model import Accounts
from ingest.sources.files import FileSource


def job(folder: Path, **fields: object) -> Job:
    """A job over the CSV files of the folder."""
    document = {
        "name": "job", "source": {"paths": ["*.csv"]}, "fields": fields,
        "target": {"system": "aito", "table": "t"},
    }  # fmt: skip
    return make_job(document, base=folder)


def found(folder: Path, *, again: bool = False, **fields: object) -> Earlier:
    """What is settled; with `again` all files are recorded as loaded, two records each."""

    async def look() -> Earlier:
        meant = job(folder, **fields)
        source = FileSource(meant.source, meant.base, lambda _: None)
        await source.prepare()
        try:
            with Journal.open(folder / "journal.sqlite", "job", time.time) as journal:
                identity = identity_of(meant, "http://h", "")
                if again:
                    loaded(journal, source, identity)
                return earlier(journal, source, identity)
        finally:
            await source.aclose()

    return anyio.run(look)


def loaded(journal: Journal, source: FileSource, identity: Identity) -> None:
    """A finished run of these files."""
    record = journal.begin(NewRun(f"r{len(journal.runs())}", *identity_text(identity), "aito"))
    for stat in source.stats():
        known = replace(record_of(stat), sha256=stat.sha256(), records=2, complete=True)
        journal.put_files(record, [known])
    journal.finish(record, "done", Accounts())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two files of two records, loaded."""
    for stem in "ab":
        (tmp_path / f"{stem}.csv").write_text("n\n1\n2\n")
    assert found(tmp_path) == Earlier()
    found(tmp_path, again=True)
    return tmp_path


def test_unchanged_files_are_settled(folder):
    """Touched or not; a new one is not."""
    (folder / "b.csv").touch()
    (folder / "c.csv").write_text("n\n1\n2\n")
    settled = found(folder)
    assert settled.skipped == {0: 2, 1: 2}
    assert (settled.grown, settled.anew) == ({}, ())


def test_of_files_that_grew_the_beginning_is(folder):
    """And of those that changed nothing, which is said."""
    (folder / "a.csv").write_text("n\n1\n2\n3\n")
    (folder / "b.csv").write_text("n\n1\n9\n3\n")
    settled = found(folder)
    assert settled.skipped == {}
    assert {index: one.records for index, one in settled.grown.items()} == {0: 2}
    assert [words.split(":")[0] for words in settled.anew] == ["b.csv"]


def test_another_job_has_settled_nothing(folder):
    """Its fields differ: all is loaded anew, and it is said."""
    assert found(folder, n={"type": "decimal"}) == Earlier(anew=(ANEW,))
