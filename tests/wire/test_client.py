"""Batches over the wire, against servers that misbehave byte by byte, on both back ends."""

from __future__ import annotations

import logging
import traceback

import anyio
import orjson
import pytest

from ingest.errors import (
    Ambiguous,
    NotFound,
    Permanent,
    QuotaExceeded,
    Retryable,
    SettingsError,
    TooLarge,
    Trouble,
    Unauthorized,
)
from ingest.wire import CallError, Secret, Timeouts, Wire
from ingest.wire.exchange import ANSWER_BYTES, WORDS_BYTES
from tests.batches import raw_batch, sized_batch
from tests.fake_server import FakeServer, answer, replay, response
from tests.wire.scripts import (
    BEYOND_BUFFERS,
    BIG,
    OK,
    TOKEN,
    close_after_body,
    cut_in_body,
    cut_in_chunk,
    cut_in_headers,
    cut_in_status_line,
    deaf,
    dripping,
    early_refusal,
    endless_headers,
    no_http,
    reset_after_body,
    reset_amid_body,
    reset_before_reading,
    silent,
    speaks_plainly,
    trouble_of,
    wire_to,
)

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("size_bytes", [14, 15, 256 * 1024, 256 * 1024 + 1, BIG])
async def test_the_very_bytes_arrive_under_a_set_length(size_bytes):
    """Never chunked, whole, in order; the answer is parsed; the token went along."""
    batch = sized_batch(size_bytes)
    with FakeServer(replay(OK)) as server:
        async with wire_to(server) as wire:
            first = await wire.post_batch("/api/batch?x=1", batch)
            await wire.post_batch("/api/batch", batch)
    assert (first.status, first.value) == (200, {"count": 1})
    one, two = server.requests
    assert one.line == "POST /api/batch?x=1 HTTP/1.1"
    assert bytes(one.body) == bytes(two.body) == b"".join(batch.body)
    assert one.headers["content-length"] == str(size_bytes)
    assert "transfer-encoding" not in one.headers
    assert one.headers["authorization"] == f"Bearer {TOKEN}"
    assert one.headers["content-type"] == "application/json"
    assert server.connections == 1


@pytest.mark.parametrize("parts", [1, 2, 10_000])
async def test_many_small_views_are_one_body(parts):
    """A batch of many small files."""
    with FakeServer(replay(OK)) as server:
        async with wire_to(server) as wire:
            await wire.post_batch("/", raw_batch(*[b"x" * 10] * parts))
    assert bytes(server.requests[0].body) == b"x" * 10 * parts


@pytest.mark.parametrize(
    ("script", "size_bytes", "kind"),
    [
        (reset_before_reading, BEYOND_BUFFERS, Retryable),
        (reset_amid_body, BEYOND_BUFFERS, Retryable),
        (reset_after_body, 1_000, Ambiguous),
        (reset_after_body, BIG, Ambiguous),
        (close_after_body, 1_000, Ambiguous),
        (cut_in_status_line, 1_000, Ambiguous),
        (cut_in_headers, 1_000, Ambiguous),
        (cut_in_body, 1_000, Ambiguous),
        (cut_in_chunk, 1_000, Ambiguous),
        (no_http, 1_000, Ambiguous),
        (endless_headers, 1_000, Ambiguous),
        (early_refusal, BIG, TooLarge),
    ],
)
async def test_where_the_connection_breaks_decides(script, size_bytes, kind):
    """Before the body was wholly handed over: surely not applied. After it: perhaps."""
    with FakeServer(script) as server:
        trouble = await trouble_of(server, sized_batch(size_bytes))
    assert type(trouble) is kind, trouble.message


async def test_nobody_listening_is_retryable():
    """A refused connection took nothing."""
    with FakeServer(silent) as server:
        gone = server.base_url
    async with Wire(gone) as wire:
        with pytest.raises(Retryable, match="no connection"):
            await wire.post_batch("/", sized_batch(100))


async def test_plain_http_where_tls_is_expected_is_retryable():
    """A failed handshake took nothing."""
    with FakeServer(speaks_plainly) as server:
        url = server.base_url.replace("http:", "https:")
        async with Wire(url, timeouts=Timeouts(connect_s=5)) as wire:
            with pytest.raises(Retryable):
                await wire.post_batch("/", sized_batch(100))
    assert not server.requests


@pytest.mark.parametrize(
    ("script", "timeouts", "size_bytes", "kind"),
    [
        (silent, Timeouts(read_s=0.05), 1_000, Ambiguous),
        (silent, Timeouts(total_s=0.5), 1_000, Ambiguous),
        (dripping, Timeouts(total_s=0.1), 1_000, Ambiguous),
        (deaf, Timeouts(write_s=0.05), BEYOND_BUFFERS, Retryable),
        (deaf, Timeouts(total_s=0.1), BEYOND_BUFFERS, Retryable),
    ],
)
async def test_every_step_has_its_limit(script, timeouts, size_bytes, kind):
    """Slow to accept, slow to answer, never done."""
    with FakeServer(script) as server:
        with anyio.fail_after(5):
            trouble = await trouble_of(server, sized_batch(size_bytes), timeouts=timeouts)
    assert type(trouble) is kind, trouble.message


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_is_followed(status):
    """The other host gets nothing: no token, no rows, not even a connection."""
    with FakeServer(replay(OK)) as other:
        there = {"Location": f"{other.base_url}/x?signature=abc"}
        with FakeServer(answer(status, b"", None, there)) as server:
            trouble = await trouble_of(server)
            async with wire_to(server) as wire:
                with pytest.raises(CallError, match="not followed"):
                    await wire.call("GET", "/api/x")
    assert type(trouble) is Permanent
    assert "abc" not in trouble.message
    assert other.connections == 0


@pytest.mark.parametrize("status", [400, 401, 404, 500])
async def test_a_huge_error_page_is_read_to_the_bound_only(status):
    """10 MB of it: some words are kept, the connection is dropped, and the next one works."""
    page = b"<html><title>Oops</title>" + b"\x1b[31m<p>" * 1_250_000
    scripts = (answer(status, page, "text/html"), replay(OK))
    with FakeServer(*scripts) as server:
        async with wire_to(server) as wire:
            with pytest.raises(Trouble) as caught:
                await wire.post_batch("/", sized_batch(100))
            await wire.post_batch("/", sized_batch(100))
    assert "Oops" in caught.value.message
    assert len(caught.value.message) <= 2_000
    assert server.connections == 2


@pytest.mark.parametrize("more", [0, 1])
async def test_an_answer_that_is_too_long_for_success(more):
    """A service may echo 10,000 records: they are read to the end; beyond the bound is doubt."""
    body = b'{"x":"' + b"x" * (ANSWER_BYTES - 8 + more) + b'"}'
    with FakeServer(answer(200, body)) as server:
        if more:
            assert type(await trouble_of(server)) is Ambiguous
        else:
            async with wire_to(server) as wire:
                assert (await wire.post_batch("/", sized_batch(100))).status == 200
    assert ANSWER_BYTES > WORDS_BYTES


@pytest.mark.parametrize(
    ("value", "expected"),
    [("3", 3), ("0", 0), ("86400", 86_400), ("Thu, 01 Jan 1970 00:16:50 GMT", 10),
     ("Thu, 01 Jan 1970 00:00:00 GMT", 0), ("soon", None), ("-1", None)],
)  # fmt: skip
async def test_retry_after_reaches_the_caller(value, expected):
    """The wall clock that was handed in stands at 1,000 s after the epoch."""
    with FakeServer(answer(429, b"", None, {"Retry-After": value})) as server:
        trouble = await trouble_of(server)
    assert (type(trouble), trouble.retry_after_s) == (Retryable, expected)


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        (answer(200, b"<html><title>Log in</title>", "text/html"), Permanent),
        (answer(207, b'{"results":[]}'), Ambiguous),
        (answer(200, b'{"errors":[{"row":3}]}'), Ambiguous),
        (answer(401, b"{}"), Unauthorized),
        (answer(404, b"{}"), NotFound),
        (answer(429, b"", None, {"X-Error-Cause": "Quota Exceeded"}), QuotaExceeded),
        (answer(500, b'{"message":"Request too large"}'), TooLarge),
    ],
)
async def test_answers_become_trouble_of_their_kind(script, kind):
    """The table, end to end."""
    with FakeServer(script) as server:
        assert type(await trouble_of(server)) is kind


async def test_an_echoed_token_stays_out_of_messages_and_logs(caplog):
    """A server that repeats the header in its error does not publish it."""
    caplog.set_level(logging.DEBUG)
    body = orjson.dumps({"message": f"Bearer {TOKEN} has expired", "token": TOKEN})
    with FakeServer(answer(403, body)) as server:
        trouble = await trouble_of(server)
        async with wire_to(server) as wire:
            with pytest.raises(SettingsError) as caught:
                await wire.call("GET", "/secret-path?signature=abc")
            assert TOKEN not in repr(wire) + repr(vars(wire))
    assert "has expired" in trouble.message
    shown = "".join(traceback.format_exception(caught.value)) + caught.value.hint
    assert TOKEN not in shown + caplog.text
    assert "signature" not in caplog.text


async def test_cookies_are_not_kept():
    """What a load balancer or a login page sets is not sent back."""
    cookie = response(200, b"{}", headers={"Set-Cookie": "session=1; Path=/"})
    with FakeServer(replay(cookie)) as server:
        async with wire_to(server) as wire:
            await wire.call("GET", "/a")
            await wire.call("GET", "/b")
    assert all("cookie" not in request.headers for request in server.requests)


async def test_a_proxy_from_the_environment_is_not_asked_for_this_machine(monkeypatch):
    """A token for loopback does not travel to a proxy."""
    with FakeServer(replay(OK)) as proxy, FakeServer(replay(OK)) as server:
        monkeypatch.setenv("HTTP_PROXY", proxy.base_url)
        monkeypatch.setenv("ALL_PROXY", proxy.base_url)
        async with wire_to(server) as wire:
            await wire.post_batch("/", sized_batch(100))
    assert (proxy.connections, server.connections) == (0, 1)


@pytest.mark.parametrize("url", ["http://apps.example.com", "http://10.0.0.1:8080"])
async def test_a_token_never_goes_over_plain_http_to_another_machine(url):
    """Refused before anything is opened; without a token it is nobody's harm."""
    with pytest.raises(SettingsError, match="plain http") as caught:
        Wire(url, {"x-api-key": Secret(TOKEN)})
    assert TOKEN not in str(caught.value)
    assert Wire(url).address.url == url


@pytest.mark.parametrize("in_flight", [1, 2, 8])
async def test_as_many_connections_as_requests_in_flight(in_flight):
    """Writers don't wait for each other's connection, and connections are used again."""
    with FakeServer(replay(OK)) as server:
        async with wire_to(server, in_flight=in_flight) as wire:
            for _ in range(3):
                async with anyio.create_task_group() as tasks:
                    for _ in range(in_flight):
                        tasks.start_soon(wire.post_batch, "/", sized_batch(100))
    assert len(server.requests) == 3 * in_flight
    assert server.connections <= in_flight


async def test_a_wire_that_is_not_open_says_so():
    """Using it outside of its block is a mistake of the program."""
    with pytest.raises(RuntimeError, match="not open"):
        await Wire("http://127.0.0.1:1").call("GET", "/")


async def test_cancellation_passes_through_and_leaves_nothing_behind():
    """An interrupted run's request ends at once; an unclosed socket would be a warning."""
    with FakeServer(silent) as server:
        async with wire_to(server) as wire:
            with anyio.move_on_after(0.05) as scope:
                await wire.post_batch("/", sized_batch(100))
    assert scope.cancelled_caught
