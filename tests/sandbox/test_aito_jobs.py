"""Jobs: created, looked at, fetched; what fails is fetched as its refusal."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import pytest

from ingest.sandbox.aito_jobs import KEPT, Jobs
from ingest.sandbox.refusal import Refused
from tests.sandbox.aito_calls import INT, Aito, said, speaking
from tests.sandbox.conftest import Running


@pytest.fixture(params=["/api/v1", "/api/v2", "/db/one/api/v1"])
def aito(sandbox: Running, request: pytest.FixtureRequest) -> Iterator[Aito]:
    """A client of each version, and of a multitenant database."""
    with speaking(sandbox, request.param) as one:
        yield one


def result_path(aito: Aito, path: str, payload: object) -> str:
    """Create a job, see that it is done, and say where its result is."""
    created = aito.post(f"jobs/{path}", payload).json()
    assert created.keys() == {"id", "startedAt"}
    status = aito.get(f"jobs/{created['id']}").json()
    assert status.keys() == {"id", "startedAt", "finishedAt", "expiresAt"}
    assert status["id"] == created["id"]
    assert datetime.fromisoformat(status["finishedAt"]) >= datetime.fromisoformat(
        status["startedAt"]
    )
    return f"jobs/{created['id']}/result"


def test_every_operation_can_be_a_job(aito: Aito) -> None:
    """Its result is what the endpoint itself answers, as often as it is asked for."""
    table = aito.made(n=INT)
    query = {"from": table, "limit": 5}
    paths = [
        (f"data/{table}/batch", [{"n": 1}, {"n": 2}]),
        (f"data/{table}/optimize", {}),
        ("_query", query),
        ("_search", query),
        ("data/_modify", {"operations": [{"optimize": table}]}),
        ("data/_delete", {"from": table, "where": {}}),
    ]
    for path, payload in paths:
        where = result_path(aito, path, payload)
        answers = [aito.get(where) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [200, 200]
        assert answers[0].json() == answers[1].json()
        if path in {"_query", "_search"}:
            assert answers[0].json() == aito.post(path, query).json()
    assert aito.query(table)["total"] == 0


def test_a_job_that_fails_has_finished(aito: Aito) -> None:
    """And its result is the refusal, in the shape of the version."""
    table = aito.made(n=INT)
    answer = aito.get(result_path(aito, f"data/{table}/batch", [{"n": 1}, {"n": "x"}]))
    code = "data.bad_request" if aito.base.endswith("v2") else None
    assert said(answer, 400, code).startswith("failed to read field 'n'")
    assert aito.query(table)["total"] == 0


def test_what_is_no_job(aito: Aito) -> None:
    """An unknown path, an unknown id."""
    for path in ("_predict", "schema", "data/x/quux", "data/x/file"):
        assert said(aito.post(f"jobs/{path}", {}), 404)
    for path in ("jobs/nothing", "jobs/nothing/result"):
        assert said(aito.get(path), 404) == "No such job: nothing"


def test_the_last_are_kept() -> None:
    """The oldest goes for a new one."""
    jobs = Jobs()
    ids = [jobs.run(dict).id for _ in range(KEPT + 1)]
    assert jobs.get(ids[1]).result() == {}
    with pytest.raises(Refused, match="No such job"):
        jobs.get(ids[0])
