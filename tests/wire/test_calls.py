"""Small calls over the wire: JSON in and out, retries within a time, errors for people."""

from __future__ import annotations

import ssl

import httpx
import orjson
import pytest

from ingest.errors import (
    Retryable,
    SettingsError,
    StoppedByService,
)
from ingest.wire import CallError, Senses, Timeouts, Wire
from tests.batches import sized_batch
from tests.fake_server import FakeServer, answer, replay, response
from tests.wire.scripts import (
    OK,
    Clock,
    close_after_body,
    wire_to,
)

pytestmark = pytest.mark.anyio


async def test_a_small_call_sends_and_answers_json():
    """Method, path, query, body; None where nothing was said."""
    with FakeServer(replay(response(200, b'{"rows":[1]}'), response(204, b"", None))) as server:
        async with wire_to(server) as wire:
            assert await wire.call("POST", "/q", json={"a": "ü"}) == {"rows": [1]}
            assert await wire.call("DELETE", "/d", params={"q": "a = 'b&c'"}) is None
    post, delete = server.requests
    assert orjson.loads(bytes(post.body)) == {"a": "ü"}
    assert delete.line == "DELETE /d?q=a+%3D+%27b%26c%27 HTTP/1.1"
    assert "content-type" not in delete.headers


@pytest.mark.parametrize("failures", [0, 1, 2, 5])
async def test_a_small_call_tries_again_with_backoff(failures):
    """What is retryable is repeated, each wait a draw below a doubling ceiling."""
    clock = Clock()
    answers = [response(503)] * failures + [OK]
    with FakeServer(replay(*answers)) as server:
        async with wire_to(server, senses=Senses(clock, lambda: 0.0, lambda: 0.5)) as wire:
            assert await wire.call("GET", "/x") == {"count": 1}
    assert clock.slept == [min(5.0, 0.25 * 2**n) for n in range(failures)]


async def test_a_small_call_waits_as_long_as_it_is_asked_to():
    """Retry-After is a lower bound."""
    clock = Clock()
    slow = response(429, b"", None, {"Retry-After": "30"})
    with FakeServer(replay(slow), replay(OK)) as server:  # by then the first connection is too old
        async with wire_to(server, senses=Senses(clock, lambda: 0.0, lambda: 0.5)) as wire:
            await wire.call("GET", "/x")
    assert clock.slept == [30]


@pytest.mark.parametrize(
    ("script", "error", "requests"),
    [
        (answer(401, b'{"message":"who?"}'), SettingsError, 1),
        (answer(429, b"Quota Exceeded", "text/plain"), StoppedByService, 1),
        (answer(404, b'{"message":"no table"}'), CallError, 1),
        (answer(400, b'{"message":"bad"}'), CallError, 1),
        (answer(200, b"<html>", "text/html"), CallError, 1),
        (answer(429, b"", None, {"Retry-After": "3600"}), StoppedByService, 1),
    ],
)
async def test_a_small_call_that_no_retry_mends_fails_at_once(script, error, requests):
    """One request, and an error that names the host and the call."""
    with FakeServer(script) as server:
        async with wire_to(server) as wire:
            with pytest.raises(error, match=f"127.0.0.1:{server.port}: GET /x") as caught:
                await wire.call("GET", "/x")
    assert len(server.requests) == requests
    assert isinstance(caught.value, CallError) or caught.value.hint


@pytest.mark.parametrize(("repeatable", "requests"), [(True, 2), (False, 1)])
async def test_a_call_that_must_not_be_repeated_is_not(repeatable, requests):
    """After a lost answer only what may be done twice is done twice."""
    with FakeServer(close_after_body, replay(OK)) as server:
        async with wire_to(server) as wire:
            if repeatable:
                assert await wire.call("POST", "/x", json={}) == {"count": 1}
            else:
                with pytest.raises(StoppedByService):
                    await wire.call("POST", "/x", json={}, repeatable=False)
    assert len(server.requests) == requests


@pytest.mark.parametrize("calls_s", [0, 1, 60])
async def test_a_small_call_gives_up_within_its_time(calls_s):
    """An outage ends in an error that says: later. Never a wait beyond the limit."""
    clock = Clock()
    senses = Senses(clock, lambda: 0.0, lambda: 0.999)
    with FakeServer(answer(503)) as server:
        async with wire_to(server, timeouts=Timeouts(calls_s=calls_s), senses=senses) as wire:
            with pytest.raises(StoppedByService, match="503") as caught:
                await wire.call("GET", "/x")
    assert caught.value.retryable
    assert clock.now <= calls_s
    assert len(server.requests) >= 1


async def test_a_certificate_that_is_not_accepted_is_said_at_once(monkeypatch):
    """Waiting mends no certificate: one attempt, and the hint names the setting."""
    attempts = []

    def refuse(request: httpx.Request) -> httpx.Response:
        attempts.append(request)
        cause = ssl.SSLCertVerificationError("self-signed certificate")
        raise httpx.ConnectError("") from cause

    client = httpx.AsyncClient(transport=httpx.MockTransport(refuse))
    monkeypatch.setattr("ingest.wire.exchange.make_client", lambda *_: client)
    async with Wire("https://h.example") as wire:
        with pytest.raises(CallError, match="self-signed") as caught:
            await wire.call("GET", "/x")
        with pytest.raises(Retryable):
            await wire.post_batch("/x", sized_batch(100))
    assert "ca_file" in caught.value.hint
    assert len(attempts) == 2


async def test_a_ca_file_that_is_none_is_a_settings_error(tmp_path):
    """Missing or no certificate: said before anything is sent."""
    empty = tmp_path / "ca.pem"
    empty.write_text("nothing")
    for path in (empty, tmp_path / "missing.pem"):
        with pytest.raises(SettingsError, match="ca_file"):
            async with Wire("https://h.example", ca_file=str(path)):
                pass
