"""Where a run's job came from, and the job as it is today."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from ingest.build.options import RunOptions
from ingest.build.origin import NAME, recalled, remember
from ingest.cli.load import load_document
from ingest.errors import SettingsError
from ingest.housekeeping.listing import is_fresh
from ingest.job import make_job, read_job
from ingest.model import Layout
from ingest.state import RunDir

JOB = '[source]\npaths = ["a.csv"]\n[target]\nsystem = "aito"\ntable = "t"\n'
LAYOUTS = (Layout("csv", ("a", "b")), Layout("csv", ("b", "c")))


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    """A run's directory, and a job file beside it."""
    (tmp_path / "stocks.toml").write_text(JOB)
    found = RunDir(tmp_path / "20261121-221500-stocks-4f2a")
    found.path.mkdir()
    return found


def kept(run: RunDir, *sets: str, file: bool = True, **options: str) -> Path:
    """Remember the job of the file; its path."""
    path = run.path.parent / "stocks.toml"
    wishes = RunOptions(Path(), job_file=path if file else None, sets=sets, **options)  # type: ignore[arg-type] # texts
    remember(run, read_job(path, sets), wishes, LAYOUTS)
    return path


def test_a_job_file_is_read_as_it_is_today(run):
    """With what `--set` said then, and what it says now; kept privately."""
    path = kept(run, "limits.in_flight=3", "target.table=u")
    assert stat.S_IMODE((run.path / NAME).stat().st_mode) == 0o600
    path.write_text(JOB.replace("[target]", '[fields]\nx = { type = "date" }\n[target]'))
    found = recalled(run, sets=["limits.in_flight=5"])
    assert found.job == read_job(path, ["target.table=u", "limits.in_flight=5"])
    assert (found.columns, found.rehearsed) == ([["a", "b"], ["b", "c"]], False)
    assert found.job.base == path.parent


def test_another_job_file(run, tmp_path):
    """Its own settings alone; the columns are the run's."""
    kept(run, "target.table=u")
    other = tmp_path / "other.toml"
    other.write_text(f'name = "stocks"\n{JOB}')
    found = recalled(run, other)
    assert (found.job.target.table, found.columns) == ("t", [["a", "b"], ["b", "c"]])


def test_a_load_has_its_settings(run, tmp_path, monkeypatch):
    """From any directory, with what was given on its command line, and what is said now."""
    monkeypatch.chdir(tmp_path)
    target = {"system": "avalanchio", "table": "t", "create": True}
    sets = [
        "fields.x.from=X",
        'fields.x.true="Y"',
        'fields.x.false=["N"]',
        'fields.x.type="boolean"',
    ]
    job = make_job(load_document(["a.csv"], target, sets))
    remember(run, job, RunOptions(Path()), LAYOUTS)
    monkeypatch.chdir("/")
    found = recalled(run, sets=['source.nulls=["NA"]']).job
    assert found.base == tmp_path
    assert (found.name, found.fields, found.target) == (job.name, job.fields, job.target)
    assert found.target.model_fields_set == job.target.model_fields_set
    assert found.source.nulls == ("NA",)


@pytest.mark.parametrize("base_url", [None, "sandbox", "https://a.example"])
def test_whether_it_was_a_rehearsal(run, base_url):
    """The address itself is no matter of ours: a token goes where it is said each time."""
    kept(run, base_url=base_url)
    assert recalled(run).rehearsed == (base_url == "sandbox")
    assert b"example" not in (run.path / NAME).read_bytes()


@pytest.mark.parametrize("fresh", [True, False])
def test_whether_it_was_outside_of_the_books(run, fresh):
    """What `clean` asks: such a run takes no other one's place."""
    target = {"system": "avalanchio", "table": "t"}
    job = make_job(load_document(["a.csv"], target, []))
    remember(run, job, RunOptions(Path(), fresh=fresh), LAYOUTS)
    assert is_fresh(run) is fresh


@pytest.mark.parametrize("content", [None, b"", b"[]", b"{}", b'{"file": null}'])
def test_a_run_that_says_nothing(run, content):
    """The option is named; with it all is well."""
    if content is not None:
        (run.path / NAME).write_bytes(content)
    with pytest.raises(SettingsError, match="does not say which job") as caught:
        recalled(run)
    assert "--job" in caught.value.hint
    assert recalled(run, run.path.parent / "stocks.toml").columns is None


def test_a_job_file_that_is_gone(run):
    """Named, with the way on."""
    kept(run).unlink()
    with pytest.raises(SettingsError, match=r"stocks\.toml: the run's job file is gone") as caught:
        recalled(run)
    assert "--job" in caught.value.hint


def test_no_room_for_it(run):
    """Before anything is sent."""
    with pytest.raises(SettingsError, match="can't be kept"):
        remember(
            RunDir(run.path / "gone"),
            read_job(run.path.parent / "stocks.toml"),
            RunOptions(Path()),
            LAYOUTS,
        )
