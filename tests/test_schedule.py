"""Runs that a scheduler starts: the lock with its choice, limits of time, and the ready examples.

`python -m tests.test_schedule 50` starts two runs of a job in the same instant so many times, and
says how they ended; here it is done three times.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from configparser import ConfigParser
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import kubernetes_validate
import orjson
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.end_to_end import ROOT, Command, command, counts, credentials, done
from tests.sandbox.conftest import Running, running

EXAMPLES = ROOT / "configs" / "schedule"
SLOW = "slow:400ms:100%"
INSTANTS = int(os.environ.get("INGEST_INSTANTS", "3"))
MAPPED = "[fields]\nn = { type = 'integer' }\n"


def write_job(folder: Path, name: str = "job", records: int = 40) -> Path:
    """A job of ten batches, one after the other."""
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.csv").write_text("n\n" + "".join(f"{n}\n" for n in range(records)))
    path = folder / f"{name}.toml"
    path.write_text(
        f"[source]\npaths = ['{name}.csv']\n{MAPPED}[target]\nsystem = 'avalanchio'\n"
        f"table = '{name}'\ncreate = true\n[limits]\nrecords = {records // 10}\nin_flight = 1\n"
    )
    return path


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A sandbox that takes its time for each request, so that a run lasts some seconds."""
    with running(tmp_path_factory.mktemp("slow"), "--fault", SLOW) as server:
        yield server


@pytest.fixture
def place(tmp_path: Path, slow: Running) -> Iterator[Path]:
    """A directory; the table of its job is gone afterwards."""
    yield tmp_path
    slow.http.delete("/api/v1/schema/tables/job")


def two_at_once(folder: Path, server: Running) -> list[int]:
    """The exit codes of two runs of one job that are started in the same instant."""
    job = write_job(folder)
    gate = threading.Barrier(2)
    codes: list[int] = []

    line = [sys.executable, "-P", "-m", "ingest.cli", "run", str(job)]
    line += ["--state-dir", str(folder / "state"), "--quiet"]
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **credentials(server)}

    def start() -> None:
        gate.wait()
        codes.append(
            subprocess.run(line, env=env, stderr=subprocess.DEVNULL, check=False).returncode
        )

    threads = [threading.Thread(target=start) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(codes)


@pytest.mark.parametrize("time", range(INSTANTS))
def test_two_runs_in_the_same_instant(place, slow, time):
    """One runs, one exits 5, always; each record is there once."""
    before = slow.stats()["records_accepted"]
    assert two_at_once(place, slow) == [0, 5]
    assert slow.stats()["records_accepted"] - before == 40


def other(stack: ExitStack, folder: Path, job: Path, server: Running) -> Command:
    """A run of the job that is under way."""
    folder.mkdir(exist_ok=True)
    before = server.stats()["records_accepted"]
    ran = stack.enter_context(command(folder, "run", job, env=credentials(server)))
    ran.until(lambda: server.stats()["records_accepted"] > before, "a batch")
    return ran


@pytest.mark.parametrize("wish", ["fail", "skip", "wait", "too long"])
def test_if_another_one_is_running(place, slow, wish):
    """Exit 5; exit 0 with a sentence, and no further job; its turn afterwards; or 5 after all."""
    job, second = write_job(place), write_job(place, "second")
    choice = ["--if-running", "wait" if wish == "too long" else wish]
    choice += ["--max-duration", "0.5s"] if wish == "too long" else []
    jobs = [job, second] if wish == "skip" else [job]
    with ExitStack() as stack:
        first = other(stack, place, job, slow)
        with tempfile.TemporaryDirectory() as away:
            state = ["--state-dir", str(place / "state")]
            line = [sys.executable, "-P", "-m", "ingest.cli", "run", *map(str, jobs), *choice]
            env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **credentials(slow)}
            ran = subprocess.run(
                [*line, *state], cwd=away, env=env, capture_output=True, timeout=60, check=False
            )
        under_way = first.process.poll() is None
        assert first.ended() == 0
    words = ran.stderr.decode()
    code = {"fail": 5, "skip": 0, "wait": 0, "too long": 5}[wish]
    assert (ran.returncode, under_way) == (code, wish != "wait"), words
    assert "another run holds this job" in words
    assert ("skipped" in words) == (wish in ("skip", "wait"))
    assert (place / "state" / "jobs" / "second").exists() is False


def test_out_of_time_and_gone_on(place, slow):
    """`--max-duration` ends the first night in order; the next one goes on, the third has nothing
    to do. The metrics and a line a batch say so."""
    job, env = write_job(place), credentials(slow)
    prom = place / "ingest.prom"
    options = ("--if-running", "wait", "--metrics", prom, "--log-format", "json")
    code, ran = done(place, "run", job, "--max-duration", "1s", *options, env=env)
    first = ran.report
    assert (code, first["state"]) == (130, "interrupted")
    figures = read(prom)
    assert figures["ingest_run_exit_code", "job", None] == 130
    assert ("ingest_run_last_success_timestamp_seconds", "job", None) not in figures
    code, ran = done(place, "run", job, "--max-duration", "1m", *options, env=env)
    second = ran.report
    assert (code, second["run"]) == (0, first["run"])
    assert counts(second) == {"read": 40, "accepted": 40}
    batches = [e for e in map(orjson.loads, ran.stderr.splitlines()) if e["event"] == "batch"]
    assert len(batches) == second["requests"]["sent"] - first["requests"]["sent"]
    assert {(e["records"], e["outcome"], e["attempts"]) for e in batches} == {(4, "accepted", 1)}
    assert all(e["latency_ms"] >= 400 and e["bytes"] > 0 for e in batches)
    figures = read(prom)
    assert figures["ingest_run_records", "job", "accepted"] == 40
    assert figures["ingest_run_exit_code", "job", None] == 0
    succeeded = figures["ingest_run_last_success_timestamp_seconds", "job", None]
    code, ran = done(place, "run", job, *options, env=env)
    assert (code, counts(ran.report)) == (0, {"read": 40, "skipped": 40})
    assert read(prom)["ingest_run_last_success_timestamp_seconds", "job", None] > succeeded


def test_jobs_in_order_share_the_time(place, slow):
    """A job that is not begun in time is not begun at all, and neither is one behind a failure."""
    first, second = write_job(place), write_job(place, "second")
    with tempfile.TemporaryDirectory() as away:
        line = [sys.executable, "-P", "-m", "ingest.cli", "run", str(first), str(second)]
        env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **credentials(slow)}
        ran = subprocess.run(
            [*line, "--state-dir", str(place / "state"), "--max-duration", "1s"],
            cwd=away, env=env, capture_output=True, timeout=60, check=False,
        )  # fmt: skip
    assert ran.returncode == 130
    assert not (place / "state" / "jobs" / "second").exists()


def read(path: Path) -> dict[tuple[str, str, str | None], float]:
    """A metrics file, as the library itself reads it."""
    return {
        (sample.name, sample.labels["job"], sample.labels.get("end")): sample.value
        for family in text_string_to_metric_families(path.read_text())
        for sample in family.samples
    }


# --- the examples ---------------------------------------------------------------------------


def unit(name: str) -> ConfigParser:
    """A systemd unit."""
    found = ConfigParser(interpolation=None, strict=False)
    found.optionxform = str  # type: ignore[assignment,method-assign] # keys as they are written
    found.read(EXAMPLES / name)
    return found


def cron_job() -> dict[str, Any]:
    """The CronJob."""
    documents = list(yaml.safe_load_all((EXAMPLES / "cronjob.yaml").read_text()))
    return next(one for one in documents if one["kind"] == "CronJob")


def container() -> dict[str, Any]:
    """Its only container."""
    pod = cron_job()["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    [found] = pod["containers"]
    return dict(found)


def cron_line() -> list[str]:
    """What cron runs, after the five times and the user."""
    [line] = [
        line
        for line in (EXAMPLES / "cron.d").read_text().splitlines()
        if line and not line.startswith("#") and "=" not in line.split()[0]
    ]
    return shlex.split(line)[6:]


LINES: dict[str, Callable[[], list[str]]] = {
    "cron": cron_line,
    "systemd": lambda: shlex.split(unit("ingest-nightly.service")["Service"]["ExecStart"]),
    "kubernetes": lambda: [*container()["command"], *container()["args"]],
}


@pytest.mark.parametrize("kind", LINES)
def test_the_command_of_an_example(tmp_path, kind):
    """It runs as it stands, but for its paths; the second time there is nothing to do."""
    program, *arguments = LINES[kind]()
    assert Path(program).name == "ingest"
    places = {
        "/etc/ingest": ROOT / "configs", "/jobs": ROOT / "configs", "/state/ingest": tmp_path / "s",
        "/var/lib/ingest": tmp_path / "s", "/var/lib/prometheus/node-exporter": tmp_path,
    }  # fmt: skip
    for there, here in places.items():
        arguments = [one.replace(there, str(here)) for one in arguments]
    line = [sys.executable, "-P", "-m", "ingest.cli", *arguments]
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    for _ in range(2):
        ran = subprocess.run(
            line, cwd=tmp_path, env=env, capture_output=True, timeout=60, check=False
        )
        assert ran.returncode == 0, ran.stderr.decode()
    if kind == "cron":
        assert (ran.stdout, ran.stderr) == (b"", b"")
        assert read(tmp_path / "ingest.prom")["ingest_run_exit_code", "stocks", None] == 0


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze here")
def test_the_units(tmp_path):
    """systemd finds nothing wrong with them; program and user are those of this machine."""
    for path in EXAMPLES.glob("ingest-nightly.*"):
        text = path.read_text().replace("/opt/ingest/bin/ingest", sys.executable)
        (tmp_path / path.name).write_text(text.replace("User=ingest", "User=root"))
    names = sorted(str(path) for path in tmp_path.iterdir())
    assert len(names) == 2
    ran = subprocess.run(
        ["systemd-analyze", "verify", *names], capture_output=True, timeout=60, check=False
    )
    mine = [line for line in ran.stderr.decode().splitlines() if "ingest-nightly" in line]
    assert (ran.returncode, mine) == (0, [])


def test_the_units_leave_the_run_its_grace():
    """SIGKILL comes later than the program's own end; what can't be mended is not tried again."""
    service = unit("ingest-nightly.service")["Service"]
    assert int(service["TimeoutStopSec"].rstrip("s")) > 25
    assert "--grace 25s" in service["ExecStart"]
    assert service["RestartPreventExitStatus"].split() == ["1", "2", "4", "5", "6"]
    assert service["SuccessExitStatus"].split() == ["3", "130", "143"]


def test_the_cron_job():
    """By Kubernetes' own schema; state is kept, the grace fits, every exit code has its rule."""
    documents = list(yaml.safe_load_all((EXAMPLES / "cronjob.yaml").read_text()))
    for document in documents:
        assert kubernetes_validate.validate(document, "1.31", strict=True)
    spec = cron_job()["spec"]
    assert spec["concurrencyPolicy"] == "Forbid"
    pod = spec["jobTemplate"]["spec"]["template"]["spec"]
    assert pod["restartPolicy"] == "Never"
    assert pod["terminationGracePeriodSeconds"] > 25
    assert "--grace=25s" in container()["args"]
    assert spec["jobTemplate"]["spec"]["activeDeadlineSeconds"] > 5 * 3600
    mounts = {mount["name"]: mount["mountPath"] for mount in container()["volumeMounts"]}
    [state] = [one for one in container()["args"] if one.startswith("--state-dir=")]
    assert state.removeprefix("--state-dir=").startswith(mounts["state"])
    [volume] = [one for one in pod["volumes"] if one["name"] == "state"]
    claims = [one["metadata"]["name"] for one in documents if one["kind"] != "CronJob"]
    assert volume["persistentVolumeClaim"]["claimName"] in claims
    rules = spec["jobTemplate"]["spec"]["podFailurePolicy"]["rules"]
    ruled = Counter(
        code for rule in rules for code in rule.get("onExitCodes", {"values": []})["values"]
    )
    assert ruled == Counter([1, 2, 3, 4, 5, 6, 7, 130, 143])


def test_every_exit_code_is_in_the_table():
    """What a scheduler can act on."""
    text = (EXAMPLES / "README.md").read_text()
    rows = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| ")][1:]
    codes = [int(code) for row in rows for code in row.split(", ")]
    assert sorted(codes) == [0, 1, 2, 3, 4, 5, 6, 7, 130, 143]


if __name__ == "__main__":
    endings: Counter[tuple[int, ...]] = Counter()
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary)
        with running(home / "data", "--fault", SLOW) as started:
            for count in range(int(sys.argv[1])):
                endings[tuple(two_at_once(home / str(count), started))] += 1
                started.http.delete("/api/v1/schema/tables/job")
    print(dict(endings))  # noqa: T201 - a measurement that somebody started
