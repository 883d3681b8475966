"""A state directory on a disk that is full, or fills up: a real one, small, mounted for the test.

Whatever it is full for, the sending stops before the ability to record is lost: exit 1, with the
directory named, and nothing told wrong. With room again the same command goes on where it stopped,
and at the end every row is in the table once.

Where nothing may be mounted those tests are skipped with the reason; a limit of a file's size,
which anybody may set for himself, shows the same of a file that can't grow.
"""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

import ingest
from benchmarks.killing.case import WAYS, Case
from benchmarks.killing.service import Service
from tests.end_to_end import command, counts, credentials, done, rejects_of
from tests.sandbox.conftest import Running, running

MIB = 1024 * 1024
RECORDS, BATCH = 6_000, 100
# Enough for the journal and what is held back for it twice, and little more.
SMALL, LARGE = "14m", "64m"


@dataclass(frozen=True, slots=True)
class SmallDisk:
    """A file system of its own at `path`."""

    path: Path

    @property
    def _ballast(self) -> Path:
        return self.path / "ballast"

    def fill(self, leave_bytes: int = 0) -> None:
        """Leave no more than so much."""
        size = 0
        with self._ballast.open("wb", buffering=0) as file:
            try:
                while True:
                    size += file.write(bytes(64 * 1024))
            except OSError:
                file.truncate(max(0, size - leave_bytes))

    def make_room(self) -> None:
        """What filled it goes, and it becomes larger."""
        self._ballast.unlink(missing_ok=True)
        subprocess.run(["mount", "-o", f"remount,size={LARGE}", self.path], check=True)


@contextmanager
def small_disk(path: Path, size: str = SMALL) -> Iterator[SmallDisk]:
    """Mounted for the time of the block; skips the test where that is not allowed."""
    path.mkdir()
    line = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "none", str(path)]
    try:
        tried = subprocess.run(line, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("no program mount here")
    if tried.returncode:
        pytest.skip(f"nothing can be mounted here: {tried.stderr.strip()}")
    try:
        yield SmallDisk(path)
    finally:
        subprocess.run(["umount", "--lazy", path], check=True)


def written(folder: Path, way: str) -> tuple[Case, Path]:
    """Files and job of a case that is delivered in this way."""
    case = Case(WAYS[way], RECORDS, BATCH, late_s=0.0)
    case.write_files(folder)
    return case, case.write_job(folder / "job.toml", folder)


def whole(case: Case, server: Running) -> None:
    """Every record of the case is in the table, once."""
    assert Service(server.url).rows(case) == Counter(case.rows())


@pytest.mark.parametrize("left_bytes", [0, 4096, 3 * MIB, 7 * MIB])
def test_full_from_the_start(tmp_path, left_bytes):
    """Nothing is sent; how much is needed and where is said."""
    case, job = written(tmp_path, "none")
    state = tmp_path / "state"
    with small_disk(state) as disk, running(tmp_path / "data") as server:
        env = Service(server.url).environment
        disk.fill(left_bytes)
        code, refused = done(tmp_path, "run", job, env=env)
        assert (code, server.stats()["requests"]) == (1, 0), refused.stderr
        assert "full" in refused.stderr
        assert f"make room in {state}" in " ".join(refused.stderr.split())
        disk.make_room()
        code, again = done(tmp_path, "run", job, env=env)
        assert code == 3, again.stderr
        whole(case, server)


@pytest.mark.parametrize("way", ["ids", "none"])
def test_filled_while_requests_are_under_way(tmp_path, way):
    """What is in flight still comes to its end and is recorded, in what was held back for it: so
    nothing is ambiguous afterwards, even where nothing could settle it."""
    case, job = written(tmp_path, way)
    with (
        small_disk(tmp_path / "state") as disk,
        running(tmp_path / "data", "--fault", "slow:300ms:100%") as server,
    ):
        env = Service(server.url).environment
        with command(tmp_path, "run", job, env=env) as ran:
            ran.until(lambda: server.stats()["records_accepted"] >= 8 * BATCH, "some batches")
            disk.fill()
            code = ran.ended()
        first, landed = ran.report, server.stats()["records_accepted"]
        assert code == 1, ran.stderr
        assert str(disk.path) in first["error"]["message"]
        assert str(disk.path) in first["error"]["hint"]
        assert (first["records"]["accepted"], first["ambiguous"]) == (landed, [])
        assert first["records"]["unsent"] > 0
        assert list((disk.path / "runs").glob("*/report.json")), "it is kept, too"
        disk.make_room()
        code, again = done(tmp_path, "run", job, env=env)
        assert code == 3, again.stderr
        assert " 0 batches perhaps sent" in again.stderr
        assert again.report["run"] == first["run"]
        assert counts(again.report) == {"read": RECORDS + 2, "accepted": RECORDS, "rejected": 2}
        whole(case, server)


def test_filled_after_the_last_outcome(tmp_path, monkeypatch):
    """Everything is sent and recorded; the report finds what was held back."""
    with small_disk(tmp_path / "state") as disk, running(tmp_path / "data") as server:
        for name, value in credentials(server).items():
            monkeypatch.setenv(name, value)

        def fill(event: ingest.Event) -> None:
            if isinstance(event, ingest.Snapshot) and event.stage == "done":
                disk.fill()

        to, state = "avalanchio:t", disk.path
        load = ingest.load([{"n": 1}], to=to, create=True, watch=fill, state_dir=state)
        outcome = asyncio.run(load)
        assert (outcome.exit_code, outcome.records.accepted) == (0, 1)
        assert (disk.path / "runs" / outcome.run / "report.json").is_file()


def write_bad(folder: Path) -> Path:
    """A job of 2,000 records, every other one bad and 20 kB long."""
    bad = "x" * 20_000
    lines = [f"{n}\n" if n % 2 else f"{bad}{n}\n" for n in range(2_000)]
    (folder / "a.csv").write_text("n\n" + "".join(lines))
    job = folder / "job.toml"
    job.write_text(
        '[source]\npaths = ["a.csv"]\nblock_bytes = 65536\n[fields]\nn = { type = "integer" }\n'
        '[target]\nsystem = "avalanchio"\ntable = "t"\ncreate = true\n'
        "[limits]\nrecords = 20\n[rejects]\nmax_count = 5000\n"
    )
    return job


def test_rejects_fill_the_disk(tmp_path):
    """Each has its line or is not counted; taken up, each has it once."""
    job = write_bad(tmp_path)
    with small_disk(tmp_path / "state") as disk, running(tmp_path / "data") as server:
        env = Service(server.url).environment
        code, first = done(tmp_path, "run", job, env=env)
        assert code == 1, first.stderr
        assert str(disk.path) in first.report["error"]["hint"]
        assert len(rejects_of(first.report)) == first.report["records"]["rejected"] > 0
        disk.make_room()
        code, again = done(tmp_path, "run", job, env=env)
        assert code == 3, again.stderr
        assert counts(again.report) == {"read": 2000, "accepted": 1000, "rejected": 1000}
        numbers = [one["record"] for one in rejects_of(again.report)]
        assert numbers == list(range(1, 2001, 2))
        found = sorted(row["n"] for row in server.rows("t", "n"))
        assert found == list(range(1, 2000, 2))


def test_rejects_of_a_run_outside_of_the_books_fill_the_disk(tmp_path):
    """Nothing is held back for it: what has no line counts as unsent, and the sum is right."""
    job = write_bad(tmp_path)
    with small_disk(tmp_path / "state", "1m") as disk, running(tmp_path / "data") as server:
        env = Service(server.url).environment
        code, ran = done(tmp_path, "run", job, "--fresh", env=env)
        assert code == 1, ran.stderr
        assert "rejects can't be written" in ran.report["error"]["message"]
        assert str(disk.path) in ran.report["error"]["hint"]
        assert len(rejects_of(ran.report)) == ran.report["records"]["rejected"] > 0
        assert ran.report["records"]["unsent"] > 0
        assert server.stats()["records_accepted"] == ran.report["records"]["accepted"]


def test_a_spool_fills_the_disk(tmp_path):
    """By way of a file: what was written of it goes at once, and nothing of it was sent."""
    draw = random.Random(1)
    lines = [f"{n},{draw.randbytes(1000).hex()}\n" for n in range(30_000)]
    (tmp_path / "a.csv").write_text("n,noise\n" + "".join(lines))
    job = tmp_path / "job.toml"
    job.write_text(
        '[source]\npaths = ["a.csv"]\n[fields]\nn = { type = "integer" }\n'
        '[target]\nsystem = "aito"\ntable = "t"\ncreate = true\nvia = "file"\n'
    )
    with small_disk(tmp_path / "state", "20m") as disk, running(tmp_path / "data") as server:
        env = Service(server.url).environment
        code, first = done(tmp_path, "run", job, env=env)
        assert code == 1, first.stderr
        assert str(disk.path) in first.report["error"]["message"]
        assert (first.report["records"]["accepted"], first.report["requests"]["sent"]) == (0, 0)
        left = [path for path in disk.path.rglob("*spool-*") if path.is_file()]
        assert left == []
        subprocess.run(["mount", "-o", "remount,size=256m", disk.path], check=True)
        code, again = done(tmp_path, "run", job, env=env)
        assert (code, counts(again.report)) == (0, {"read": 30_000, "accepted": 30_000})


def test_no_room_for_the_report(tmp_path):
    """The load is done, and nothing of it is sent again because of that."""
    case, job = written(tmp_path, "none")
    with small_disk(tmp_path / "reports") as disk, running(tmp_path / "data") as server:
        disk.fill()
        (tmp_path / "report.json").symlink_to(disk.path / "report.json")
        env = Service(server.url).environment
        code, first = done(tmp_path, "run", job, env=env)
        assert code == 1
        assert "the report can't be written" in first.stderr
        assert f"make room in {tmp_path}" in " ".join(first.stderr.split())
        disk.make_room()
        code, again = done(tmp_path, "run", job, env=env)
        assert (code, counts(again.report)) == (0, {"read": RECORDS + 2, "skipped": RECORDS + 2})
        whole(case, server)


@pytest.mark.parametrize("most_bytes", [20_000, 300_000])
def test_a_file_that_can_not_grow(tmp_path, most_bytes):
    """Too little for a journal, or for all of its log: refused, or stopped; then taken up."""
    case, job = written(tmp_path, "ids")
    limit = (
        "import os, resource, sys;"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({most_bytes}, {most_bytes}));"
        "os.execv(sys.argv[1], sys.argv[1:])"
    )
    with running(tmp_path / "data") as server:
        env = Service(server.url).environment
        code, first = done(tmp_path, "run", job, env=env, prefix=(sys.executable, "-c", limit))
        assert code in (1, 2), first.stderr
        assert str(tmp_path / "state") in first.stderr
        landed = server.stats()["records_accepted"]
        assert (landed > 0) is (most_bytes > 100_000)
        code, again = done(tmp_path, "run", job, env=env)
        assert code == 3, again.stderr
        assert counts(again.report) == {"read": RECORDS + 2, "accepted": RECORDS, "rejected": 2}
        whole(case, server)
