"""Other people's rows stand beside ours while lost answers are settled, and stay as they are.

A thousand of them, with values that a careless question would match or choke on: quotes, `%`, a
backslash, a condition that is always true. Every third request loses its answer, done or not done,
so that a count that took a foreign row for ours would show as a missing, a doubled or an ambiguous
record.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from tests.end_to_end import counts, job_of, load, rejects_of
from tests.sandbox.conftest import Running, running

NASTY = (
    "x' OR '1'='1", "' OR 1=1 --", "'; drop table t; --", "%", "_", "\\", "\\'", '"', '""', "'",
    "''", "*", "", " ", "null", "ü\u0301", "20261121-221500-job-4f2a:000001", "job", "\u202e",
)  # fmt: skip
FOREIGN, OURS, BATCH = 1_000, 400, 10
FAULTS = ("reset-after-commit:17%", "reset-before:17%")
AITO = {"x-api-key": "sandbox", "Authorization": ""}
pytestmark = pytest.mark.usefixtures("impatient")


def nasty(number: int) -> str:
    """A value that is unique by its number."""
    return f"{NASTY[number % len(NASTY)]}{number}"


def written(folder: Path) -> Counter[tuple[str, int]]:
    """Our file, and the rows that it means."""
    ours = [(nasty(n), n) for n in range(OURS)]
    with (folder / "a.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["k", "n"])
        writer.writerows(ours)
    return Counter(ours)


def faulty(folder: Path) -> Any:
    """A sandbox that loses every third answer."""
    options = [part for spec in FAULTS for part in ("--fault", spec)]
    return running(folder / "data", *options, "--seed", "4")


def keep_trying(call: Callable[[], httpx.Response]) -> None:
    """A request of the test's own, until its answer comes."""
    while True:
        try:
            answer = call()
        except httpx.TransportError:
            continue
        assert answer.status_code == 200, answer.text
        return


def foreign_bytes(server: Running) -> bytes:
    """Every byte of the foreign rows as the service shows them."""
    answer = server.sql(f"select * from t where n > {OURS} order by id")
    assert answer.status_code == 200, answer.text
    return answer.content


@pytest.mark.parametrize(
    ("column", "delivery"),
    [
        ("stamp", {"stamp": "stamp"}),
        ("order", {"stamp": "order"}),
        ("stamp", {"id": "derived"}),
    ],
    ids=["stamp", "a stamp that is a key word", "derived ids"],
)
def test_settling_at_avalanchio(tmp_path, column, delivery):
    """By stamp and by derived ids: ours once each, nothing ambiguous, theirs as they were."""
    ours = written(tmp_path)
    text = {"type": "Text", "indexed": True}
    columns = [{"name": "k", **text}, {"name": column, **text}, {"name": "n", "type": "Bigint"}]
    theirs = [
        {"id": i + 1, "k": nasty(i), column: NASTY[-1 - i % len(NASTY)], "n": OURS + 1 + i}
        for i in range(FOREIGN)
    ]
    with faulty(tmp_path) as server:
        made = server.http.post("/api/v1/schema/tables", json={"name": "t", "columns": columns})
        assert made.status_code == 200, made.text
        keep_trying(lambda: server.insert("t", *theirs))  # their ids make it harmless
        before = foreign_bytes(server)
        target: dict[str, Any] = {"create": False}
        settings = {"limits": {"records": BATCH}, "target": target}
        wanted: dict[str, Any] = {"longest_server_s": 0.1, **delivery}
        run = load(server, job_of(tmp_path, "t", "a.csv", delivery=wanted, **settings), tmp_path)
        after = foreign_bytes(server)
        found = server.rows("t", "k, n")
    assert run.report["requests"]["failed"] > 5
    assert (run.code, counts(run.report)) == (0, {"read": OURS, "accepted": OURS}), rejects_of(
        run.report
    )
    assert Counter((row["k"], row["n"]) for row in found if row["n"] <= OURS) == ours
    assert len(orjson.loads(before)["rows"]) == FOREIGN
    assert after == before


def hits(server: Running) -> list[dict[str, Any]]:
    """Every row of the table at aito."""
    asked = {"from": "t", "limit": 100_000}
    answer = server.http.post("/api/v1/_query", json=asked, headers=AITO)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["hits"]
    return found


@pytest.mark.parametrize("via", ["batch", "stream"])
def test_settling_at_aito(tmp_path, monkeypatch, via):
    """By an evidence key with such values: ours once each, nothing ambiguous, theirs as before."""
    ours = written(tmp_path)
    columns = {"k": {"type": "String"}, "n": {"type": "Int"}}
    theirs = [{"k": f"theirs {nasty(i)}", "n": OURS + 1 + i} for i in range(FOREIGN - 19)]
    theirs += [{"k": value, "n": 2 * FOREIGN} for value in NASTY]
    with faulty(tmp_path) as server:
        monkeypatch.setenv("AITO_URL", server.url)
        monkeypatch.setenv("AITO_API_KEY", "sandbox")
        made = {"type": "table", "columns": columns}
        assert server.http.put("/api/v1/schema/t", json=made, headers=AITO).status_code == 200
        while not hits(server):
            with suppress(httpx.TransportError):
                server.http.post("/api/v1/data/t/batch", json=theirs, headers=AITO)
        before = [row for row in hits(server) if row["n"] > OURS]
        target = {"system": "aito", "create": False, "via": via}
        settings = {"limits": {"records": BATCH}, "target": target}
        wanted = {"longest_server_s": 0.1, "evidence_key": "k"}
        run = load(server, job_of(tmp_path, "t", "a.csv", delivery=wanted, **settings), tmp_path)
        found = hits(server)
    assert run.report["requests"]["failed"] > 5
    assert (run.code, counts(run.report)) == (0, {"read": OURS, "accepted": OURS})
    assert Counter((row["k"], row["n"]) for row in found if row["n"] <= OURS) == ours
    assert len(before) == FOREIGN
    assert orjson.dumps([row for row in found if row["n"] > OURS]) == orjson.dumps(before)
