"""The rehearsal server as the kill loop asks it: rows of both halves, and when it is at rest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from benchmarks.killing import service as module
from benchmarks.killing.case import WAYS, Case
from benchmarks.killing.service import Service, serving, trouble
from ingest.sandbox import faults

AVALANCHIO, AITO = {"Authorization": "Bearer sandbox"}, {"x-api-key": "sandbox"}
COLUMNS = (("n", "Bigint", "Int"), ("price", "Double", "Decimal"), ("name", "Text", "String"))


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One for all tests here, without faults."""
    with serving(tmp_path_factory.mktemp("served"), (), 0) as running:
        yield running


def made(service: Service, case: Case, rows: int) -> None:
    """The case's table with so many rows."""
    records = [{"n": n, "price": n + 0.5, "name": f"text {n}"} for n in range(rows)]
    with httpx.Client(base_url=service.url, trust_env=False) as http:
        if case.way.system == "aito":
            columns = {name: {"type": kind, "nullable": True} for name, _, kind in COLUMNS}
            wish = {"type": "table", "columns": columns}
            answers = [
                http.put(f"/api/v1/schema/{case.table}", json=wish, headers=AITO),
                http.post(f"/api/v1/data/{case.table}/batch", json=records, headers=AITO),
            ]
        else:
            columns_ = [{"name": name, "type": kind} for name, kind, _ in COLUMNS]
            wish_ = {"name": case.table, "columns": columns_}
            path = f"/api/v1/tables/{case.table}"
            answers = [
                http.post("/api/v1/schema/tables", json=wish_, headers=AVALANCHIO),
                http.post(path, json={"records": records}, headers=AVALANCHIO),
            ]
    assert [answer.status_code for answer in answers] == [200, 200], answers[-1].text


@pytest.mark.parametrize("way", ["none", "evidence"])
@pytest.mark.parametrize("rows", [1, 2, 3, 7])
def test_rows_come_in_pages(
    service: Service, monkeypatch: pytest.MonkeyPatch, way: str, rows: int
) -> None:
    """All of them, cell by cell, whatever the pages' size; and the table goes when it may."""
    monkeypatch.setattr(module, "PAGE", 3)
    case = Case(WAYS[way], rows, table=f"t_{way}_{rows}")
    made(service, case, rows)
    assert set(service.rows(case).elements()) == case.rows()
    service.drop(case)
    with pytest.raises(RuntimeError, match="40"):
        service.rows(case)


def test_at_rest(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once nothing is under way; given up after the time that it was given."""
    assert service.at_rest(0)
    monkeypatch.setattr(Service, "stats", lambda _: {"concurrent": 1})
    assert not service.at_rest(0)


def test_the_environment_reaches_both_halves(service: Service) -> None:
    """By the variables that the program reads."""
    assert {service.url} == {service.environment[key] for key in ("AIO_BASE_URL", "AITO_URL")}


@pytest.mark.parametrize("late_s", [0.2, 1.0, 5.0])
def test_no_commit_is_later_than_was_said(late_s: float) -> None:
    """The slowest answer and the latest commit, one behind the other."""
    found = [faults.parsed(spec) for spec in trouble(late_s)]
    slow = sum(one.delay_s or 0 for one in found if one.kind == faults.SLOW)
    late = max(one.delay_s or 0 for one in found if one.kind == faults.COMMIT_LATE)
    assert 0.9 * late_s < slow + late <= late_s


def test_a_server_that_does_not_start(tmp_path: Path) -> None:
    """Said at once, not waited for."""
    with pytest.raises(RuntimeError, match="did not start"), serving(tmp_path, ("no:fault",), 0):
        pass
