"""The metrics file: what stands in it, when it is written, and what is kept of the last one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ingest.errors import SettingsError
from ingest.events import BatchWatcher, Level, Snapshot, Started, Watcher
from ingest.metrics import ENDS, EVERY_S, MeteredRun, MetricsFile
from tests.progress.helpers import STARTED, snapshot

REPORT: dict[str, Any] = {
    "records": {"read": 10, **dict(zip(ENDS, (6, 1, 2, 1, 0), strict=True))},
    "requests": {"sent": 3, "retried": 1},
    "bytes": {"read": 100, "sent": 80},
    "seconds": 2.5,
}  # fmt: skip


class Ear:
    """A watcher that keeps what it was told."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def started(self, started: Started) -> None:
        self.heard.append("started")

    def note(self, message: str, *, level: Level = "info") -> None:
        self.heard.append(f"{level}: {message}")

    def tick(self, snapshot: Snapshot) -> None:
        self.heard.append("tick")

    def finished(self, report: Any) -> None:
        self.heard.append("finished")


def figures(path: Path) -> dict[tuple[str, ...], float]:
    """The file as prometheus_client's own parser reads it: gauges only."""
    found = {}
    for family in text_string_to_metric_families(path.read_text()):
        assert family.type == "gauge"
        assert family.documentation
        for sample in family.samples:
            labels = dict(sample.labels)
            found[sample.name, labels.pop("job"), *labels.values()] = sample.value
    return found


def metered(path: Path, job: str = "stocks", now: float = 1000.0) -> tuple[MeteredRun, Ear]:
    """A run whose figures are kept, at a time."""
    ear = Ear()
    return MeteredRun(MetricsFile(path, lambda: now), job, ear), ear


def test_a_run_to_its_end(tmp_path):
    """All that the report has; the code and the times come with the end."""
    path = tmp_path / "ingest.prom"
    run, ear = metered(path)
    run.started(STARTED)
    assert figures(path)["ingest_run_running", "stocks"] == 1
    run.finished(REPORT)
    run.ended(0)
    found = figures(path)
    by_end = {end: found["ingest_run_records", "stocks", end] for end in ENDS}
    assert by_end == {end: REPORT["records"][end] for end in ENDS}
    assert {name[0]: value for name, value in found.items() if len(name) == 2} == {
        "ingest_run_records_read": 10, "ingest_run_requests": 3, "ingest_run_retries": 1,
        "ingest_run_read_bytes": 100, "ingest_run_sent_bytes": 80,
        "ingest_run_duration_seconds": 2.5, "ingest_run_running": 0, "ingest_run_exit_code": 0,
        "ingest_run_end_timestamp_seconds": 1000,
        "ingest_run_last_success_timestamp_seconds": 1000,
    }  # fmt: skip
    assert ear.heard == ["started", "finished"]
    assert [one.name for one in tmp_path.iterdir()] == ["ingest.prom"]


@pytest.mark.parametrize("code", [1, 3, 7, 130])
def test_what_is_kept(tmp_path, code):
    """The last success over a run that was none, and what other jobs left there."""
    path = tmp_path / "ingest.prom"
    metered(path, now=500.0)[0].ended(0)
    metered(path, "others", now=600.0)[0].ended(0)
    run, _ = metered(path, now=700.0)
    run.started(STARTED)
    run.ended(code)
    found = figures(path)
    assert found["ingest_run_last_success_timestamp_seconds", "stocks"] == 500
    assert found["ingest_run_end_timestamp_seconds", "stocks"] == 700
    assert found["ingest_run_exit_code", "stocks"] == code
    assert found["ingest_run_last_success_timestamp_seconds", "others"] == 600


def test_every_so_often(tmp_path):
    """Not with every tick."""
    path = tmp_path / "ingest.prom"
    run, ear = metered(path)
    run.started(STARTED)
    seen = []
    for elapsed_s in (1.0, EVERY_S - 0.1, EVERY_S, EVERY_S + 1, 2 * EVERY_S, 2 * EVERY_S + 1):
        run.tick(snapshot(elapsed_s=elapsed_s, accepted=int(elapsed_s)))
        seen.append(figures(path)["ingest_run_records", "stocks", "accepted"])
    assert seen == [0, 0, 15, 15, 30, 30]
    assert ear.heard.count("tick") == len(seen)


def test_a_full_disk_is_said_once(tmp_path):
    """The run goes on."""
    folder = tmp_path / "gone"
    folder.mkdir()
    run, ear = metered(folder / "a.prom")
    folder.rmdir()
    run.started(STARTED)
    run.ended(0)
    said = [words for words in ear.heard if "the metrics can't be written" in words]
    assert len(said) == 1
    assert said[0].startswith("warning")


@pytest.mark.parametrize(
    "text", ["", "\x00", "{", 'ingest_run_exit_code{odd="x"} 1\n', "a,b\n1,2\n"]
)
def test_a_file_that_makes_no_sense_is_made_anew(tmp_path, text):
    """Nothing of it is carried along."""
    path = tmp_path / "a.prom"
    path.write_text(text)
    metered(path)[0].ended(3)
    assert figures(path)["ingest_run_exit_code", "stocks"] == 3


@pytest.mark.parametrize(
    ("name", "said"), [("a.csv", "write --metrics"), ("no/a.prom", ""), ("d.prom", "")]
)
def test_where_it_can_not_be_kept(tmp_path, name, said):
    """Said at the start; a name without the ending would overwrite something else."""
    (tmp_path / "d.prom").mkdir()
    with pytest.raises(SettingsError) as caught:
        MetricsFile(tmp_path / name)
    assert said in caught.value.hint


def test_without_the_library(tmp_path, monkeypatch):
    """The way to it."""
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(SettingsError, match="needs the package prometheus-client") as caught:
        MetricsFile(tmp_path / "a.prom")
    assert "ingest[metrics]" in caught.value.hint


def test_odd_names(tmp_path):
    """A job's name may hold what the format escapes."""
    path = tmp_path / "a.prom"
    metered(path, 'a"b\\c')[0].ended(0)
    assert figures(path)["ingest_run_exit_code", 'a"b\\c'] == 0


def test_it_is_a_watcher(tmp_path):
    """That hears of batches, too."""
    run: Watcher = metered(tmp_path / "a.prom")[0]
    assert isinstance(run, BatchWatcher)
