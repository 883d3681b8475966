"""A server in front of a sandbox that lets requests pass, or not, as a test wishes.

Small calls always pass. The requests that carry records meet the acts given, one each in the order
of their arrival, and pass when these are used up. An act has the request read whole before it, so
it strikes at a defined moment: before the sandbox has seen the request, or after it has committed.

    with front(sandbox, says(429), lost_after) as (server, log):
        ... server.url is the front's, server.rows(...) asks the sandbox itself ...
"""

from __future__ import annotations

import http.client
import itertools
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

import orjson

from tests.fake_server import FakeServer, Line, Request, response
from tests.sandbox.conftest import Running

RECORD_PATHS = ("POST /api/v1/tables/", "POST /api/v1/data/")
HOP_BY_HOP = frozenset({"connection", "transfer-encoding", "content-length", "date", "server"})


@dataclass(frozen=True, slots=True)
class Struck:
    """A request with records, read whole, whose answer an act gives.

    `pass_on` has the sandbox do it and returns its answer; it may be given another body.
    """

    line: Line
    request: Request
    pass_on: Callable[..., bytes]


Act = Callable[[Struck], None]


def passes(struck: Struck) -> None:
    """As if nobody stood in between."""
    struck.line.send(struck.pass_on())


def says(status: int, body: bytes = b"{}", **more: object) -> Act:
    """This answer, and the sandbox hears nothing; `more` is `fake_server.response`'s."""
    answer = response(status, body, **more)  # type: ignore[arg-type]  # passed through
    return lambda struck: struck.line.send(answer)


def larger_than(size_bytes: int) -> Act:
    """413 for larger bodies; others pass."""

    def act(struck: Struck) -> None:
        large = len(struck.request.body) > size_bytes
        (says(413, b'{"message":"too large"}') if large else passes)(struck)

    return act


def refuses(status: int, n: int) -> Act:
    """This answer, without a word of where, for every body that holds the record of that n."""

    def act(struck: Struck) -> None:
        is_bad = place_of(n, struck.request) is not None
        (says(status, b'{"message":"no"}') if is_bad else passes)(struck)

    return act


def keeps_what_stands_before(n: int) -> Act:
    """400 for a body that holds the record of that n, but what stands before it is done."""

    def act(struck: Struck) -> None:
        place = place_of(n, struck.request)
        if place is None:
            passes(struck)
            return
        sent = orjson.loads(bytes(struck.request.body))
        if place:
            struck.pass_on(orjson.dumps({**sent, "records": sent["records"][:place]}))
        struck.line.send(response(400, b'{"message":"bad record"}'))

    return act


def place_of(n: int, request: Request) -> int | None:
    """Where in a body the record of that n stands, from 0."""
    records = orjson.loads(bytes(request.body))["records"]
    return next((i for i, record in enumerate(records) if record["n"] == n), None)


def says_after(status: int, body: bytes = b"{}") -> Act:
    """Done, and then this answer."""

    def act(struck: Struck) -> None:
        struck.pass_on()
        struck.line.send(response(status, body))

    return act


def lost_before(struck: Struck) -> None:
    """Taken whole, never done, aborted."""
    struck.line.reset()


def lost_after(struck: Struck) -> None:
    """Done, then aborted."""
    struck.pass_on()
    struck.line.reset()


def hung_up_before(struck: Struck) -> None:
    """Taken whole, never done, closed without a word: what an idle limit looks like."""
    raise ConnectionAbortedError


def cut_after(struck: Struck) -> None:
    """Done, and the answer breaks off three bytes early."""
    struck.line.send(struck.pass_on()[:-3])
    raise ConnectionAbortedError


def never(struck: Struck) -> None:
    """Taken whole, never done, never answered."""
    struck.line.wait()


def ends_the_run(*, done: bool) -> Act:
    """The run in this process is told to end while this request, done or not, has no answer."""

    def act(struck: Struck) -> None:
        if done:
            struck.pass_on()
        os.kill(os.getpid(), signal.SIGTERM)
        struck.line.wait()

    return act


class Front(FakeServer):
    """The server in front. `arrivals_s` are the moments at which requests with records came."""

    def __init__(self, behind: str, acts: tuple[Act, ...], token: str) -> None:
        super().__init__(self._serve)
        self.arrivals_s: list[float] = []
        self._token = token
        self._behind = behind.removeprefix("http://")
        self._acts = acts
        self._numbers = itertools.count()

    def _serve(self, line: Line) -> None:
        while (request := line.read()) is not None and line.sock.fileno() >= 0:
            if not request.line.startswith(RECORD_PATHS):
                line.send(self._passed_on(request))
                continue
            self.arrivals_s.append(time.monotonic())
            number = next(self._numbers)
            act = self._acts[number] if number < len(self._acts) else passes
            act(Struck(line, request, partial(self._passed_on, request)))

    def _passed_on(self, request: Request, body: bytes | None = None) -> bytes:
        method, path, _ = request.line.split(" ")
        connection = http.client.HTTPConnection(self._behind, timeout=10)
        try:
            headers = {
                name: value.replace(self._token, "sandbox")
                for name, value in request.headers.items()
                if name != "content-length"
            }
            connection.request(method, path, body or bytes(request.body), headers)
            answer = connection.getresponse()
            return response(answer.status, answer.read(), None, _kept(answer.getheaders()))
        finally:
            connection.close()


def _kept(headers: list[tuple[str, str]]) -> dict[str, str]:
    return {name: value for name, value in headers if name.lower() not in HOP_BY_HOP}


@contextmanager
def front(behind: Running, *acts: Act, token: str = "sandbox") -> Iterator[tuple[Running, Front]]:
    """The sandbox as it is reached through the front, with that token, and the front."""
    with Front(behind.url, acts, token) as server:
        yield replace(behind, url=server.base_url), server
