"""The discarding server as a benchmark holds it: started, asked, ended."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from benchmarks.measure import ROOT


@dataclass(frozen=True, slots=True)
class Received:
    """What the server took since it was reset. `rows_hash` only where it verifies."""

    requests: int
    records: int
    size_bytes: int
    rows_hash: str | None
    cpu_s: float


class DiscardingServer:
    """A server process for the time of a `with` block; `url` is its address."""

    def __init__(self, *, verify: bool = False, delay_ms: int = 0) -> None:
        self._options = ["--verify"] * verify + ["--delay-ms", str(delay_ms)]
        self._process: subprocess.Popen[bytes] | None = None
        self._cpu_s = 0.0
        self.url = ""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.server", *self._options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self.__exit__(None, None, None)
            raise RuntimeError("the benchmark's server did not start; its words stand above")
        self.url = json.loads(line)["ready"]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        process.stdout.close()
        process.wait()

    @contextmanager
    def frozen(self, after_s: float, seconds: float) -> Iterator[None]:
        """Stop the process for a while, that long after the block was entered; not at all for 0."""
        if not seconds:
            yield
            return
        assert self._process is not None
        signals = ((after_s, signal.SIGSTOP), (after_s + seconds, signal.SIGCONT))
        timers = [threading.Timer(s, self._process.send_signal, [sign]) for s, sign in signals]
        for timer in timers:
            timer.start()
        try:
            yield
        finally:
            for timer in timers:
                timer.cancel()
                timer.join()
            self._process.send_signal(signal.SIGCONT)

    def reset(self) -> None:
        """Forget tables and counts."""
        self._cpu_s = self._ask("GET", "/_stats")["cpu_s"]
        self._ask("POST", "/_reset")

    def received(self) -> Received:
        """What it took since the last reset."""
        stats = self._ask("GET", "/_stats")
        return Received(
            stats["requests"],
            stats["records"],
            stats["bytes"],
            stats["rows_hash"],
            stats["cpu_s"] - self._cpu_s,
        )

    def _ask(self, method: str, path: str) -> dict[str, Any]:
        connection = HTTPConnection(urlsplit(self.url).netloc)
        try:
            connection.request(method, path)
            answer: dict[str, Any] = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        return answer
