"""What proxies in front of a service do to requests: cuts, delays, refusals of their own.

Not our idea of what a proxy does, but mitmproxy and Envoy themselves, on real sockets.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.envoy import ENVOY, NO_ENVOY, fault
from tests.end_to_end import Run, counts, job_of, load
from tests.faults.proxies import MITMDUMP, NO_MITMDUMP, envoy, mitmproxy
from tests.sandbox.conftest import Running, running

RECORDS, BATCH = 300, 10
EVERY_ROW = dict.fromkeys(range(1, RECORDS + 1), 1)
STAMP = {"stamp": "stamp", "longest_server_s": 1.0}
pytestmark = pytest.mark.usefixtures("impatient")
needs_mitmproxy = pytest.mark.skipif(MITMDUMP is None, reason=NO_MITMDUMP)
needs_envoy = pytest.mark.skipif(ENVOY is None, reason=NO_ENVOY)


def loaded(server: Running, folder: Path, table: str, **sections: dict[str, Any]) -> Run:
    """Load by way of a proxy."""
    lines = "".join(f"{n},name {n}\n" for n in range(1, RECORDS + 1))
    (folder / "a.csv").write_text(f"n,name\n{lines}")
    limits = {"records": BATCH, "in_flight": 4, **sections.pop("limits", {})}
    return load(server, job_of(folder, table, "a.csv", limits=limits, **sections), folder)


def rows(server: Running, table: str) -> dict[int, int]:
    """How often each n is in the table."""
    return dict(Counter(row["n"] for row in server.rows(table, "n")))


# --- mitmproxy ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cutting(sandbox: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The sandbox behind mitmproxy."""
    if MITMDUMP is None:
        pytest.skip(NO_MITMDUMP)
    with mitmproxy(sandbox, tmp_path_factory.mktemp("mitmproxy")) as one:
        yield one


@needs_mitmproxy
@pytest.mark.parametrize("fate", ["before", "after", "limit", "delay"])
def test_mitmproxy_in_between(cutting, sandbox, tmp_path, fate):
    """Cut before forwarding, cut after the commit, 429 with Retry-After, an answer beyond the time
    to read: settled by the stamp, every row once."""
    limits = {"read_timeout_s": 0.3 if fate == "delay" else 30.0}
    run = loaded(cutting, tmp_path, f"{fate}_settled", limits=limits, delivery=STAMP)
    assert (run.code, rows(sandbox, f"{fate}_settled")) == (0, EVERY_ROW), run.listener.notes
    failed = run.report["requests"]["failed"]
    assert failed == 2 or (fate == "delay" and failed > 2)


@needs_mitmproxy
def test_a_cut_after_the_commit_without_a_way_to_settle(cutting, sandbox, tmp_path):
    """None is missing, and the doubled ones are exactly those that the report names."""
    run = loaded(cutting, tmp_path, "after_named")
    spans = [span for batch in run.report["ambiguous"] for span in batch["spans"]]
    named = {n for span in spans for n in range(span["first"], span["last"] + 1)}
    found = rows(sandbox, "after_named")
    assert (run.code, set(found), len(named)) == (6, set(EVERY_ROW), 2 * BATCH)
    assert {n for n, times in found.items() if times > 1} == named


# --- Envoy ----------------------------------------------------------------------------------


@needs_envoy
@pytest.mark.parametrize("status", [429, 500, 503, 504])
def test_envoy_aborts_and_delays(sandbox, tmp_path, status):
    """A third of the requests is answered by the proxy, a third is late: every row once."""
    abort = {"http_status": status, "percentage": {"numerator": 33}}
    delay = {"fixed_delay": "0.05s", "percentage": {"numerator": 33}}
    table = f"envoy_{status}"
    settings = {**STAMP, "longest_server_s": 0.05}
    with envoy(sandbox, tmp_path / "envoy", fault(abort=abort, delay=delay)) as server:
        run = loaded(server, tmp_path, table, delivery=settings)
    assert (run.code, rows(sandbox, table)) == (0, EVERY_ROW), run.listener.notes
    assert counts(run.report) == {"read": RECORDS, "accepted": RECORDS}
    assert run.report["requests"]["failed"] > 0


@needs_envoy
def test_envoy_gives_up_and_the_service_commits_later(tmp_path):
    """504 from the proxy while the service still works: the late commit is waited for."""
    with running(tmp_path / "data", "--fault", "slow:500ms:15%", "--seed", "2") as service:
        with envoy(service, tmp_path / "envoy", timeout="0.2s") as server:
            run = loaded(server, tmp_path, "late", delivery={**STAMP, "longest_server_s": 3.0})
        found, stats = rows(service, "late"), service.stats()
    assert (run.code, found) == (0, EVERY_ROW), (run.listener.notes, stats)
    assert run.report["requests"]["failed"] > 0


@needs_envoy
def test_a_503_of_a_proxy_that_lost_the_service(tmp_path):
    """Envoy answers 503 where the service broke off after it had committed: its words ("reset
    before headers ... connection termination") say so, and nothing may be doubled silently."""
    with running(tmp_path / "data", "--fault", "reset-after-commit:15%", "--seed", "2") as service:
        with envoy(service, tmp_path / "envoy") as server:
            run = loaded(server, tmp_path, "lost", delivery={**STAMP, "longest_server_s": 0.1})
        found = rows(service, "lost")
    assert (run.code, found) == (0, EVERY_ROW), run.listener.notes
    assert run.report["requests"]["failed"] > 0
