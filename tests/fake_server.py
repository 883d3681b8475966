"""A server that misbehaves byte by byte, in threads: the same under asyncio and trio.

Each accepted connection plays the next script of the list (the last one again and again). A script
is a function of a `Line`: it reads as much of the request as it likes and writes what it likes.
Blocking sockets give exact control: a reset is a true RST (`SO_LINGER` 0), a stop is a stop.

    with FakeServer(answer(200, b"{}")) as server:
        ... server.base_url ... server.requests[0].body
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from types import TracebackType
from typing import Self

PATIENCE_S = 10.0
JSON = "application/json"


@dataclass(slots=True)
class Request:
    """What came in: the request line, the headers (names in lower case), the body so far."""

    line: str
    headers: dict[str, str]
    body: bytearray = field(default_factory=bytearray)

    @property
    def length(self) -> int:
        """The announced length of the body."""
        return int(self.headers.get("content-length", "0"))


class Line:
    """One connection, from the server's side."""

    def __init__(self, sock: socket.socket, server: FakeServer) -> None:
        self.sock = sock
        self.server = server
        self._rest = b""

    def read_head(self) -> Request | None:
        """The next request's head; None when the client is gone."""
        data = self._rest
        while b"\r\n\r\n" not in data:
            chunk = self.sock.recv(65536)
            if not chunk:
                return None
            data += chunk
        head, _, self._rest = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines)
        request = Request(first, {name.lower(): value.strip() for name, _, value in pairs})
        self.server.requests.append(request)
        return request

    def read_body(self, request: Request, upto: int | None = None) -> None:
        """Read the body, or its first `upto` bytes at least."""
        wanted = request.length if upto is None else min(upto, request.length)
        while len(request.body) < wanted:
            chunk = self._rest or self.sock.recv(65536)
            self._rest = b""
            if not chunk:
                return
            need = request.length - len(request.body)
            request.body += chunk[:need]
            self._rest = chunk[need:]

    def read(self) -> Request | None:
        """A whole request."""
        request = self.read_head()
        if request is not None:
            self.read_body(request)
        return request

    def send(self, data: bytes) -> None:
        """Write bytes as they are."""
        self.sock.sendall(data)

    def reset(self) -> None:
        """Abort with a RST: what either side has in its buffers is lost."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def finish(self) -> None:
        """Say nothing more, but take what still comes, as well-behaved servers do."""
        self.sock.shutdown(socket.SHUT_WR)
        while self.sock.recv(65536):
            pass

    def wait(self) -> None:
        """Do nothing until the server is closed."""
        self.server.closing.wait(PATIENCE_S)


Script = Callable[[Line], None]


class FakeServer:
    """Listens on a port of the system's choice while the `with` block lasts."""

    def __init__(self, *scripts: Script) -> None:
        self.requests: list[Request] = []
        self.connections = 0
        self.closing = threading.Event()
        self._scripts = scripts
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lines: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]

    @property
    def port(self) -> int:
        """The port."""
        return int(self._listener.getsockname()[1])

    @property
    def base_url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.closing.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join(PATIENCE_S)
        self._listener.close()
        for sock in self._lines:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads[1:]:
            thread.join(PATIENCE_S)
        assert not any(thread.is_alive() for thread in self._threads)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.settimeout(PATIENCE_S)
            self._lines.append(sock)
            script = self._scripts[min(self.connections, len(self._scripts) - 1)]
            self.connections += 1
            thread = threading.Thread(target=self._play, args=(script, sock))
            self._threads.append(thread)
            thread.start()

    def _play(self, script: Script, sock: socket.socket) -> None:
        with contextlib.suppress(OSError), sock:
            script(Line(sock, self))


def response(
    status: int,
    body: bytes = b"",
    content_type: str | None = JSON,
    headers: Mapping[str, str] | None = None,
) -> bytes:
    """A whole answer."""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Unknown"
    lines = [f"HTTP/1.1 {status} {phrase}"]
    if status != 204:
        lines.append(f"Content-Length: {len(body)}")
    if content_type:
        lines.append(f"Content-Type: {content_type}")
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def replay(*answers: bytes) -> Script:
    """Read whole requests; answer them in order, the last answer again and again."""

    def script(line: Line) -> None:
        number = 0
        while line.read() is not None:
            line.send(answers[min(number, len(answers) - 1)])
            number += 1

    return script


def answer(
    status: int,
    body: bytes = b"",
    content_type: str | None = JSON,
    headers: Mapping[str, str] | None = None,
) -> Script:
    """Read whole requests and give each this answer."""
    return replay(response(status, body, content_type, headers))
