"""One attempt of a small request: what it sends, and the kind of trouble that it raises."""

from __future__ import annotations

import pytest

from ingest.errors import Ambiguous, NotFound, Permanent, Retryable, Trouble, Unauthorized
from ingest.wire import Timeouts, Wire
from tests.fake_server import FakeServer, answer, replay, response
from tests.wire.scripts import (
    OK,
    TOKEN,
    close_after_body,
    cut_in_body,
    reset_after_body,
    silent,
    wire_to,
)

pytestmark = pytest.mark.anyio


async def test_it_sends_an_empty_body_and_returns_the_json():
    """With a length, because a POST without one is refused by some."""
    with FakeServer(replay(OK, response(204, b"", None))) as server:
        async with wire_to(server) as wire:
            assert await wire.once("POST", "/x") == {"count": 1}
            assert await wire.once("GET", "/y") is None
    post, get = server.requests
    assert (post.line, get.line) == ("POST /x HTTP/1.1", "GET /y HTTP/1.1")
    assert post.headers["content-length"] == "0"
    assert "content-length" not in get.headers
    assert post.headers["authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        (answer(429), Retryable),
        (answer(503), Retryable),
        (answer(500), Ambiguous),
        (answer(502), Ambiguous),
        (answer(401), Unauthorized),
        (answer(404), NotFound),
        (answer(400), Permanent),
        (answer(307, b"", None, {"Location": "https://other.example"}), Permanent),
        (answer(200, b"<html>", "text/html"), Permanent),
        (answer(200, b"x", "text/plain"), Ambiguous),
        (cut_in_body, Ambiguous),
        (close_after_body, Ambiguous),
        (reset_after_body, Ambiguous),
    ],
)
async def test_it_is_made_exactly_once(script, kind):
    """Whatever comes; a small request counts as handed over from its first byte on."""
    with FakeServer(script) as server:
        async with wire_to(server) as wire:
            with pytest.raises(Trouble) as caught:
                await wire.once("POST", "/x")
    assert type(caught.value) is kind
    assert server.connections == 1
    assert TOKEN not in str(caught.value)


async def test_nobody_listening_is_surely_not_applied():
    """A refused connection took nothing."""
    with FakeServer(silent) as server:
        wire = wire_to(server)
    async with wire:
        with pytest.raises(Retryable):
            await wire.once("POST", "/x")


async def test_no_answer_in_time_is_ambiguous():
    """It may have begun."""
    with FakeServer(silent) as server:
        async with wire_to(server, timeouts=Timeouts(read_s=0.05)) as wire:
            with pytest.raises(Ambiguous):
                await wire.once("POST", "/x")


async def test_files_are_put_with_the_wires_own_limits():
    """Its times and its clock; loopback only where it is there itself."""
    timeouts = Timeouts(read_s=7)
    with FakeServer(silent) as server:
        rules = wire_to(server, timeouts=timeouts, ca_file="ca.pem").put_rules
    assert (rules.timeouts, rules.ca_file, rules.loopback) == (timeouts, "ca.pem", True)
    assert not Wire("https://apps.example.com").put_rules.loopback
