"""A service with a limit, for `benchmarks.governor`: so many requests a second, or so many workers.

`python -m benchmarks.governor_server KIND` listens on a free port of the loopback address, prints
`{"ready": URL}` and ends when its standard input ends. A body with records is

- *bucket*: taken while a token bucket of one second has a token, else answered 429 with
  `Retry-After: 1`;
- *knee*: served by one of `--workers`, which takes `--work-ms`, and longer by the share `--thrash`
  for each request that is there beyond the workers. More at once than workers is slower;
- *slow*: taken, `--work-ms` later, however many there are (behind a proxy that limits).

`POST /_limit/N` sets the bucket's rate; `GET /_answers` tells the moment (Unix seconds) and the
status of every answer to a body. The other requests of a loader are answered as `server` does.
"""

from __future__ import annotations

import argparse
import socket
import sys
import threading
import time
from dataclasses import dataclass, field

import anyio
import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from benchmarks.server import Service

BURST_S = 1.0
RETRY_AFTER = {"Retry-After": "1"}


@dataclass(slots=True)
class Bucket:
    """A token bucket that holds one second of its rate, but at least one token."""

    per_s: float
    tokens: float = float("inf")
    seen_s: float = 0.0

    def take(self, now_s: float) -> bool:
        """Take a token, if there is one."""
        filled = self.tokens + (now_s - self.seen_s) * self.per_s
        self.tokens, self.seen_s = min(filled, max(1.0, BURST_S * self.per_s)), now_s
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


@dataclass(slots=True)
class Workers:
    """So many workers, and what a crowd before them costs."""

    count: int
    work_s: float
    thrash: float
    present: int = 0
    free: anyio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self.free = anyio.Semaphore(self.count)

    def service_s(self, present: int) -> float:
        """How long one request takes while so many are there."""
        return self.work_s * (1 + self.thrash * max(0, present - self.count))

    async def serve(self) -> None:
        """Wait for a worker, and for its work."""
        self.present += 1
        try:
            async with self.free:
                await anyio.sleep(self.service_s(self.present))
        finally:
            self.present -= 1


class Limited:
    """The service: counts its answers, and refuses or delays as its kind says."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._known = Service()
        self._kind = options.kind
        self._work_s = options.work_ms / 1000
        self._bucket = Bucket(options.per_s)
        self._workers = Workers(options.workers, self._work_s, options.thrash)
        self._answers: list[tuple[float, int]] = []

    async def answer(self, request: Request) -> Response:
        """Any request."""
        method, path = request.method, request.url.path
        body = bytearray(await request.body())
        if path.startswith("/_limit/"):
            self._bucket.per_s = float(path.rpartition("/")[2])
            return Response(b"{}")
        if path == "/_answers":
            return Response(orjson.dumps(self._answers), media_type="application/json")
        if self._known.has_records(method, path):
            refused = not await self._taken()
            self._answers.append((time.time(), 429 if refused else 200))
            if refused:
                return Response(b"{}", 429, RETRY_AFTER, "application/json")
            status, said = self._known.took(path, len(body), body.count(b"{"), body)
        else:
            status, said = self._known.answer(method, path, body)
        return Response(said, status, media_type="application/json")

    async def _taken(self) -> bool:
        if self._kind == "bucket":
            return self._bucket.take(time.monotonic())
        if self._kind == "knee":
            await self._workers.serve()
        else:
            await anyio.sleep(self._work_s)
        return True


def application(limited: Limited) -> Starlette:
    """Everything goes to `limited`."""
    methods = ["GET", "POST", "PUT", "DELETE"]
    return Starlette(routes=[Route("/{rest:path}", limited.answer, methods=methods)])


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.governor_server")
    parser.add_argument("kind", choices=("bucket", "knee", "slow"))
    parser.add_argument("--per-s", type=float, default=20.0, help="the bucket's rate")
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--work-ms", type=float, default=0.0)
    parser.add_argument("--thrash", type=float, default=0.05)
    return parser.parse_args(arguments)


def main() -> None:
    """Serve until standard input ends."""
    app = application(Limited(parse()))
    listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False))

    def end_with_input() -> None:
        sys.stdin.buffer.read()
        server.should_exit = True

    threading.Thread(target=end_with_input, daemon=True).start()
    ready = {"ready": f"http://127.0.0.1:{listening.getsockname()[1]}"}
    print(orjson.dumps(ready).decode(), flush=True)
    server.run(sockets=[listening])


if __name__ == "__main__":
    main()
