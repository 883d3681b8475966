"""A load by way of files that is killed is taken up: every row exactly once, wherever it was cut.

Killed by SIGKILL at each instant of an upload, and once more while it is taken up; at random
instants from outside; with its spools gone. The sandbox is a process of its own and lives on.
"""

from __future__ import annotations

import random
import signal
import sqlite3
import sys
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.end_to_end import Command, command, counts, done, rejects_of, until
from tests.killed_at import POINTS
from tests.sandbox.conftest import Running, running

RECORDS = 2_000
REFUSED = (17, 1_200, 1_999)  # link to a city that is not there
ROWS = [(n, "XXX" if n in REFUSED else ("BER", "PAR")[n % 2]) for n in range(RECORDS)]
EXPECTED = Counter(row for row in ROWS if row[1] != "XXX")
ACCOUNTS = {"read": RECORDS + 1, "accepted": RECORDS - len(REFUSED), "rejected": len(REFUSED) + 1}
TROUBLE = (
    "trigger-lost:20%",
    "expired-url:10%",
    "s3-slowdown:10%",
    "status-backwards:first2",
    "slow-processing:80ms:50%",
)
HEADERS = {"x-api-key": "sandbox", "Authorization": ""}


def write_job(folder: Path, **limits: Any) -> Path:
    """Two files, one with a bad record, that make about five spools."""
    half = RECORDS // 2
    for name, rows in (("a", ROWS[:half]), ("b", ROWS[half:])):
        lines = [f"{n},{city},text {n * 7919}\n" for n, city in rows]
        if name == "a":
            lines.insert(half // 3, "bad,BER,x\n")
        (folder / f"{name}.csv").write_text("n,city,name\n" + "".join(lines))
    settings = {"spool_bytes": 7_000, "stall_timeout_s": 60.0, **limits}
    job = folder / "job.toml"
    job.write_text(
        """
[source]
paths = ["a.csv", "b.csv"]
block_bytes = 4096
[fields]
n = { type = "integer" }
city = { type = "string", column = { link = "cities.code" } }
[target]
system = "aito"
table = "t"
via = "file"
create = true
[delivery]
longest_server_s = 0.4
[limits]
"""
        + "".join(f"{key} = {value}\n" for key, value in settings.items())
    )
    return job


def environment(server: Running) -> dict[str, str]:
    """What the service is reached by."""
    return {"AITO_URL": server.url, "AITO_API_KEY": "sandbox"}


def with_cities(server: Running) -> None:
    """The table that rows link to."""
    columns = {"code": {"type": "String", "nullable": False}}
    schema = {"type": "table", "columns": columns}
    cities = [{"code": "BER"}, {"code": "PAR"}]
    for answer in (
        server.http.put("/api/v1/schema/cities", json=schema, headers=HEADERS),
        server.http.post("/api/v1/data/cities/batch", json=cities, headers=HEADERS),
    ):
        assert answer.status_code == 200, answer.text


def rows(server: Running) -> Counter[tuple[int, str]]:
    """Every row of the table, counted."""
    asked = {"from": "t", "limit": 100_000}
    answer = server.http.post("/api/v1/_query", json=asked, headers=HEADERS)
    return Counter((row["n"], row["city"]) for row in answer.json()["hits"])


def faults(seed: int) -> list[str]:
    """The sandbox's options."""
    return [*(part for spec in TROUBLE for part in ("--fault", spec)), "--seed", str(seed)]


def killed(folder: Path, job: Path, server: Running, point: str, times: int) -> Command:
    """A run that kills itself there; or comes to its end, if it does not get there."""
    prefix = (sys.executable, "-P", "-m", "tests.killed_at", point, str(times))
    with command(folder, "run", job, env=environment(server), prefix=prefix) as ran:
        ran.process.wait(60)
    assert ran.process.returncode in (-signal.SIGKILL, 3), ran.stderr
    return ran


def finished(folder: Path, job: Path, server: Running, *options: str) -> Command:
    """Run to its end, which is exact: every row once, all accounts, no spool left."""
    code, ran = done(folder, "run", job, *options, env=environment(server))
    assert code == 3, ran.stderr
    assert counts(ran.report) == ACCOUNTS
    assert ran.report["ambiguous"] == []
    assert rows(server) == EXPECTED
    assert "rows more than before" not in ran.stderr
    assert ran.report["rows"]["before"] in (0, None)
    assert ran.report["rows"]["after"] == EXPECTED.total()
    assert spools(folder) == []
    refused = sorted(line["raw"].split(",")[0] for line in rejects_of(ran.report))
    assert refused == ["1200", "17", "1999", "bad"]
    return ran


def spools(folder: Path) -> list[str]:
    """What lies in the directories of spools."""
    return sorted(path.name for path in (folder / "state" / "runs").glob("*/spool/*"))


def uploads(folder: Path) -> list[tuple[int, str | None]]:
    """The open bodies in the journal: their sendings, and how far their uploads were."""
    path = folder / "state" / "jobs" / "job" / "journal.sqlite"
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as journal:
        found = journal.execute("SELECT sendings, upload FROM intents WHERE state = 0").fetchall()
    journal.close()
    return [(times, text and orjson.loads(text)["state"]) for times, text in found]


@pytest.mark.parametrize("place", range(len(POINTS)), ids=POINTS)
def test_killed_at_each_instant_and_again_when_taken_up(tmp_path, place):
    """In the second file, then at another instant of what is left; each row lands once."""
    job = write_job(tmp_path)
    with running(tmp_path / "data", *faults(place)) as server:
        with_cities(server)
        first = killed(tmp_path, job, server, POINTS[place], 2)
        assert first.process.returncode == -signal.SIGKILL
        killed(tmp_path, job, server, POINTS[(place * 4 + 3) % len(POINTS)], 1)
        finished(tmp_path, job, server)


SAME_FILE = {"intended": None, "noted uploaded": "uploaded", "triggered": "triggering"}


@pytest.mark.parametrize("point", [*SAME_FILE, "settling"])
def test_a_spool_that_is_there_is_used_as_it_is(tmp_path, point):
    """The very file, not written again and not sent again; what else was left is gone."""
    job = write_job(tmp_path)
    with running(tmp_path / "data") as server:
        with_cities(server)
        killed(tmp_path, job, server, point, 2)
        state = SAME_FILE.get(point, "finished")
        assert uploads(tmp_path) == [(1, state)]
        before = spool_facts(tmp_path)
        killed(tmp_path, job, server, "intended", 1)
        assert uploads(tmp_path) == [(2, state)]
        assert len(before.items() & spool_facts(tmp_path).items()) == 1
        last = finished(tmp_path, job, server)
        assert puts(server) == last.report["requests"]["sent"] > 2


def spool_facts(folder: Path) -> dict[str, tuple[int, int]]:
    """The spools by name: inode and time of the last change."""
    found = (folder / "state" / "runs").glob("*/spool/*.ndjson.gz")
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in found}


@pytest.mark.parametrize(
    ("point", "loss"),
    [("intended", "gone"), ("noted uploaded", "cut"), ("triggered", "cut"), ("settling", "gone")],
)
def test_a_spool_that_was_lost_is_filled_once_more(tmp_path, point, loss):
    """Whatever blocks and limits are now: its rows go where its upload stood, its refused rows are
    found in it. Killed while that is done, too."""
    job = write_job(tmp_path)
    with running(tmp_path / "data") as server:
        with_cities(server)
        killed(tmp_path, job, server, point, 1 + (loss == "gone"))
        for path in (tmp_path / "state" / "runs").glob("*/spool/*.ndjson.gz"):
            if loss == "gone":
                path.unlink()
            else:
                path.write_bytes(path.read_bytes()[:-9])
        edit(job, "spool_bytes = 7000", "spool_bytes = 4000")
        killed(tmp_path, job, server, "spooling", 2)
        edit(job, "block_bytes = 4096", "block_bytes = 9999")
        killed(tmp_path, job, server, "intended", 1)
        assert [times for times, _ in uploads(tmp_path)] == [2]
        finished(tmp_path, job, server)


def test_a_spool_of_other_records_is_refused(tmp_path):
    """Nothing is sent in the place of what may have landed."""
    job = write_job(tmp_path)
    with running(tmp_path / "data") as server:
        with_cities(server)
        killed(tmp_path, job, server, "triggered", 1)
        for path in (tmp_path / "state" / "runs").glob("*/spool/*"):
            path.unlink()
        with sqlite3.connect(tmp_path / "state" / "jobs" / "job" / "journal.sqlite") as journal:
            journal.execute("UPDATE intents SET plain_crc32 = plain_crc32 + 1 WHERE state = 0")
        journal.close()
        before = rows(server)
        code, ran = done(tmp_path, "run", job, env=environment(server))
        assert (code, ran.report["error"]["kind"]) == (2, "settings"), ran.stderr
        assert "--restart" in ran.report["error"]["hint"]
        assert before.items() <= rows(server).items() <= EXPECTED.items()
        assert [state for _, state in uploads(tmp_path)] == ["triggering"]


def test_a_file_that_the_storage_has_no_more_is_put_again(tmp_path):
    """Put by a process that was killed, and gone when the next one triggers it."""
    job = write_job(tmp_path)
    with running(tmp_path / "data") as server:
        with_cities(server)
        killed(tmp_path, job, server, "noted uploaded", 2)
        [stored] = (tmp_path / "data" / "s3").iterdir()
        stored.unlink()
        last = finished(tmp_path, job, server)
        assert puts(server) == last.report["requests"]["sent"] + 1


def test_clean_leaves_a_run_that_may_go_on(tmp_path):
    """Its spool is needed. Removed on demand, rejects and all, it is filled once more under the
    run's id."""
    job = write_job(tmp_path)
    with running(tmp_path / "data") as server:
        with_cities(server)
        killed(tmp_path, job, server, "triggered", 2)
        before = spool_facts(tmp_path)
        clean = ("clean", "--older-than", "0s", "--yes", "--state-dir", tmp_path / "state")
        assert done(tmp_path, *clean, env={})[0] == 0
        assert spool_facts(tmp_path) == before
        assert done(tmp_path, *clean, "--unfinished", "--with-rejects", env={})[0] == 0
        assert spool_facts(tmp_path) == {}
        assert done(tmp_path, "run", job, env=environment(server))[0] == 3
        assert rows(server) == EXPECTED
        assert spools(tmp_path) == []


def test_beginning_anew_removes_what_nobody_takes_up(tmp_path):
    """The spools of the forgotten run go."""
    job = write_job(tmp_path)
    with running(tmp_path / "data") as server:
        with_cities(server)
        killed(tmp_path, job, server, "intended", 1)
        assert spools(tmp_path)
        finished(tmp_path, job, server, "--restart")


@pytest.mark.parametrize("seed", range(2))
def test_killed_at_random_instants(tmp_path, seed):
    """From outside, three times, under all faults at once."""
    draw = random.Random(seed)
    job = write_job(tmp_path, spool_bytes=2_000)
    with running(tmp_path / "data", *faults(seed)) as server:
        with_cities(server)
        for _ in range(3):
            before = puts(server)
            with command(tmp_path, "run", job, env=environment(server)) as ran:
                until(partial(has_more, server, before, ran), "a PUT")
                time.sleep(draw.uniform(0, 0.3))
                ran.process.send_signal(signal.SIGKILL)
        finished(tmp_path, job, server)


def has_more(server: Running, before: int, ran: Command) -> bool:
    """Whether a file was put since, or the run has ended."""
    return puts(server) > before or ran.process.poll() is not None


def puts(server: Running) -> int:
    """How many files were put; the cities were one request with records."""
    return int(server.stats()["requests"]) - 1


@pytest.mark.parametrize("grace", ["0", "20"])
def test_interrupted_amid_a_file(tmp_path, grace):
    """SIGTERM while the service processes: within the grace it is followed to its end, without one
    it stays in the books and is followed by the next process."""
    job = write_job(tmp_path)
    with running(tmp_path / "data", "--fault", "slow-processing:1500ms:first1") as server:
        with_cities(server)
        arguments = ("run", job, "--grace", grace)
        with command(tmp_path, *arguments, env=environment(server)) as ran:
            ran.until(lambda: is_triggered(tmp_path), "a trigger")
            ran.tell(signal.SIGTERM)
            assert ran.ended() == 143, ran.stderr
        first = ran.report
        stays = grace == "0"
        assert bool(first["records"]["ambiguous"]) == bool(first["ambiguous"]) == stays
        assert len(spools(tmp_path)) == len(uploads(tmp_path)) == stays
        assert finished(tmp_path, job, server).report["run"] == first["run"]


def is_triggered(folder: Path) -> bool:
    """Whether a file is being processed."""
    try:
        return "triggered" in [state for _, state in uploads(folder)]
    except sqlite3.OperationalError:  # there is no journal yet
        return False


def edit(job: Path, old: str, new: str) -> None:
    """Change the job's text."""
    text = job.read_text()
    assert old in text
    job.write_text(text.replace(old, new))
