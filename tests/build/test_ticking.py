"""The ticks of a run make its timeline, and the report holds it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.end_to_end import job_of, load, new_table
from tests.sandbox.conftest import running

ROWS = 3000


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_the_report_has_the_runs_course(tmp_path, backend):
    """What the points hold adds up to the report's totals, pauses and requests included."""
    (tmp_path / "a.csv").write_text("a\n" + "".join(f"{n}\n" for n in range(ROWS)))
    limits = {"records": 500, "in_flight": 2}
    with running(tmp_path / "s", "--fault", "429:first1:300ms") as server:
        run = load(server, job_of(tmp_path, new_table(), "a.csv", limits=limits), tmp_path, backend)
    course: dict[str, Any] = run.report["timeline"]
    assert sum(course["accepted"]) == run.report["records"]["accepted"] == ROWS
    assert sum(course["requests"]) == run.report["requests"]["sent"]
    assert sum(course["bytes_sent"]) == run.report["bytes"]["sent"]
    assert course["seconds"] == sorted(course["seconds"])
    assert course["seconds"][-1] <= run.report["seconds"]
    assert course["taken_up"] is False
    assert any(one is not None for one in course["latency_p50_ms"])
    learned = run.report["learned"]
    assert learned["refusals"] == learned["pauses"] == 1
    assert sum(course["paused_s"]) == pytest.approx(learned["paused_s"], abs=0.01)
