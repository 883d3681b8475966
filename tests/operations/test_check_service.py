"""What the service said of itself, judged."""

from __future__ import annotations

from typing import Any

import pytest

from ingest.errors import SettingsError, StoppedByService
from ingest.job import Job, make_job
from ingest.model import Column, Limits, Schema
from ingest.operations import check_service as service

SCHEMA = Schema("t", (Column("a", "Text"),))


def job(**limits: Any) -> Job:
    """A job with these limits."""
    target = {"system": "avalanchio", "table": "t"}
    return make_job({"name": "j", "source": {"paths": "a"}, "target": target, "limits": limits})


@pytest.mark.parametrize(
    ("ends_s", "renewable", "state"),
    [
        (None, False, "ok"),
        (99.0, False, "mend"),
        (100.0, True, "mend"),
        (101.0, False, "warn"),
        (101.0, True, "ok"),
        (100.0 + 86_401, False, "ok"),
    ],
)
def test_token(ends_s: float | None, renewable: bool, state: str) -> None:
    """Ended, soon, or far off; one that is asked for again is no worry."""
    assert service.token_end(ends_s, 100.0, "then", renewable=renewable).state == state


@pytest.mark.parametrize(
    ("version", "ends_s", "state"),
    [
        ("TLSv1.3", None, "ok"),
        ("TLSv1.3", 3e6, "ok"),
        ("TLSv1.2", 1e6, "warn"),
        ("TLSv1.1", 3e6, "warn"),
    ],
)
def test_tls(version: str, ends_s: float | None, state: str) -> None:
    """Old versions and certificates that end soon."""
    assert service.tls(version, ends_s, 0.0, "then", "certifi").state == state


def test_table() -> None:
    """There, to be made, missing."""
    made = job().model_copy(update={"target": job().target.model_copy(update={"create": True})})
    states = [
        service.table(one, s).state for one, s in ((job(), SCHEMA), (made, None), (job(), None))
    ]
    assert states == ["ok", "ok", "mend"]


def test_rights() -> None:
    """What a read shows, and that it shows no more."""
    assert "7 now" in service.rights(SCHEMA, 7, None).said
    assert "can't be known without writing" in service.rights(None, None, None).said
    assert service.rights(SCHEMA, None, SettingsError("no", "do")).state == "mend"
    assert service.rights(SCHEMA, None, StoppedByService("later")).state == "away"


def test_limits() -> None:
    """The tighter of job and service; a file has its own."""
    said = service.limits(job(records=5, requests_per_s=2), Limits(10, 20), 8, by_file=False).said
    assert said == "5 records and 20 bytes a request, 8 in flight, 2 requests a second, at most"
    fixed = service.limits(job(adaptive=False), Limits(10, 20), 8, by_file=False).said
    assert fixed == "10 records and 20 bytes a request, 8 in flight, fixed"
    assert "gzip" in service.limits(job(), Limits(), 1, by_file=True).said


@pytest.mark.parametrize(
    ("known", "loopback", "bypassed", "word"),
    [
        ({}, False, False, "none"),
        ({"https": "p:3128"}, False, False, "through p:3128"),
        ({"all": "p:1"}, False, False, "through p:1"),
        ({"http": "p:1"}, False, False, "not used for this host"),
        ({"https": "p:1"}, False, True, "not used for this host"),
        ({"https": "p:1"}, True, False, "on this machine"),
    ],
)
def test_proxies(known: dict[str, str], loopback: bool, bypassed: bool, word: str) -> None:
    """Which one a request goes through."""
    assert word in service.proxies(known, "https", loopback=loopback, bypassed=bypassed).said


@pytest.mark.parametrize("number", [0, 1, 2, 3, 4, 1000])
def test_inputs(number: int) -> None:
    """A few by name, the others counted; none is worth a warning."""
    found = service.inputs([f"f{at}" for at in range(number)], 5, [])
    assert found[0].state == ("ok" if number else "warn")
    assert ("more" in found[0].said) == (number > 3)
