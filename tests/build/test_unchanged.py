"""Whether a job and its files are what they were: what counts, what does not, and the words."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from msgspec.structs import replace

from ingest.build.unchanged import (
    changes,
    check_files,
    identity_of,
    identity_text,
    is_same,
    record_of,
)
from ingest.errors import SettingsError
from ingest.job import Job, make_job
from ingest.journal import FileRecord, RunRecord
from ingest.sources.files import FileStat

URL = "https://a.example"


def job_of(**sections: object) -> Job:
    """A job, changed so."""
    target = {"system": "aito", "table": "t"}
    return make_job({"name": "j", "source": {"paths": ["a.csv"]}, "target": target, **sections})


def begun(job: Job, way: str = "") -> RunRecord:
    """What the journal has of a run of that job."""
    digest, text = identity_text(identity_of(job, URL, way))
    assert digest == hashlib.sha256(text.encode()).hexdigest()
    return RunRecord(1, "r", digest, text, "t", None, "", "open", 0.0, None, 0)


@pytest.mark.parametrize(
    "sections",
    [
        {},
        {"limits": {"records": 5, "spool_bytes": 7}},
        {"rejects": {"max_count": 0}},
        {"source": {"paths": ["a.csv"], "block_bytes": 4096}},
    ],
)
def test_what_may_change(sections):
    """Limits, rejects, the size of blocks."""
    assert changes(begun(job_of()), identity_of(job_of(**sections), URL, "")) == []


def test_what_may_not():
    """Each in words, five of them at most; long values are cut."""
    fields = {name: {"value": "x" * 100} for name in "abcdefg"}
    found = changes(begun(job_of()), identity_of(job_of(fields=fields), URL, ""))
    assert len(found) == 5
    assert found[0].startswith("fields.a was null and is {")
    assert found[0].endswith("…")
    other = changes(begun(job_of()), identity_of(job_of(), "http://b", ""))
    assert other == ['base_url was "https://a.example" and is "http://b"']


@pytest.mark.parametrize(
    ("then", "now", "said"),
    [("", "file", 'way was null and is "file"'), ("file", "", 'way was "file" and is null')],
)
def test_bodies_on_the_disk_and_in_memory_are_two_ways(then, now, said):
    """A run that went one way does not go on by the other."""
    assert changes(begun(job_of(), then), identity_of(job_of(), URL, now)) == [said]
    assert changes(begun(job_of(), then), identity_of(job_of(), URL, then)) == []


def stat_of(path: Path) -> FileStat:
    """A file as it lies there."""
    found = path.stat()
    return FileStat(
        0, path.name, str(path), found.st_size, found.st_mtime_ns, found.st_ino, found.st_dev
    )


def test_size_and_hash_decide(tmp_path):
    """Time and inode are shortcuts; without a hash nothing else can tell."""
    path = tmp_path / "a.csv"
    path.write_bytes(b"abc")
    known = record_of(stat_of(path))
    hashed = replace(known, sha256=hashlib.sha256(b"abc").hexdigest())
    assert is_same(known, stat_of(path))
    os.utime(path, ns=(0, 0))
    assert is_same(hashed, stat_of(path))
    assert not is_same(known, stat_of(path))
    path.write_bytes(b"abd")
    assert not is_same(hashed, stat_of(path))
    path.write_bytes(b"abcd")
    assert not is_same(replace(hashed, mtime_ns=path.stat().st_mtime_ns), stat_of(path))


def test_files_of_an_unfinished_run(tmp_path):
    """Gone or changed is refused with its name; a new one is no matter of this."""
    path = tmp_path / "a.csv"
    path.write_bytes(b"abc")
    stat, run = stat_of(path), begun(job_of())
    known = {"a.csv": record_of(stat)}
    check_files(run, known, [stat, replace(stat, shown="new.csv")])
    with pytest.raises(
        SettingsError, match=r"a\.csv: a file of .* r is not there any more"
    ) as gone:
        check_files(run, known, [])
    assert "--restart" in gone.value.hint
    os.utime(path, ns=(0, 0))
    with pytest.raises(SettingsError, match=r"a\.csv: written to, or only touched, since .* r "):
        check_files(run, known, [stat_of(path)])
    hashed = replace(known["a.csv"], sha256=hashlib.sha256(b"abc").hexdigest())
    check_files(run, {"a.csv": hashed}, [stat_of(path)])
    with pytest.raises(SettingsError, match=r"a\.csv: changed since .* r began"):
        check_files(run, {"a.csv": FileRecord(0, "a.csv", 4)}, [stat])
