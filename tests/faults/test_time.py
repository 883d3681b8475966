"""Pauses that a service asks for, and limits of time for one that does not answer."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from itertools import pairwise

import anyio
import pytest

from ingest import governor
from ingest.errors import Retryable
from ingest.wire import Timeouts, Wire
from tests.batches import sized_batch
from tests.end_to_end import load, new_table
from tests.faults.front import front, never, passes, says
from tests.faults.loads import EVERY_ROW, STAMP, job_at, rows, struck

pytestmark = pytest.mark.usefixtures("impatient")


@pytest.mark.parametrize(
    "value",
    ["0", "0.05", "-5", "soon", "", "Thu, 01 Jan 1970 00:00:00 GMT", "86400", None],
)
def test_retry_after_in_all_its_forms(sandbox, tmp_path, monkeypatch, value):
    """Now, past, garbage, none, a day (capped): the run goes on and every row lands once."""
    monkeypatch.setattr(governor, "PAUSE_CAP_S", 0.1)
    headers = {} if value is None else {"Retry-After": value}
    act = says(429, headers=headers)
    run, found = struck(sandbox, tmp_path, act, act, limits={"in_flight": 4})
    assert (run.code, found) == (0, EVERY_ROW)


def test_one_pause_for_all_writers(sandbox, tmp_path):
    """One of eight is told to wait a second: nobody sends anything in that second."""
    table = new_table()
    job = job_at(tmp_path, table, limits={"in_flight": 8, "records": 5})
    with front(sandbox, *[passes] * 8, says(429, headers={"Retry-After": "1"})) as (server, log):
        run = load(server, job, tmp_path)
    assert (run.code, rows(sandbox, table)) == (0, EVERY_ROW)
    # Others were on their way when the answer came; then nobody for a second, then all the rest.
    after = log.arrivals_s[8:]
    gaps = [later - earlier for earlier, later in pairwise(after)]
    assert max(gaps) > 0.9
    assert len(after) - gaps.index(max(gaps)) > 15


def full_backlog(stack: ExitStack) -> int:
    """The port of a listener that never accepts and whose queue is full."""
    listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
    address = listener.getsockname()
    for _ in range(4):
        waiting = stack.enter_context(socket.socket())
        waiting.setblocking(False)
        waiting.connect_ex(address)
    return int(address[1])


@pytest.mark.anyio
async def test_slow_to_accept_has_a_limit_of_its_own():
    """No connection within the time to connect: surely not applied, whatever else is allowed."""
    with ExitStack() as stack:
        port = full_backlog(stack)
        timeouts = Timeouts(connect_s=0.2, read_s=60, write_s=60, total_s=60)
        async with Wire(f"http://127.0.0.1:{port}", timeouts=timeouts) as wire:
            with anyio.fail_after(5), pytest.raises(Retryable, match="no connection"):
                await wire.post_batch("/", sized_batch(1_000))


def test_never_an_answer_has_a_limit_of_its_own(sandbox, tmp_path):
    """The body was handed over: ambiguous after `read_timeout_s`, then settled; the run ends."""
    limits = {"read_timeout_s": 0.5}
    run, found = struck(sandbox, tmp_path, passes, never, limits=limits, delivery=STAMP)
    assert (run.code, found) == (0, EVERY_ROW)
    assert run.report["requests"]["failed"] >= 1
