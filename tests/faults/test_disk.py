"""A disk that is or becomes full: the sending stops before the ability to record is lost.

A real file system of 64 MiB holds the state directory. It is full from the start, becomes full
amidst a run, or cannot take the rejects or the report; then there is room, and the same command
again ends with every row once.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from tests.end_to_end import command, counts, credentials, done, sums_up
from tests.faults.disk import Disk, small_disk, why_not
from tests.sandbox.conftest import Running, running

RECORDS, BATCH = 600, 10
DISK_BYTES = 64 * 1024 * 1024
MEBIBYTE = 1024 * 1024
EVERY_ROW = Counter(range(RECORDS))


@pytest.fixture(scope="module", autouse=True)
def _mounts() -> None:
    """All of this needs a file system of its own."""
    if reason := why_not():
        pytest.skip(reason)


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service that takes a while for each answer, so that there is a mid-run."""
    with running(tmp_path_factory.mktemp("slow"), "--fault", "slow:50ms:100%") as one:
        yield one


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """The disk that the state directory lies on."""
    with small_disk(tmp_path / "state", DISK_BYTES) as one:
        yield one


def job_at(folder: Path, table: str, good: int = RECORDS, bad: int = 0) -> Path:
    """The job, with so many bad records behind the good ones."""
    lines = [f"{n},{'x' * 400}\n" for n in range(good)] + [f"bad,{'y' * 8000}\n"] * bad
    (folder / "a.csv").write_text("n,text\n" + "".join(lines))
    job = folder / "job.toml"
    job.write_text(
        f"""
[source]
paths = ["a.csv"]
block_bytes = {65536 if bad else 8192}
[fields]
n = {{ type = "integer" }}
[target]
system = "avalanchio"
table = "{table}"
create = true
[limits]
records = {BATCH}
in_flight = 2
[delivery]
stamp = "stamp"
longest_server_s = 0.3
[rejects]
max_count = 100000
"""
    )
    return job


def rows(server: Running, table: str) -> Counter[int]:
    """The n of every row, counted."""
    return Counter(row["n"] for row in server.rows(table, "n"))


def test_a_disk_that_is_full_from_the_start(disk, slow, tmp_path):
    """Refused with what to do, nothing is sent; with room the same command loads all."""
    job, before = job_at(tmp_path, "start"), slow.stats()["requests"]
    disk.fill()
    env = credentials(slow)
    code, ran = done(tmp_path, "run", job, env=env, prefix=disk.prefix)
    assert code in (1, 2), ran.stderr
    assert ("make room" in ran.stderr, "Traceback" in ran.stderr) == (True, False), ran.stderr
    assert slow.stats()["requests"] == before
    disk.make_room()
    code, again = done(tmp_path, "run", job, env=env, prefix=disk.prefix)
    assert (code, rows(slow, "start")) == (0, EVERY_ROW), again.stderr


@pytest.mark.parametrize("leave_bytes", [4 * MEBIBYTE, 0], ids=["nearly full", "full"])
def test_a_disk_that_becomes_full_amidst_a_run(disk, slow, tmp_path, leave_bytes):
    """The sending stops, the sum is right, the words say what to do; with room the rest lands, and
    what could not be recorded is settled, so that every row is there once."""
    table = f"amidst{leave_bytes}"
    job, before = job_at(tmp_path, table), slow.stats()["records_accepted"]
    env = credentials(slow)
    with command(tmp_path, "run", job, env=env, prefix=disk.prefix) as ran:
        ran.until(lambda: slow.stats()["records_accepted"] >= before + 5 * BATCH, "some rows")
        disk.fill(leave_bytes)
        assert ran.ended() == 1, ran.stderr
    assert ("full" in ran.stderr, "Traceback" in ran.stderr) == (True, False), ran.stderr
    first = ran.report
    landed = rows(slow, table)
    assert len(landed) < RECORDS
    assert first["records"]["accepted"] <= landed.total()
    if leave_bytes:
        assert first["records"]["accepted"] == landed.total()
    disk.make_room()
    code, again = done(tmp_path, "run", job, env=env, prefix=disk.prefix)
    assert (code, rows(slow, table)) == (0, EVERY_ROW), again.stderr
    assert counts(again.report) == {"read": RECORDS, "accepted": RECORDS}
    assert again.report["run"] == first["run"]


def test_a_disk_that_cannot_take_the_rejects(disk, slow, tmp_path):
    """The run fails rather than lose one; with room there is a line for every bad record."""
    good, bad = 5, 1_200
    job = job_at(tmp_path, "rejects", good, bad)
    disk.fill(9 * MEBIBYTE)
    env = credentials(slow)
    code, ran = done(tmp_path, "run", job, env=env, prefix=disk.prefix)
    assert (code, "rejects.ndjson" in ran.stderr) == (1, True), ran.stderr
    first = orjson.loads((tmp_path / "report.json").read_bytes())["records"]
    assert 0 < first["rejected"] < bad
    disk.make_room()
    code, again = done(tmp_path, "run", job, env=env, prefix=disk.prefix)
    assert (code, rows(slow, "rejects")) == (3, Counter(range(good))), again.stderr
    kept = disk.view.joinpath(*Path(again.report["rejects"]["file"]).parts[-3:])
    lines = [orjson.loads(line) for line in kept.read_bytes().splitlines()]
    assert [line["record"] for line in lines] == list(range(good + 1, good + bad + 1))


def test_records_whose_rejects_cannot_be_kept_have_an_end(disk, slow, tmp_path):
    """They were read and never handed to a request: *unsent*, so that the sum holds."""
    job = job_at(tmp_path, "ends", good=5, bad=1_200)
    disk.fill(9 * MEBIBYTE)
    code, ran = done(tmp_path, "run", job, env=credentials(slow), prefix=disk.prefix)
    assert code == 1
    sums_up(orjson.loads((ran.folder / "report.json").read_bytes()))


def test_a_report_that_cannot_be_kept(slow, tmp_path):
    """All landed, but whoever asked for the report does not get it: exit 1, and why."""
    job = job_at(tmp_path, "report", good=BATCH)
    (tmp_path / "report.json").symlink_to("/dev/full")
    code, ran = done(tmp_path, "run", job, env=credentials(slow))
    assert (code, rows(slow, "report")) == (1, Counter(range(BATCH))), ran.stderr
    assert ("/report.json" in ran.stderr, "No space" in ran.stderr) == (True, True), ran.stderr


def test_a_disk_that_cannot_take_the_spool(disk, slow, tmp_path):
    """By way of a file: nothing half-written goes up; with room the same command loads all."""
    job = job_at(tmp_path, "spool", good=0)
    draw = random.Random(1)
    lines = [f"{n},{draw.randbytes(4_000).hex()}\n" for n in range(300)]
    (tmp_path / "a.csv").write_text("n,text\n" + "".join(lines))
    text = job.read_text().replace('"avalanchio"', '"aito"\nvia = "file"')
    job.write_text(re.sub(r"\[limits\][^[]*\[delivery\][^[]*", "", text))
    env = {"AITO_URL": slow.url, "AITO_API_KEY": "sandbox"}
    disk.fill(9 * MEBIBYTE)
    code, ran = done(tmp_path, "run", job, env=env, prefix=disk.prefix)
    assert (code, "spool" in ran.stderr, "Traceback" in ran.stderr) == (1, True, False), ran.stderr
    assert ran.report["records"]["accepted"] == 0
    disk.make_room()
    code, again = done(tmp_path, "run", job, env=env, prefix=disk.prefix)
    assert code == 0, again.stderr
    assert counts(again.report) == {"read": 300, "accepted": 300}
