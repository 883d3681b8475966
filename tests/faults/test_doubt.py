"""Whole runs against a service whose answers are lost, cut, or say neither yes nor no.

Settled where there is a way to, else sent once more and named, else not sent again: in each case
the rows are counted where they landed, and compared with what the report says of them.
"""

from __future__ import annotations

import pytest

from tests.end_to_end import counts, load, new_table
from tests.faults.front import (
    Act,
    cut_after,
    ends_the_run,
    front,
    hung_up_before,
    lost_after,
    lost_before,
    passes,
    says,
    says_after,
)
from tests.faults.loads import BATCH, EVERY_ROW, RECORDS, STAMP, job_at, named, rows, struck

pytestmark = pytest.mark.usefixtures("impatient")


DOUBTS: dict[str, tuple[Act, bool]] = {
    "reset before it was done": (lost_before, False),
    "reset after it was done": (lost_after, True),
    "kept-alive connection closed after the body": (hung_up_before, False),
    "answer cut": (cut_after, True),
    "500, not done": (says(500), False),
    "500, done": (says_after(500), True),
    "502, done": (says_after(502), True),
    "504, done": (says_after(504), True),
    "207": (says_after(207, b'{"results":[{"status":500}]}'), True),
    "200 with errors": (says_after(200, b'{"errors":[{"row":3}]}'), True),
    "200 with no JSON": (says_after(200, b"ok"), True),
}


@pytest.mark.parametrize("doubt", DOUBTS)
def test_what_was_perhaps_applied_is_settled(sandbox, tmp_path, doubt):
    """By the stamp: sent again only where it did not land. Every row once, exit 0."""
    act, landed = DOUBTS[doubt]
    run, found = struck(sandbox, tmp_path, passes, act, passes, act, delivery=STAMP)
    assert (run.code, found) == (0, EVERY_ROW), run.listener.notes
    assert run.report["requests"]["retried"] == (0 if landed else 2)
    assert run.report["requests"]["failed"] == 2


@pytest.mark.parametrize("doubt", DOUBTS)
def test_what_nothing_settles_is_sent_once_more_and_named(sandbox, tmp_path, doubt):
    """Exit 6, none missing; what is doubled is what is named, and nothing besides."""
    act, landed = DOUBTS[doubt]
    run, found = struck(sandbox, tmp_path, passes, act, passes)
    second = set(range(BATCH + 1, 2 * BATCH + 1))
    assert (run.code, named(run), set(found)) == (6, second, set(EVERY_ROW))
    assert {n for n, times in found.items() if times > 1} == (second if landed else set())
    assert counts(run.report)["ambiguous"] == BATCH


@pytest.mark.parametrize("doubt", ["reset before it was done", "reset after it was done"])
def test_with_stop_it_is_named_and_not_sent_again(sandbox, tmp_path, doubt):
    """Nothing is doubled; what may be missing is what is named."""
    act, landed = DOUBTS[doubt]
    run, found = struck(sandbox, tmp_path, passes, act, delivery={"on_ambiguous": "stop"})
    second = set(range(BATCH + 1, 2 * BATCH + 1))
    assert (run.code, named(run)) == (6, second)
    assert found == {n: 1 for n in EVERY_ROW if landed or n not in second}


@pytest.mark.parametrize("landed", [True, False])
def test_what_an_ended_run_had_open_is_cut_again_as_it_was(sandbox, tmp_path, landed):
    """Taken up with bodies of another size: the open one is made anew, settled by its stamp."""
    table = new_table()
    with front(sandbox, passes, passes, ends_the_run(done=landed)) as (server, _):
        job = job_at(tmp_path, table, delivery=STAMP)
        first = load(server, job, tmp_path, grace_s=0.0)
        assert (first.code, counts(first.report)["ambiguous"]) == (143, BATCH)
        job = job_at(tmp_path, table, delivery=STAMP, limits={"records": 40})
        again = load(server, job, tmp_path)
    assert (again.code, rows(sandbox, table)) == (0, EVERY_ROW), again.listener.notes
    assert counts(again.report) == {"read": RECORDS, "accepted": RECORDS}
