"""The faults of a file upload, as a client sees them."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.sandbox.aito_file_steps import aito, lines, packed
from tests.sandbox.conftest import Start

FILE = packed(lines(range(10)))


def test_expired_url(start: Start) -> None:
    """The URL is refused by S3, and says itself that its time is past; the next one is good."""
    with aito(start("--fault", "expired-url:first1")) as api:
        table = api.make()
        asked = api.init(table)
        assert datetime.fromisoformat(asked["expires"]).replace(tzinfo=UTC) < datetime.now(UTC)
        answer = api.s3.put(asked["url"], content=FILE)
        assert answer.status_code == 403
        assert "<Message>Request has expired</Message>" in answer.text
        assert api.trigger(table, asked["id"]).status_code == 400
        assert api.processed(table, FILE)["status"]["completedCount"] == 10


def test_slow_down(start: Start) -> None:
    """Nothing is kept; the same URL works the next time."""
    with aito(start("--fault", "s3-slowdown:first2")) as api:
        table = api.make()
        asked = api.init(table)
        answers = [api.s3.put(asked["url"], content=FILE).status_code for _ in range(3)]
        assert answers == [503, 503, 200]
        assert api.trigger(table, asked["id"]).status_code == 200
        assert api.ended(table, asked["id"])["status"]["completedCount"] == 10


@pytest.mark.parametrize("options", [(), ("--discard",)])
def test_trigger_lost(start: Start, options: tuple[str, ...]) -> None:
    """Answered 500, though it has begun: who triggers again is told so, and nothing doubles."""
    with aito(start("--fault", "trigger-lost:first1", *options)) as api:
        table = api.make()
        upload = api.uploaded(table, FILE)
        answer = api.trigger(table, upload)
        assert answer.status_code == 500
        assert "message" in answer.json()
        assert api.trigger(table, upload).status_code == 400
        assert api.ended(table, upload)["status"]["completedCount"] == 10
        assert len(api.rows(table)) == (0 if options else 10)


@pytest.mark.parametrize("options", [(), ("--discard",)])
def test_slow_processing(start: Start, options: tuple[str, ...]) -> None:
    """It waits: begun, not finished, nothing done."""
    with aito(start("--fault", "slow-processing:700ms:first1", *options)) as api:
        table = api.make()
        before = time.monotonic()
        upload = api.begun(table, FILE)
        first = api.status(table, upload)["status"]
        assert (first["finished"], first["completedCount"]) == (False, 0)
        assert first["startedAt"] is not None
        assert api.ended(table, upload)["status"]["completedCount"] == 10
        assert time.monotonic() - before >= 0.7


def test_slow_processing_does_not_hold_up_the_end(start: Start) -> None:
    """What waits when the server ends is done by the next one."""
    sandbox = start("--fault", "slow-processing:1000s:first1")
    with aito(sandbox) as api:
        table = api.make()
        upload = api.begun(table, FILE)
        assert sandbox.process.stdin is not None
        sandbox.process.stdin.close()
        assert sandbox.process.wait(30) == 0
    with aito(start()) as api:
        assert api.ended(table, upload)["status"]["completedCount"] == 10
        assert len(api.rows(table)) == 10


def test_status_backwards(start: Start) -> None:
    """n rows, then fewer, then the truth; none of the first two is the end."""
    with aito(start("--fault", "status-backwards:first1")) as api:
        table = api.make()
        upload = api.begun(table, FILE)
        seen: list[dict[str, Any]] = []
        while not seen or not seen[-1]["finished"]:
            seen.append(api.status(table, upload)["status"])
    counts = [status["completedCount"] for status in seen if status["completedCount"]]
    assert counts == [10, 5, 10]


def test_each_step_has_fates_of_its_own(start: Start) -> None:
    """A fault of one step leaves the others alone."""
    specs = ["expired-url:first1", "s3-slowdown:first1", "trigger-lost:first1"]
    with aito(start(*(part for spec in specs for part in ("--fault", spec)))) as api:
        table = api.make()
        api.init(table)
        asked = api.init(table)
        assert [api.s3.put(asked["url"], content=FILE).status_code for _ in "12"] == [503, 200]
        assert api.trigger(table, asked["id"]).status_code == 500
        assert api.ended(table, asked["id"])["status"]["completedCount"] == 10
