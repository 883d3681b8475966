"""Rejects that were mended are sent and booked on their run, each once, whenever it is killed.

Real processes against real sandboxes; every row is asked back from the service.
"""

from __future__ import annotations

import random
import re
import signal
import stat
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.end_to_end import Command, command, counts, credentials
from tests.sandbox.conftest import Running, running

RECORDS, BATCH, KILLS = 2_000, 50, 3
BAD = range(0, RECORDS, 2)
TAKEN_UP = re.compile(r"[1-9]\d* batches perhaps sent")
TROUBLE = ("429:5%", "reset-before:3%", "reset-after-commit:4%", "slow:40ms:50%")
WAYS: dict[str, dict[str, Any]] = {
    "ids": {"system": "avalanchio", "delivery": {"id": "derived"}},
    "stamp": {"system": "avalanchio", "delivery": {"stamp": "stamp"}},
    "evidence": {"system": "aito", "delivery": {"evidence_key": "n"}},
    "none": {"system": "avalanchio", "delivery": {}},
}


def write_data(folder: Path, kind: str, bad: str = "?") -> Path:
    """Two files of which every other record has no number for a price."""
    half = RECORDS // 2
    for name, numbers in (("a", range(half)), ("b", range(half, RECORDS))):
        prices = [(n, bad if n in BAD else f"{n}.5") for n in numbers]
        if kind == "csv":
            lines = ["n,price", *(f"{n},{price}" for n, price in prices)]
        else:
            lines = [f'{{"n": {n}, "price": "{price}"}}' for n, price in prices]
        (folder / f"{name}.{kind}").write_text("\n".join(lines) + "\n")
    return folder / f"a.{kind}"


def write_job(folder: Path, way: str, kind: str = "csv", **limits: float) -> Path:
    """A job that loads them."""
    wanted = WAYS[way]
    delivery = {"longest_server_s": 1.0, **wanted["delivery"]}
    job = folder / "job.toml"
    job.write_text(
        f"""
[source]
paths = ["a.{kind}", "b.{kind}"]
rest = "drop"
[fields]
n = {{ type = "integer" }}
price = {{ type = "decimal" }}
file = {{ from = "@stem" }}
line = {{ from = "@line", type = "integer" }}
[target]
system = "{wanted["system"]}"
table = "t"
create = true
[rejects]
max_count = {RECORDS}
[limits]
records = {BATCH}
in_flight = 4
"""
        + "".join(f"{key} = {value}\n" for key, value in limits.items())
        + "[delivery]\n"
        + "".join(f"{key} = {orjson.dumps(value).decode()}\n" for key, value in delivery.items())
    )
    return job


def environment(server: Running) -> dict[str, str]:
    """What either service is reached by."""
    return credentials(server) | {"AITO_URL": server.url, "AITO_API_KEY": "sandbox"}


def told(folder: Path, *arguments: str | Path) -> list[str | Path]:
    """Arguments with the places of state and report."""
    report = folder / "report.json"
    return [*arguments, "--state-dir", folder / "state", "--report", report, "--progress", "none"]


def ran(folder: Path, server: Running, *arguments: str | Path) -> tuple[int, Command]:
    """One command to its end."""
    (folder / "report.json").unlink(missing_ok=True)
    line = told(folder, *arguments) if arguments[0] == "replay" else arguments
    with command(folder, *line, env=environment(server)) as running_one:
        return running_one.process.wait(60), running_one


def rejects_path(folder: Path) -> Path:
    """The rejects of the only run."""
    (found,) = (folder / "state" / "runs").glob("*/rejects.ndjson")
    return found


def mend(path: Path) -> int:
    """Give the records in a rejects file their prices; how many."""
    lines = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    for line in lines:
        (number,) = re.findall(r"\d+", line["raw"])
        line["raw"] = line["raw"].replace("?", f"{number}.5")
    path.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    return len(lines)


def rows(server: Running, way: str) -> list[dict[str, Any]]:
    """Every row of the table."""
    if WAYS[way]["system"] == "avalanchio":
        return server.rows("t")
    asked = {"from": "t", "limit": 100_000}
    headers = {"x-api-key": "sandbox", "Authorization": ""}
    found: list[dict[str, Any]] = server.http.post(
        "/api/v1/_query", json=asked, headers=headers
    ).json()["hits"]
    return found


def values(found: list[dict[str, Any]]) -> Counter[tuple[int, float, str, int]]:
    """What is in them, counted."""
    return Counter((row["n"], float(row["price"]), row["file"], row["line"]) for row in found)


def expected(kind: str) -> set[tuple[int, float, str, int]]:
    """What the mended files hold; a CSV file has a header in its first line."""
    half, first = RECORDS // 2, 2 if kind == "csv" else 1
    return {(n, n + 0.5, "ab"[n >= half], n % half + first) for n in range(RECORDS)}


def has_seen(server: Running, requests: int) -> bool:
    """Whether so many requests with records came."""
    return bool(server.stats()["requests"] >= requests)


@pytest.mark.parametrize(
    ("way", "kind", "seed"),
    [
        ("ids", "csv", 0),
        ("ids", "ndjson", 1),
        ("stamp", "csv", 3),
        ("evidence", "csv", 4),
        ("none", "ndjson", 5),
    ],
)
def test_killed_amidst_a_replay(tmp_path, way, kind, seed):
    """With ids, stamps and keys every record is there once; with none of them no record is missing,
    and each that is doubled is in a batch that the report names."""
    draw = random.Random(seed)
    write_data(tmp_path, kind)
    job = write_job(tmp_path, way, kind)
    faults = [part for spec in TROUBLE for part in ("--fault", spec)]
    taken_up = 0
    with running(tmp_path / "data", *faults, "--seed", str(seed)) as server:
        _, first = ran(tmp_path, server, "run", job)
        assert first.report["records"]["rejected"] == len(BAD), first.stderr
        assert mend(rejects_path(tmp_path)) == len(BAD)
        for kill in range(KILLS + 1):
            wanted = server.stats()["requests"] + draw.randint(1, 6)
            line = told(tmp_path, "replay")
            with command(tmp_path, *line, env=environment(server)) as replayed:
                if kill < KILLS:
                    replayed.until(partial(has_seen, server, wanted), "requests")
                    time.sleep(draw.uniform(0, 0.02))
                    replayed.process.send_signal(signal.SIGKILL)
                replayed.process.wait(60)
            taken_up += bool(TAKEN_UP.search(replayed.stderr))
        time.sleep(0.3)  # what a killed process left on its way may land until now
        found = values(rows(server, way))
    report = replayed.report
    assert taken_up > 0, "it was never killed with a body on its way"
    assert report["records"]["rejected"] == 0, replayed.stderr
    assert set(found) == expected(kind)
    doubled = {(file, line) for (_, _, file, line), times in found.items() if times > 1}
    header = kind == "csv"
    named = {
        (span["file"].partition(".")[0], number + header)
        for batch in report["ambiguous"]
        for span in batch["spans"]
        for number in range(span["first"], span["last"] + 1)
    }
    if way == "none":
        assert doubled <= named
        assert replayed.process.returncode == 6
    else:
        assert (doubled, report["ambiguous"], replayed.process.returncode) == (set(), [], 0)
        assert counts(report)["accepted"] == RECORDS
    (run,) = (tmp_path / "state" / "runs").iterdir()
    assert sorted(path.name for path in run.iterdir() if path.name != "rows_before.json") == [
        "job.json",
        "mapping.json",
        "report.json",
    ]


def test_mended_in_place_and_in_the_job(tmp_path):
    """One record by its raw, the others by another mapping; what is left stays, with new words."""
    write_data(tmp_path, "csv")
    job = write_job(tmp_path, "stamp")
    with running(tmp_path / "data") as server:
        code, first = ran(tmp_path, server, "run", job)
        before = first.report
        path = rejects_path(tmp_path)
        lines = path.read_text().splitlines()
        path.write_text("\n".join([lines[0].replace('"raw":"0,?"', '"raw":"0,0.5"'), *lines[1:]]))
        code, once = ran(tmp_path, server, "replay")
        assert code == 3, once.stderr
        once_report = once.report
        assert counts(once_report) == {"read": 2000, "accepted": 1001, "rejected": 999}
        left = [orjson.loads(line) for line in path.read_bytes().splitlines()]
        assert [(one["file"], one["record"]) for one in left[:2]] == [("a.csv", 3), ("a.csv", 5)]
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        # A question mark means that there is no price, says the job today.
        job.write_text(job.read_text().replace('rest = "drop"', 'rest = "drop"\nnulls = ["", "?"]'))
        code, twice = ran(tmp_path, server, "replay")
        found = rows(server, "stamp")
    assert code == 0, twice.stderr
    report = twice.report
    assert counts(report) == {"read": 2000, "accepted": 2000}
    assert report["rejects"] == {"file": None, "by_reason": {}}
    assert (report["state"], report["exit_code"], report["run"]) == ("done", 0, before["run"])
    keys = ("replayed", "accepted", "rejected", "exit_code")
    said = [tuple(replay[key] for key in keys) for replay in report["replays"]]
    assert said == [(1000, 1, 999, 3), (999, 999, 0, 0)]
    assert [r["requests"] for r in report["replays"]] == [1, 20]
    assert report["requests"]["sent"] == before["requests"]["sent"] + 21
    assert not path.exists()
    assert len({row["n"] for row in found}) == len(found) == 2000
    assert sum(row["price"] is None for row in found) == 999
    stamps = Counter(row["stamp"] for row in found)
    assert len(stamps) == before["requests"]["sent"] + 21, "no two bodies have one stamp"
    assert all(stamp.startswith(report["run"] + ":") for stamp in stamps)


def test_what_the_service_refused_is_sent_again(tmp_path):
    """Rejects of the stage send: the table has a unique key, and the record is given another."""
    with running(tmp_path / "data") as server:
        table = server.make({"name": "k", "type": "Bigint", "unique": True})
        (tmp_path / "a.csv").write_text("k\n1\n2\n1\n3\n")
        arguments = ["load", tmp_path / "a.csv", "--to", f"avalanchio:{table}"]
        code, first = ran(tmp_path, server, *arguments)
        assert first.report["rejects"]["by_reason"] == {"refused_by_service": 1}, first.stderr
        path = rejects_path(tmp_path)
        code, again = ran(tmp_path, server, "replay")
        assert (code, again.report["rejects"]["by_reason"]) == (3, {"refused_by_service": 1})
        path.write_text(path.read_text().replace('"raw":"1"', '"raw":"4"'))
        code, mended = ran(tmp_path, server, "replay")
        found = sorted(row["k"] for row in server.rows(table))
    assert (code, found) == (0, [1, 2, 3, 4]), mended.stderr


def test_interrupted_and_replayed_again(tmp_path):
    """What was not sent stays rejected, and mended; the next replay sends it."""
    write_data(tmp_path, "csv")
    job = write_job(tmp_path, "ids", requests_per_s=40)
    with running(tmp_path / "data", "--fault", "slow:50ms:100%") as server:
        ran(tmp_path, server, "run", job)
        mend(rejects_path(tmp_path))
        before = server.stats()["requests"]
        line = told(tmp_path, "replay")
        with command(tmp_path, *line, env=environment(server)) as replayed:
            replayed.until(lambda: server.stats()["requests"] > before + 2, "a batch")
            replayed.tell(signal.SIGTERM)
            assert replayed.ended() == 143, replayed.stderr
        first = replayed.report
        assert (first["state"], first["exit_code"]) == ("done", 3)
        assert 0 < first["replays"][0]["left"] == first["records"]["rejected"] < len(BAD)
        assert first["replays"][0]["exit_code"] == 143
        left = rejects_path(tmp_path).read_text()
        assert left.count("\n") == first["records"]["rejected"]
        assert "?" not in "".join(re.findall(r'"raw":".*"', left))
        code, again = ran(tmp_path, server, "replay")
        found = values(rows(server, "ids"))
    assert code == 0, again.stderr
    assert found == Counter(expected("csv"))
    assert [replay["left"] for replay in again.report["replays"]][1:] == [0]


def test_what_is_open_is_made_again_as_it_was(tmp_path):
    """With another mapping the bodies that were perhaps sent can't be: refused, and nothing sent;
    put back, they are settled. What was mended meanwhile waits for the next replay."""
    write_data(tmp_path, "csv")
    job = write_job(tmp_path, "ids")
    with running(tmp_path / "data", "--fault", "slow:200ms:100%") as server:
        ran(tmp_path, server, "run", job)
        path = rejects_path(tmp_path)
        mend(path)
        first, *rest = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(first.replace(b'"raw":"0,0.5"', b'"raw":"0,?"') + b"".join(rest))
        before = server.stats()["requests"]
        with command(tmp_path, *told(tmp_path, "replay"), env=environment(server)) as replayed:
            replayed.until(lambda: server.stats()["requests"] > before + 5, "requests")
            replayed.process.kill()
        path.write_bytes(first + b"".join(rest))
        right = job.read_text()
        other = right.replace('price = { type = "decimal" }', "price = { value = 7.5 }")
        job.write_text(other)
        sent = server.stats()["requests"]
        code, refused = ran(tmp_path, server, "replay")
        assert code == 2, refused.stderr
        assert "batch" in refused.stderr
        assert server.stats()["requests"] == sent
        job.write_text(right)
        code, taken_up = ran(tmp_path, server, "replay")
        assert (code, TAKEN_UP.search(taken_up.stderr) is None) == (3, False), taken_up.stderr
        assert path.read_bytes() == first, "it was mended after the replay had begun"
        code, last = ran(tmp_path, server, "replay")
        found = values(rows(server, "ids"))
    assert code == 0, last.stderr
    assert found == Counter(expected("csv"))


def test_a_run_that_is_not_finished_and_one_that_is_running(tmp_path):
    """Exit 2 with the way on, and exit 5."""
    write_data(tmp_path, "csv")
    job = write_job(tmp_path, "none")
    with running(tmp_path / "data", "--fault", "slow:2s:100%") as server:
        assert ran(tmp_path, server, "run", job, "--limit", "60")[0] == 3
        code, refused = ran(tmp_path, server, "replay")
        assert code == 2
        assert "take it up first" in refused.stderr
        before = server.stats()["requests"]
        (tmp_path / "other").mkdir()
        with command(tmp_path, "run", job, env=environment(server)) as under_way:
            under_way.until(lambda: server.stats()["requests"] > before, "a request")
            replay = ("replay", "--state-dir", str(tmp_path / "state"))
            with command(tmp_path / "other", *replay, env=environment(server)) as second:
                assert second.ended() == 5, second.stderr
    assert "another run holds this job" in second.stderr
