"""A run that is killed is taken up: nothing missing, nothing doubled but what the report names.

The process is killed by SIGKILL at chosen or random instants, as often as it takes, and started
again until it is done; then every row is counted at the service.
"""

from __future__ import annotations

import random
import re
import signal
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.end_to_end import Command, command, counts, credentials, done, sums_up, until
from tests.sandbox.conftest import Running, running

RECORDS, BATCH = 6_000, 100
KILLS = 3
OPEN = re.compile(r"[1-9]\d* batches perhaps sent")
TROUBLE = (
    "429:5%",
    "reset-before:3%",
    "reset-after-commit:3%",
    "slow:30ms:30%",
    "commit-late:400ms:3%",
)
# How each way of delivery is asked for, and what it promises.
WAYS: dict[str, dict[str, Any]] = {
    "ids": {"system": "avalanchio", "delivery": {"id": "derived"}},
    "stamp": {"system": "avalanchio", "delivery": {"stamp": "stamp"}},
    "evidence": {"system": "aito", "delivery": {"evidence_key": "n"}},
    "none": {"system": "avalanchio", "delivery": {}},
}


def write_job(folder: Path, way: str, records: int = RECORDS) -> Path:
    """A job of two files, one of them with a bad record, and what it promises."""
    wanted = WAYS[way]
    half = records // 2
    for name, numbers in (("a", range(half)), ("b", range(half, records))):
        lines = [f"{n},{n}.5,text {n}\n" for n in numbers]
        lines.insert(len(lines) // 3, "bad,1,x\n")
        (folder / f"{name}.csv").write_text("n,price,name\n" + "".join(lines))
    delivery = {"longest_server_s": 1.0, **wanted["delivery"]}
    job = folder / "job.toml"
    job.write_text(
        f"""
[source]
paths = ["a.csv", "b.csv"]
block_bytes = 4096
[fields]
n = {{ type = "integer" }}
price = {{ type = "decimal" }}
[target]
system = "{wanted["system"]}"
table = "t"
create = true
[limits]
records = {BATCH}
in_flight = 4
[delivery]
"""
        + "".join(f"{key} = {orjson.dumps(value).decode()}\n" for key, value in delivery.items())
    )
    return job


def environment(server: Running) -> dict[str, str]:
    """What either service is reached by."""
    return credentials(server) | {"AITO_URL": server.url, "AITO_API_KEY": "sandbox"}


def rows(server: Running, way: str) -> Counter[tuple[int, float, str]]:
    """Every row of the table, counted."""
    if WAYS[way]["system"] == "avalanchio":
        found: list[dict[str, Any]] = []
        while True:
            page = server.sql(f"select n, price, name from t limit 10000 offset {len(found)}")
            part = orjson.loads(page.content)["rows"]
            found += part
            if len(part) < 10_000:
                break
    else:
        asked = {"from": "t", "limit": 100_000}
        headers = {"x-api-key": "sandbox", "Authorization": ""}
        found = server.http.post("/api/v1/_query", json=asked, headers=headers).json()["hits"]
    return Counter((row["n"], row["price"], row["name"]) for row in found)


def expected(records: int = RECORDS) -> set[tuple[int, float, str]]:
    """The rows that the files hold."""
    return {(n, n + 0.5, f"text {n}") for n in range(records)}


def has_seen(server: Running, requests: int) -> bool:
    """Whether so many requests with records came."""
    return bool(server.stats()["requests"] >= requests)


def killed_until_done(
    folder: Path, job: Path, server: Running, draw: random.Random
) -> tuple[Command, int]:
    """Run, kill amidst its requests, run again; the last one, and how often a process found bodies
    that were perhaps sent."""
    found = 0
    for kill in range(KILLS + 1):
        wanted = server.stats()["requests"] + draw.randint(1, 8)
        with command(folder, "run", job, env=environment(server)) as ran:
            if kill < KILLS:
                until(partial(has_seen, server, wanted), "requests")
                time.sleep(draw.uniform(0, 0.02))
                ran.process.send_signal(signal.SIGKILL)
            ran.process.wait(60)
        found += bool(OPEN.search(ran.stderr))
    return ran, found


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("way", WAYS)
def test_killed_at_random_instants(tmp_path, way, seed):
    """Ids, stamps and keys: every record once. Without them: none missing, and every doubled one
    is in a batch that the report names."""
    draw = random.Random(f"{way} {seed}")
    job = write_job(tmp_path, way)
    faults = [part for spec in TROUBLE for part in ("--fault", spec)]
    with running(tmp_path / "data", *faults, "--seed", str(seed)) as server:
        ran, found_open = killed_until_done(tmp_path, job, server, draw)
        report = ran.report
        # What a killed process left on its way may land until now.
        time.sleep(0.5)
        found = rows(server, way)
    assert found_open > 0, "it was never killed with a body on its way"
    assert report["records"]["read"] == RECORDS + 2, ran.stderr
    assert report["records"]["rejected"] == 2
    assert set(found) == expected()
    named = {
        (span["file"].rpartition("/")[2], number)
        for batch in report["ambiguous"]
        for span in batch["spans"]
        for number in range(span["first"], span["last"] + 1)
    }
    doubled = {n for (n, _, _), times in found.items() if times > 1}
    if way == "none":
        assert {place(n) for n in doubled} <= named
    else:
        assert (doubled, report["ambiguous"], ran.process.returncode) == (set(), [], 3), ran.stderr
    rejects = Path(report["rejects"]["file"]).read_text().splitlines()
    assert len(rejects) == 2


def place(n: int) -> tuple[str, int]:
    """File and record number of the record with that `n`; a bad one stands a third in."""
    half = RECORDS // 2
    name, index = ("a.csv", n) if n < half else ("b.csv", n - half)
    return name, index + 1 + (index >= half // 3)


def test_an_interrupted_run_is_taken_up_under_its_id(tmp_path):
    """Cumulative accounts: the second report counts everything once."""
    job = write_job(tmp_path, "none")
    with running(tmp_path / "data", "--fault", "slow:200ms:100%") as server:
        with command(tmp_path, "run", job, env=environment(server)) as ran:
            ran.until(lambda: server.stats()["records_accepted"] > 0, "a batch")
            ran.tell(signal.SIGTERM)
            assert ran.ended() == 143
        first = ran.report
        code, again = done(tmp_path, "run", job, env=environment(server))
        found = rows(server, "none")
    second = again.report
    assert code == 3
    assert second["run"] == first["run"]
    assert first["records"]["unsent"] > 0
    assert counts(second) == {"read": RECORDS + 2, "accepted": RECORDS, "rejected": 2}
    assert found == Counter(expected())
    assert "taking up" in again.stderr


def test_a_finished_run_skips_unchanged_files(tmp_path):
    """Nothing is sent again; a file that changed is loaded; --restart loads all."""
    job = write_job(tmp_path, "none")
    with running(tmp_path / "data") as server:
        env = environment(server)
        assert done(tmp_path, "run", job, env=env)[0] == 3
        code, again = done(tmp_path, "run", job, env=env)
        assert (code, counts(again.report)) == (0, {"read": RECORDS + 2, "skipped": RECORDS + 2})
        assert again.report["requests"]["sent"] == 0
        (tmp_path / "b.csv").write_text("n,price,name\n9999,1.5,new\n")
        code, third = done(tmp_path, "run", job, env=env)
        half = RECORDS // 2 + 1
        assert counts(third.report) == {"read": half + 1, "accepted": 1, "skipped": half}
        code, anew = done(tmp_path, "run", job, "--restart", env=env)
        assert counts(anew.report) == {"read": half + 1, "accepted": half, "rejected": 1}
        code, fresh = done(tmp_path, "run", job, "--fresh", env=env)
        assert counts(fresh.report)["accepted"] == half
    sums_up(fresh.report)


def test_a_limit_is_a_prefix_of_the_same_run(tmp_path):
    """The first N records, then all of them, each once."""
    job = write_job(tmp_path, "none")
    with running(tmp_path / "data") as server:
        env = environment(server)
        code, first = done(tmp_path, "run", job, "--limit", "250", env=env)
        assert (code, counts(first.report)) == (0, {"read": 250, "accepted": 250})
        code, whole = done(tmp_path, "run", job, env=env)
        found = rows(server, "none")
    assert whole.report["run"] == first.report["run"]
    assert counts(whole.report) == {"read": RECORDS + 2, "accepted": RECORDS, "rejected": 2}
    assert found == Counter(expected())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda folder: edit(folder, '"t"', '"u"'), "target.table"),
        (lambda folder: edit(folder, "[fields]", 'nulls = ["", "-"]\n[fields]'), "source.nulls"),
        (lambda folder: (folder / "a.csv").write_text("n,price,name\n1,1,x\n"), "a.csv"),
        (lambda folder: (folder / "a.csv").unlink(), "a.csv"),
    ],
)
def test_an_unfinished_run_that_changed_is_refused(tmp_path, change, said):
    """Exit 2 with what changed and the way on; limits may change."""
    job = write_job(tmp_path, "none")
    with running(tmp_path / "data") as server:
        env = environment(server)
        assert done(tmp_path, "run", job, "--limit", "250", env=env)[0] == 0
        edit(tmp_path, "in_flight = 4", "in_flight = 2")
        assert done(tmp_path, "run", job, "--limit", "350", env=env)[0] == 0
        change(tmp_path)
        (tmp_path / "report.json").unlink()
        code, refused = done(tmp_path, "run", job, env=env)
        assert code == 2
        assert said in refused.stderr
        found = rows(server, "none")
    assert sum(found.values()) == 350


def edit(folder: Path, old: str, new: str) -> None:
    """Change the job's text."""
    job = folder / "job.toml"
    text = job.read_text()
    assert old in text
    job.write_text(text.replace(old, new))


def test_two_runs_of_one_job(tmp_path):
    """The second one ends with exit 5 and says who holds it; after a kill the lock is free."""
    job = write_job(tmp_path, "none")
    (tmp_path / "second").mkdir()
    (tmp_path / "second" / "state").symlink_to(tmp_path / "state")
    with running(tmp_path / "data", "--fault", "slow:300ms:100%") as server:
        env = environment(server)
        with command(tmp_path, "run", job, env=env) as ran:
            ran.until(lambda: server.stats()["requests"] > 0, "a request")
            with command(tmp_path / "second", "run", job, env=env) as second:
                assert second.ended() == 5, second.stderr
            assert "another run holds this job" in second.stderr
            ran.process.kill()
            ran.process.wait()
        code, again = done(tmp_path, "run", job, env=env)
    assert code in (3, 6), again.stderr


def test_a_table_that_is_gone_is_not_skipped(tmp_path):
    """What was loaded before is not there any more: refused, never reported as settled."""
    job = write_job(tmp_path, "none")
    with running(tmp_path / "data") as server:
        env = environment(server)
        assert done(tmp_path, "run", job, env=env)[0] == 3
        assert server.http.delete("/api/v1/schema/drop-table/t").status_code == 200
        (tmp_path / "report.json").unlink()
        code, refused = done(tmp_path, "run", job, env=env)
    assert code == 2
    assert "--restart" in refused.stderr
