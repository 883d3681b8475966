"""The sandbox on a loopback port: one line when it listens, and a clean end.

Promise: standard output gets exactly one line, `{"ready": "http://127.0.0.1:PORT", "token": ...}`,
once connections are accepted; everything else goes to standard error, which stays silent unless
something goes wrong. SIGTERM and SIGINT end it with exit code 0 after the requests in flight.

With `watch_stdin` it is somebody's child: it ends at the end of its standard input, which the
kernel closes with the parent however the parent dies; and it ignores SIGINT, because a terminal's
Ctrl-C goes to the parent and to it, and the parent wants to finish what is in flight first.

An abort must be an RST, not a FIN: SO_LINGER with a time of zero makes `close` send one
(socket(7)). uvicorn has no way to abort a connection from an application, so its protocol is
extended by one: `scope["extensions"]["ingest.abort"]["abort"]()`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sqlite3
import struct
import sys
import threading
from collections.abc import Generator
from types import FrameType
from typing import Any

import orjson
import uvicorn
from starlette.datastructures import Headers
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ingest.sandbox import app
from ingest.sandbox.gate import ABORT_EXTENSION, COUNTED_EXTENSION
from ingest.sandbox.halves import TOKEN, Settings

LOOPBACK = "127.0.0.1"
KEEP_ALIVE_S = 75  # nginx's default; uvicorn's 5 s would close connections between two batches
GRACE_S = 5
_NO_LINGER = struct.pack("ii", 1, 0)


class StartError(Exception):
    """The sandbox can't start; the message says which port or directory is at fault."""


def serve(settings: Settings, port: int, *, watch_stdin: bool = False) -> None:
    """Serve until told to end. `port` 0 takes a free one. Raises `StartError`."""
    listener = _listener(port)
    # uvicorn's own choice of the event loop: uvloop where it is installed.
    loop_factory = uvicorn.Config("", loop="auto").get_loop_factory()
    with listener, asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(_serve(settings, listener, watch_stdin=watch_stdin))


async def _serve(settings: Settings, listener: socket.socket, *, watch_stdin: bool) -> None:
    try:
        application, shared = app.create(settings)
        await shared.open()
    except (OSError, sqlite3.Error) as error:
        raise StartError(f"the directory {settings.data_dir} can't be used: {error}") from error
    only_counts = settings.discard and settings.record_dir is None
    protocol = CountingProtocol if only_counts else AbortableProtocol
    server = SandboxServer(_config(application, protocol), shared.closing, listener)
    if watch_stdin:
        server.ignored = (signal.SIGINT,)
        threading.Thread(target=_until_stdin_ends, args=(server,), daemon=True).start()
    try:
        await server.serve([listener])
    finally:
        await shared.close()


class SandboxServer(uvicorn.Server):
    """uvicorn's server, with the ready line, the closing bell and signals that end it with 0."""

    def __init__(
        self, config: uvicorn.Config, closing: asyncio.Event, listener: socket.socket
    ) -> None:
        super().__init__(config)
        self.ignored: tuple[signal.Signals, ...] = ()
        self._closing = closing
        self._url = f"http://{LOOPBACK}:{listener.getsockname()[1]}"

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then say where."""
        await super().startup(sockets)
        if self.started:
            sys.stdout.buffer.write(orjson.dumps({"ready": self._url, "token": TOKEN}) + b"\n")
            sys.stdout.buffer.flush()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let late commits happen now, then end."""
        self._closing.set()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """As uvicorn's, but a signal that ended the server does not kill it again afterwards."""
        for number in (signal.SIGINT, signal.SIGTERM):
            ignored = number in self.ignored
            signal.signal(number, signal.SIG_IGN if ignored else self.handle_exit)
        yield

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """End in order; at the second signal at once."""
        self.force_exit = self.should_exit
        self.should_exit = True


class AbortableProtocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 protocol, with a way for the application to abort the connection."""

    def on_message_begin(self) -> None:
        """Put the abort into the request's scope."""
        super().on_message_begin()
        self.scope["extensions"] = {ABORT_EXTENSION: {"abort": self._abort}}

    def _abort(self) -> None:
        peer = self.transport.get_extra_info("socket")
        with contextlib.suppress(OSError, ValueError):  # the client may have gone already
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self.transport.abort()


class CountingProtocol(AbortableProtocol):
    """For `discard`: bodies with records are counted where they arrive, never copied or queued.

    The gate finds the count in `scope["extensions"]["ingest.counted"]`, complete at the body's end.
    """

    def on_headers_complete(self) -> None:
        """Decide whether the body is to be counted only."""
        super().on_headers_complete()
        self._counted: dict[Any, Any] = {"bytes": 0}
        self._counts = app.carries_records(
            self.scope["method"], self.scope["path"], Headers(raw=list(self.scope["headers"]))
        )
        if self._counts:
            self.scope["extensions"][COUNTED_EXTENSION] = self._counted

    def on_body(self, body: bytes) -> None:
        """Count a piece, or treat it as always."""
        if self._counts:
            self._counted["bytes"] += len(body)
        else:
            super().on_body(body)


def _config(application: object, protocol: type[HttpToolsProtocol]) -> uvicorn.Config:
    return uvicorn.Config(
        application,  # type: ignore[arg-type]  # Starlette's scope is wider than uvicorn's
        http=protocol,
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
    )


def _listener(port: int) -> socket.socket:
    # The protocol is named because asyncio switches Nagle's algorithm off only where it is: without
    # it every small answer waits 40 ms for the peer's delayed acknowledgement.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setblocking(False)
    try:
        listener.bind((LOOPBACK, port))
    except OSError as error:
        listener.close()
        raise StartError(f"the sandbox can't listen on port {port}: {error}") from error
    return listener


def _until_stdin_ends(server: uvicorn.Server) -> None:
    stdin = sys.stdin.fileno()
    while os.read(stdin, 4096):
        pass
    server.should_exit = True
