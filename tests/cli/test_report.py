"""`ingest report`: the page of a kept run."""

from __future__ import annotations

import stat
from pathlib import Path

import orjson
import pytest

from ingest.cli.app import app
from ingest.state import RunDir, StateDir
from tests.cli.test_show import kept
from tests.page.reports import SAMPLE, SETTINGS


def run_of(job: str = "stocks", minute: int = 1) -> RunDir:
    """A run with a report, settings and a reject, in the default state directory."""
    run = StateDir(Path(".ingest")).find(kept(job, minute, rejected=1))
    (run.path / "job.json").write_bytes(orjson.dumps({"settings": SETTINGS}))
    run.rejects_path.write_bytes(orjson.dumps(SAMPLE) + b"\nno json\n")
    return run


def test_the_page_is_written(runner):
    """0600 like the report, named to the person, with the settings that the run was given."""
    run = run_of()
    result = runner.invoke(app, ["report", "--html", "page.html"])
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == f"{run.id}: page.html\n"
    page = Path("page.html")
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    assert "4 of 5 records are in; 1 was rejected." in page.read_text()
    assert "skip_audit_fields" in page.read_text()


def test_standard_output(runner):
    """Only the page, and nothing is written."""
    run_of()
    result = runner.invoke(app, ["report", "--html", "-"])
    assert result.stdout.startswith("<!doctype html>")
    assert result.stderr == ""
    assert not Path("-").exists()


@pytest.mark.parametrize(("samples", "shown"), [("0", False), ("1", True), ("1000", True)])
def test_samples(runner, samples, shown):
    """Records only where they were asked for; a line that is none is passed over."""
    run_of()
    result = runner.invoke(app, ["report", "--html", "-", "--samples", samples])
    assert ("2024-01-01,x" in result.stdout) is shown


def test_a_run_by_its_prefix(runner):
    """And not the latest."""
    first, _ = run_of("a", 1), run_of("b", 2)
    result = runner.invoke(app, ["report", first.id[:-2], "--html", "-"])
    assert first.id in result.stdout


@pytest.mark.parametrize("content", [None, "", "{", "[1]", '{"settings": 1}'])
def test_a_run_that_does_not_know_its_settings(runner, content):
    """An older one, or one whose file was damaged."""
    run = run_of()
    run.rejects_path.unlink()
    (run.path / "job.json").unlink()
    if content is not None:
        (run.path / "job.json").write_text(content)
    result = runner.invoke(app, ["report", "--html", "-", "--samples", "5"])
    assert result.exit_code == 0
    assert "does not hold its settings" in result.stdout


def test_without_a_place_for_it(runner):
    """Usage, and the option is named."""
    run_of()
    result = runner.invoke(app, ["report"])
    assert result.exit_code == 2
    assert "--html" in result.stderr


def test_a_place_that_can_not_be_written(runner):
    """An error that says which."""
    run_of()
    result = runner.invoke(app, ["report", "--html", "nowhere/page.html"])
    assert result.exit_code == 1
    assert "the page can't be written: nowhere/page.html" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(("content", "code"), [("{", 1), (None, 2)])
def test_no_report_to_show(runner, content, code):
    """Damaged, or not there."""
    run = run_of()
    run.report_path.unlink()
    if content is not None:
        run.report_path.write_text(content)
    result = runner.invoke(app, ["report", "--html", "page.html"])
    assert result.exit_code == code
    assert not Path("page.html").exists()
