"""Whole runs against a service that refuses: again, apart, or not at all.

Each run sends 200 records in eight bodies by way of a front (`front`) that strikes chosen requests.
What a single attempt makes of each fault stands in `tests/wire`; here is what becomes of the run,
and of the rows, which are counted where they landed. Lost answers are in `test_doubt`.
"""

from __future__ import annotations

import threading
from collections import Counter

import pytest

from tests.end_to_end import counts, load, new_table
from tests.fake_server import FakeServer, answer
from tests.faults.front import (
    Struck,
    front,
    keeps_what_stands_before,
    larger_than,
    passes,
    refuses,
    says,
)
from tests.faults.loads import BATCH, BODIES, EVERY_ROW, RECORDS, job_at, rows, struck

pytestmark = pytest.mark.usefixtures("impatient")


# --- surely not applied ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "act",
    [says(408), says(429), says(503), says(409, b'{"code":"write.contention"}')],
    ids=["408", "429", "503", "contention"],
)
def test_what_was_surely_not_applied_is_sent_again(sandbox, tmp_path, act):
    """The very same body, until it lands: every row once, nothing ambiguous, exit 0."""
    run, found = struck(sandbox, tmp_path, act, act, passes, act)
    assert (run.code, found) == (0, EVERY_ROW)
    requests = run.report["requests"]
    assert (requests["sent"], requests["retried"], requests["failed"]) == (BODIES + 3, 3, 3)


def test_an_outage_beyond_the_budget_is_taken_up_later(sandbox, tmp_path):
    """Exit 7 and nothing counted as lost; the same job lands whole when the service is back."""
    table, is_back = new_table(), threading.Event()
    down = says(503)

    def until_it_is_back(struck: Struck) -> None:
        (passes if is_back.is_set() else down)(struck)

    with front(sandbox, *[until_it_is_back] * 1_000) as (server, _):
        job = job_at(tmp_path, table, limits={"retry_budget_s": 0.05})
        first = load(server, job, tmp_path)
        assert rows(sandbox, table) == {}
        is_back.set()
        again = load(server, job, tmp_path)
    assert (first.code, counts(first.report)["unsent"]) == (7, RECORDS)
    assert first.report["error"]["retryable"] is True
    assert (again.code, rows(sandbox, table)) == (0, EVERY_ROW)
    assert again.report["run"] == first.report["run"]


# --- for good -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("act", "code", "words"),
    [
        (says(200, b"<html><title>Log in</title>", content_type="text/html"), 1, "Log in"),
        (says(404, b'{"message":"No such table: t"}'), 1, "No such table"),
        (says(401, b'{"message":"expired"}'), 7, "token that worked"),
        (says(403, b'{"message":"revoked"}'), 7, "token that worked"),
        (says(429, b"Quota Exceeded"), 7, "quota is used up"),
    ],
    ids=["login page", "404", "401", "403", "quota"],
)
def test_trouble_of_the_run_rejects_nothing_and_stops_it(sandbox, tmp_path, act, code, words):
    """What landed before is there, all else unsent; nothing is counted as success by mistake."""
    run, found = struck(sandbox, tmp_path, passes, act)
    first = dict.fromkeys(range(1, BATCH + 1), 1)
    assert (run.code, found) == (code, first)
    assert counts(run.report)["accepted"] == BATCH
    assert counts(run.report).keys() == {"read", "accepted", "unsent"}
    assert words in run.report["error"]["message"]
    assert run.report["error"]["hint"]


def test_a_token_that_expired_is_renewed_and_the_run_goes_on(sandbox, tmp_path):
    """The same command with a token that works: the rest lands, cumulative accounts, exit 0."""
    table = new_table()
    with front(sandbox, passes, passes, says(401)) as (server, _):
        job = job_at(tmp_path, table)
        first = load(server, job, tmp_path)
        again = load(server, job, tmp_path)
    assert (first.code, again.code) == (7, 0)
    assert again.report["run"] == first.report["run"]
    assert counts(again.report) == {"read": RECORDS, "accepted": RECORDS}
    assert rows(sandbox, table) == EVERY_ROW


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_stops_the_run_and_leads_nowhere(sandbox, tmp_path, status):
    """The other host gets no connection; the error says where to, without a signature."""
    with FakeServer(answer(200, b"{}")) as other:
        there = {"Location": f"{other.base_url}/login?signature=abc"}
        run, found = struck(sandbox, tmp_path, says(status, b"", headers=there))
        assert other.connections == 0
    assert (run.code, found) == (1, {})
    message = run.report["error"]["message"]
    assert ("not followed" in message, "signature" in message) == (True, False)


def test_a_conflict_is_a_refusal(sandbox, tmp_path):
    """Not contention: the record is found and rejected, the others land, nothing is insisted on."""
    table, bad = new_table(), 30
    job = job_at(tmp_path, table)
    with front(sandbox, *[refuses(409, bad)] * 1_000) as (server, log):
        run = load(server, job, tmp_path)
    expected = {n: 1 for n in EVERY_ROW if n != bad}
    assert (run.code, rows(sandbox, table)) == (3, expected), run.report["error"]
    assert [one["record"] for one in run.rejects] == [bad]
    bodies = Counter(bytes(one.body) for one in log.requests if b'"records"' in one.body)
    assert max(bodies.values()) <= 2


def test_a_body_that_is_too_large_is_split_and_the_limit_learned(sandbox, tmp_path):
    """A handful of answers 413 at the most; a record that is too large alone is a reject."""
    table = new_table()
    job = job_at(tmp_path, table, limits={"records": 50})
    path = tmp_path / "a.csv"
    path.write_text(path.read_text() + f"{RECORDS + 1},{'x' * 900}\n")
    with front(sandbox, *[larger_than(600)] * 1_000) as (server, _):
        run = load(server, job, tmp_path)
    assert (run.code, rows(sandbox, table)) == (3, EVERY_ROW)
    assert [one["record"] for one in run.rejects] == [RECORDS + 1]
    assert 1 <= run.report["requests"]["failed"] <= 9


def test_a_refusal_that_kept_a_part_stops_the_run(sandbox, tmp_path):
    """What stands before the bad record lands each time: halves would double it further, so the
    counts are compared, and the run stops with the facts."""
    run, found = struck(sandbox, tmp_path, *[keeps_what_stands_before(40)] * 1_000)
    assert (run.code, run.report["error"]["kind"]) == (6, "partial_apply")
    assert counts(run.report)["accepted"] == BATCH
    assert set(found) == set(range(1, 40))
    assert run.report["requests"]["sent"] <= 6
