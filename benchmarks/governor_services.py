"""What `benchmarks.governor` loads to, as a process: a service with a limit.

It has a `url`, takes a new limit while it runs (`set_limit`), and tells when it answered what
(`answers`: Unix seconds and status), so that both sides of a limit are counted where they are
decided. Ours is here, Envoy in `governor_envoy`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import Protocol
from urllib.parse import urlsplit

from benchmarks.measure import ROOT

Answers = list[tuple[float, int]]


class LimitedService(Protocol):
    """What a load goes to."""

    url: str

    def set_limit(self, per_s: float) -> None:
        """So many requests a second from now on."""
        ...

    def answers(self) -> Answers:
        """Moment and status of every answer to a body."""
        ...


class OwnService:
    """`benchmarks.governor_server`, running."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._kept: Answers | None = None

    def set_limit(self, per_s: float) -> None:
        """So many requests a second from now on."""
        ask(self.url, "POST", f"/_limit/{per_s}")

    def answers(self) -> Answers:
        """Moment and status of every answer to a body."""
        if self._kept is not None:
            return self._kept
        return [(at, status) for at, status in json.loads(ask(self.url, "GET", "/_answers"))]

    def keep_answers(self) -> None:
        """Ask for them now: it is about to end."""
        self._kept = self.answers()


@contextmanager
def own_service(*options: str) -> Iterator[OwnService]:
    """A service of ours for the time of a `with` block."""
    arguments = [sys.executable, "-m", "benchmarks.governor_server", *options]
    with subprocess.Popen(
        arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        line = process.stdout.readline()
        if not line:
            raise RuntimeError("the limited service did not start; its words stand above")
        try:
            yield OwnService(json.loads(line)["ready"])
        finally:
            process.stdin.close()


def ask(url: str, method: str, path: str) -> bytes:
    """What it answers to a request without a body."""
    connection = HTTPConnection(urlsplit(url).netloc)
    try:
        connection.request(method, path)
        return connection.getresponse().read()
    finally:
        connection.close()


def shares(answers: Answers, since_s: float, until_s: float) -> tuple[float, float]:
    """Accepted a second in that time, and the share of 429 among all answers."""
    inside = [status for at, status in answers if since_s <= at < until_s]
    accepted = sum(status == 200 for status in inside)
    refused = sum(status == 429 for status in inside)
    return accepted / (until_s - since_s), refused / max(1, accepted + refused)
