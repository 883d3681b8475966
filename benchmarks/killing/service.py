"""The rehearsal server that the killed loads are sent to: a process of its own, asked directly.

It is no child of a load, so it outlives the kill and goes on with what it had in hand: a body that
had come whole commits after its client's death. Its counts say when: `concurrent` are the requests
that it still works on, those among them whose commit comes late.

Connections are one for each call, since who asks may be any thread.
"""

from __future__ import annotations

import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson

from benchmarks.killing.case import Case, Row
from ingest.sandbox import child

TOKEN = "sandbox"
PAGE = 10_000
_HEADERS = {"avalanchio": {"Authorization": f"Bearer {TOKEN}"}, "aito": {"x-api-key": TOKEN}}


@dataclass(frozen=True, slots=True)
class Service:
    """A sandbox that listens at `url`."""

    url: str

    @property
    def environment(self) -> dict[str, str]:
        """What either of its two halves is reached by."""
        avalanchio = {"AIO_TOKEN": TOKEN, "AIO_BASE_URL": self.url}
        return {**avalanchio, "AITO_URL": self.url, "AITO_API_KEY": TOKEN}

    def stats(self) -> dict[str, Any]:
        """Its counts."""
        counts: dict[str, Any] = self._ask("GET", "/_sandbox/stats")
        return counts

    def rows(self, case: Case) -> Counter[Row]:
        """Every row of the table, counted."""
        pages = self._pages_of_aito if case.way.system == "aito" else self._pages_of_avalanchio
        return Counter((row["n"], row["price"], row["name"]) for row in pages(case.table))

    def drop(self, case: Case) -> None:
        """The table goes."""
        path = case.table if case.way.system == "aito" else f"drop-table/{case.table}"
        self._ask("DELETE", f"/api/v1/schema/{path}", system=case.way.system)

    def at_rest(self, within_s: float) -> bool:
        """Wait until nothing is under way, late commits included."""
        deadline_s = time.monotonic() + within_s
        while self.stats()["concurrent"]:
            if time.monotonic() > deadline_s:
                return False
            time.sleep(0.05)
        return True

    def _pages_of_avalanchio(self, table: str) -> Iterator[Mapping[str, Any]]:
        start = 0
        while True:
            page = f"select n, price, name from {table} order by id limit {PAGE} offset {start}"
            found = self._ask("POST", "/api/v1/query", {"statement": page})["rows"]
            yield from found
            start += len(found)
            if len(found) < PAGE:
                return

    def _pages_of_aito(self, table: str) -> Iterator[Mapping[str, Any]]:
        start = 0
        while True:
            asked = {"from": table, "limit": PAGE, "offset": start}
            found = self._ask("POST", "/api/v1/_query", asked, "aito")["hits"]
            yield from found
            start += len(found)
            if len(found) < PAGE:
                return

    def _ask(
        self,
        method: str,
        path: str,
        payload: Mapping[str, Any] | None = None,
        system: str = "avalanchio",
    ) -> Any:
        body = None if payload is None else orjson.dumps(payload)
        headers = {**_HEADERS[system], "Content-Type": "application/json"}
        connection = HTTPConnection(urlsplit(self.url).netloc, timeout=60)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise RuntimeError(f"{method} {path}: {answer.status}: {content[:500]!r}")
        return orjson.loads(content)


@contextmanager
def serving(data_dir: Path, faults: tuple[str, ...], seed: int) -> Iterator[Service]:
    """A sandbox for the time of the block."""
    options = [part for spec in faults for part in ("--fault", spec)]
    arguments = child.command(["--data", str(data_dir), "--seed", str(seed), *options])
    pipe = subprocess.PIPE
    with subprocess.Popen(arguments, stdin=pipe, stdout=pipe, env=child.environment()) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            if not line:
                raise RuntimeError("the sandbox did not start; its words stand above")
            yield Service(orjson.loads(line)["ready"])
        finally:
            process.stdin.close()
            process.wait(30)


def trouble(late_s: float) -> tuple[str, ...]:
    """What the service does to its clients: 429s, resets before and after the commit, slow answers,
    and commits up to `late_s` after the connection, or the client, has gone: a slow one that is
    late, too, takes no longer than that."""
    slow, late = round(late_s * 400), round(late_s * 590)
    return (
        "429:5%",
        "reset-before:2%",
        "reset-after-commit:2%",
        f"commit-late:{late}ms:2%",
        f"commit-late:{late // 4}ms:1%",
        f"slow:{slow}ms:3%",
        f"slow:{round(late_s * 8)}ms:40%",
    )
