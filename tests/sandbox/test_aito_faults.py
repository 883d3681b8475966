"""aito's own trouble: specs, scopes that don't meet, and what a client sees."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.sandbox import faults
from ingest.sandbox.faults import FORMS, Fate, Fault, FaultError, When, fate, parsed
from ingest.sandbox.halves import Settings, Shared
from tests.sandbox.aito_calls import INT, NDJSON, speaking
from tests.sandbox.conftest import API, Start

HALF = When(share=0.5)
KINDS = [
    ("throttled:50%", Fault("throttled", HALF), "records"),
    ("throttled:first2:3s", Fault("throttled", When(first=2), delay_s=3.0), "records"),
    ("quota:50%", Fault("quota", HALF), "records"),
    ("contention:50%", Fault("contention", HALF), "records"),
    ("expired-url:first1", Fault("expired-url", When(first=1)), "init"),
    ("s3-slowdown:50%", Fault("s3-slowdown", HALF), "put"),
    ("trigger-lost:50%", Fault("trigger-lost", HALF), "trigger"),
    ("slow-processing:2s:50%", Fault("slow-processing", HALF, delay_s=2.0), "trigger"),
    ("status-backwards:50%", Fault("status-backwards", HALF), "status"),
]
SCOPES = ["records", "init", "put", "trigger", "status"]
OLD = ["429:20%", "slow:10ms:20%", "reset-before:20%", "500:first3", "commit-late:1s:5%"]


@pytest.mark.parametrize(("spec", "fault", "scope"), KINDS)
def test_every_form(spec: str, fault: Fault, scope: str) -> None:
    """Each means what it says, strikes its own kind of request, and is in the help."""
    assert parsed(spec) == fault
    assert parsed(spec).scope == scope
    assert spec.partition(":")[0] in FORMS


@pytest.mark.parametrize(
    "spec",
    ["throttled", "throttled:5", "throttled:5%:2", "throttled:5%:2s:1s", "quota:5%:2s",
     "contention:2s:5%", "expired-url", "s3-slowdown:1s:5%", "slow-processing:5%",
     "slow-processing:5%:2s", "trigger-lost:5%:2s", "status-backwards:x"],
)  # fmt: skip
def test_what_is_no_form(spec: str) -> None:
    """Too little, too much, in the wrong order."""
    with pytest.raises(FaultError, match="is not understood"):
        parsed(spec)


@given(st.integers(), st.integers(1, 10**6), st.sampled_from(KINDS))
def test_old_specs_have_the_fates_they_always_had(
    seed: int, number: int, kind: tuple[str, Fault, str]
) -> None:
    """A spec of another scope behind them changes nothing."""
    old = [parsed(spec) for spec in OLD]
    if kind[2] != "records":
        assert fate([*old, kind[1]], seed, number) == fate(old, seed, number)
    assert fate(old, seed, number, kind[2]) == (
        fate(old, seed, number) if kind[2] == "records" else Fate()
    )


@pytest.mark.parametrize(("spec", "fault", "scope"), KINDS)
def test_a_fault_strikes_in_its_scope_alone(spec: str, fault: Fault, scope: str) -> None:
    """Always there, never elsewhere."""
    always = parsed(spec.replace("50%", "100%").replace("first2", "100%").replace("first1", "100%"))
    struck = [name for name in SCOPES if fate([always], 0, 1, name) != Fate()]
    assert struck == [scope]


def test_waits_of_a_trigger_add_up_and_do_not_decide() -> None:
    """As `slow` does for records."""
    specs = ["slow-processing:2s:100%", "trigger-lost:100%", "slow-processing:500ms:100%"]
    given_ = [parsed(spec) for spec in specs]
    assert fate(given_, 0, 1, faults.TRIGGER) == Fate(2.5, given_[1])


def test_each_scope_is_numbered_by_itself(tmp_path: Path) -> None:
    """From 1, whatever else arrives in between."""
    specs = ("429:first2", "expired-url:first1", "s3-slowdown:first2")
    shared = Shared(Settings(tmp_path, tuple(map(parsed, specs))))
    order = ["put", "records", "init", "records", "put", "records", "init", "put"]
    hit = [shared.next_fate(scope).fault is not None for scope in order]
    assert hit == [True, True, True, True, True, False, False, False]


@pytest.mark.parametrize(
    ("spec", "status", "headers", "code"),
    [
        ("throttled:first2", 429, {"x-error-cause": "Throttled"}, None),
        ("throttled:first2:1500ms", 429, {"x-error-cause": "Throttled", "retry-after": "2"}, None),
        ("quota:first2", 429, {"x-error-cause": "Quota Exceeded"}, None),
        ("contention:first2", 409, {"retry-after": "1"}, "write.contention"),
        ("503:first2:1s", 503, {"retry-after": "1"}, None),
        ("500:first2", 500, {}, None),
    ],
)
def test_what_a_client_sees(
    start: Start, spec: str, status: int, headers: dict[str, str], code: str | None
) -> None:
    """To the first two batches or streams; nothing of them is stored; both versions' shapes."""
    sandbox = start("--fault", spec)
    with speaking(sandbox) as v1, speaking(sandbox, "/api/v2") as v2:
        table = v1.made(n=INT)
        flat, second = v1.batch(table, {"n": 1}), v2.stream(table, b'{"n":2}')
        assert v1.batch(table, {"n": 3}).status_code == 200
        assert v1.rows(table) == [{"n": 3}]
    for answer in (flat, second):
        assert answer.status_code == status
        named = {name: answer.headers[name] for name in headers}
        assert named == headers
        assert ("retry-after" in answer.headers) == ("retry-after" in headers)
    expected = {"message", "status"} | ({"error"} if code else set())
    assert flat.json().keys() == expected
    assert flat.json().get("error") == code
    assert second.json().get("data", {}).get("code") == code


def test_resets(start: Start) -> None:
    """Before and after the commit, as for Avalanchio."""
    faults_ = ["--fault", "reset-before:first1", "--fault", "reset-after-commit:first2"]
    with speaking(start(*faults_)) as aito:
        table = aito.made(n=INT)
        for number in (1, 2):
            with pytest.raises(httpx.TransportError):
                aito.batch(table, {"n": number})
        assert aito.rows(table) == [{"n": 2}]


def test_only_batch_and_stream_are_struck(start: Start) -> None:
    """Schema, queries, deletes and jobs are not; Avalanchio's inserts are."""
    sandbox = start("--fault", "quota:100%")
    with speaking(sandbox) as aito:
        table = aito.made(n=INT)
        assert aito.query(table)["total"] == 0
        for path, payload in (
            ("data/_delete", {"from": table, "where": {}}),
            (f"data/{table}/optimize", {}),
            (f"jobs/data/{table}/batch", []),
        ):
            assert aito.post(path, payload).status_code == 200
        path = f"/db/x/api/v2/data/{table}/stream"
        assert aito.http.post(path, content=b"", headers=NDJSON).status_code == 429
    own = sandbox.make({"name": "age", "type": "Integer"})
    assert sandbox.http.post(f"{API}/tables/{own}", json={"records": []}).status_code == 429
