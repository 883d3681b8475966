"""The time that sending takes by an assumption that is said, and the exit codes in their order."""

from __future__ import annotations

from typing import Any

import pytest

from ingest.operations.plan_end import exit_code, sending


@pytest.mark.parametrize(
    ("requests", "in_flight", "rate", "seconds"),
    [
        (0, 8, None, 0.0),
        (1, 8, None, 0.2),
        (2, 1, None, 0.4),
        (16, 8, None, 0.4),
        (100, 8, 10.0, 10.0),
        (100, 1, 10.0, 20.0),
    ],
)
def test_sending(requests: int, in_flight: int, rate: float | None, seconds: float) -> None:
    """The slower of rate and latency."""
    assert sending(requests, in_flight, rate, 0.2)["seconds"] == pytest.approx(seconds)


def test_assumption() -> None:
    """It is that of the bound that holds."""
    assert "requests_per_s = 10" in sending(100, 8, 10.0, 0.2)["assumption"]
    assert "0.2 s, 1 at once" in sending(100, 1, 10.0, 0.2)["assumption"]


def report(**more: Any) -> dict[str, Any]:
    """A plan with nothing to say, but for this."""
    rejects = {"by_reason": more.pop("by_reason", {}), "limit_passed": more.pop("passed", None)}
    return {"conflicts": [], "error": None, "rejects": rejects, **more}


@pytest.mark.parametrize(
    ("found", "interrupted", "code"),
    [
        (report(), None, 0),
        (report(by_reason={"a": 1}), None, 3),
        (report(by_reason={"a": 1}, passed="too many"), None, 4),
        (report(by_reason={"a": 1}, passed="too many"), 130, 130),
        (report(error={"message": "cut"}), 143, 1),
        (report(conflicts=["no"], error={"message": "cut"}), None, 2),
    ],
)
def test_exit_code(found: dict[str, Any], interrupted: int | None, code: int) -> None:
    """The first that applies."""
    assert exit_code(found, interrupted) == code
