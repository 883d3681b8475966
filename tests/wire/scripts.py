"""How servers misbehave, and a wire to try them with."""

from __future__ import annotations

import traceback

import anyio
import pytest

from ingest.errors import (
    Trouble,
)
from ingest.wire import Secret, Senses, Wire
from tests.batches import sized_batch
from tests.fake_server import FakeServer, Line, response

TOKEN = "tok-0123456789-abcdef"
BIG = 3_000_000
BEYOND_BUFFERS = 30_000_000  # what the system's buffers take counts as handed over
OK = response(200, b'{"count":1}')


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept.append(seconds)
        await anyio.lowlevel.checkpoint()


def wire_to(server: FakeServer, **more) -> Wire:
    """A wire with a token, and a clock of its own."""
    more.setdefault("senses", Senses(Clock(), lambda: 1_000.0, lambda: 0.5))
    return Wire(server.base_url, {"Authorization": Secret(f"Bearer {TOKEN}")}, **more)


async def trouble_of(server: FakeServer, batch=None, **more) -> Trouble:
    """The trouble that one attempt ends with."""
    async with wire_to(server, **more) as wire:
        with pytest.raises(Trouble) as caught:
            await wire.post_batch("/api/batch", batch or sized_batch(1_000))
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value.__dict__)
    assert TOKEN not in shown
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    return caught.value


def reset_before_reading(line: Line) -> None:
    """Abort before a byte is read."""
    line.reset()


def reset_amid_body(line: Line) -> None:
    """Abort while the body is still coming."""
    request = line.read_head()
    assert request
    line.read_body(request, 100_000)
    line.reset()


def reset_after_body(line: Line) -> None:
    """Take everything, then abort."""
    line.read()
    line.reset()


def close_after_body(line: Line) -> None:
    """Take everything, then hang up without a word."""
    line.read()


def cut_in_status_line(line: Line) -> None:
    """Hang up within the first line."""
    line.read()
    line.send(b"HTTP/1.1 20")


def cut_in_headers(line: Line) -> None:
    """Hang up within the headers."""
    line.read()
    line.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Le")


def cut_in_body(line: Line) -> None:
    """Hang up three bytes early."""
    line.read()
    line.send(OK[:-3])


def cut_in_chunk(line: Line) -> None:
    """Hang up within a chunk."""
    line.read()
    head = (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    line.send(head + b'b\r\n{"count"')


def no_http(line: Line) -> None:
    """Answer as another protocol."""
    line.read()
    line.send(b"220 mail.example ESMTP\r\n\r\n")


def speaks_plainly(line: Line) -> None:
    """Answer a TLS greeting in plain text."""
    line.sock.recv(65536)
    line.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def endless_headers(line: Line) -> None:
    """Headers without end."""
    line.read()
    line.send(b"HTTP/1.1 200 OK\r\n" + b"X-Filler: yes\r\n" * 20_000)


def silent(line: Line) -> None:
    """Take everything, never answer."""
    line.read()
    line.wait()


def deaf(line: Line) -> None:
    """Take the head, never read the body."""
    line.read_head()
    line.wait()


def dripping(line: Line) -> None:
    """An answer that never gets done."""
    line.read()
    line.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n")
    while not line.server.closing.wait(0.02):
        line.send(b" ")


def early_refusal(line: Line) -> None:
    """Refuse while the body is still coming."""
    request = line.read_head()
    assert request
    line.read_body(request, 1_000)
    line.send(response(413, b'{"message":"too much"}'))
    line.finish()
