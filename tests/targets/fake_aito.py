"""An aito and its S3 in one fake server: each kind of request has a list of answers of its own.

An answer is bytes, or a script for one connection (to break it). The last one is given again and
again. `fake.calls()` is what was asked, in order, as words: init, put, trigger, look, count.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import orjson

from ingest.model import Batch, FileInfo, Slice, Spool, spans_of
from ingest.pack.spool import SpoolEnvelope
from ingest.targets.aito import request_headers
from ingest.targets.aito_file import AitoFileTarget, FileSettings
from ingest.wire import Secret, Senses, Timeouts, Wire
from tests.fake_server import FakeServer, Line, Request, response
from tests.fakes import JumpingClock

KEY = "rw-key-0123456789abcdef"
ID = "9b38de74-0694-46ad-b239-1af5626f1fc9"
SIGNATURE = "5e1f" * 16
OK = response(200, b"{}")
STORED = response(200, b"", None, {"ETag": '"x"'})
EXPIRED = response(
    403,
    b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>",
    "application/xml",
    {"Date": "Thu, 01 Jan 2026 00:15:00 GMT"},
)

Answer = bytes | Callable[[Line], None]


def said(value: Any, status: int = 200) -> bytes:
    """A JSON answer."""
    return response(status, orjson.dumps(value))


def status(
    completed: int, *rows: Any, finished: bool = True, started: str | None = "x", message: str = ""
) -> bytes:
    """A status answer."""
    counts = {"finished": finished, "completedCount": completed, "startedAt": started}
    more = {"throughput": 1.0, "lastSuccessfulElement": None}
    message = message or f"Last {len(rows)} failing rows"
    errors = {"message": message, "rows": list(rows) or None}
    return said({"status": {**counts, **more}, "errors": errors})


def going(completed: int) -> bytes:
    """A status of one that goes on."""
    return status(completed, finished=False)


def total(rows: int) -> bytes:
    """A query's answer."""
    return said({"offset": 0, "total": rows, "hits": []})


def hang_up(line: Line) -> None:
    """The request was read; there is no answer."""
    line.reset()


class FakeAito(FakeServer):
    """Use as a FakeServer; set `init`, `put`, `trigger`, `look`, `count` before or amid a test."""

    def __init__(self) -> None:
        super().__init__(self._serve)
        self.init: list[Answer] = [said(self.slot())]
        self.put: list[Answer] = [STORED]
        self.trigger: list[Answer] = [OK]
        self.look: list[Answer] = [status(3)]
        self.count: list[Answer] = [total(10)]

    def slot(self, **changes: Any) -> dict[str, Any]:
        """An init answer; its URL leads here."""
        url = f"{self.base_url}/bucket/{ID}?X-Amz-Expires=900&X-Amz-Signature={SIGNATURE}"
        slot = {"id": ID, "url": url, "method": "PUT", "expires": "2026-01-01T00:10:00"}
        return {**slot, **changes}

    def calls(self) -> list[str]:
        """What was asked, in order."""
        return [kind(request) for request in self.requests]

    def asked(self, what: str) -> list[Request]:
        """The requests of one kind."""
        return [request for request in self.requests if kind(request) == what]

    def _serve(self, line: Line) -> None:
        while (request := line.read()) is not None:
            answers: list[Answer] = getattr(self, kind(request))
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            if callable(answer):
                answer(line)
                return
            line.send(answer)


def kind(request: Request) -> str:
    """Which step of an upload a request is."""
    for word, pattern in _KINDS:
        if re.fullmatch(pattern, request.line):
            return word
    raise AssertionError(f"nobody asks for {request.line}")


_KINDS = (
    ("init", r"POST /api/v[12]/data/t/file HTTP/1.1"),
    ("put", r"PUT /\S* HTTP/1.1"),
    ("trigger", r"POST /api/v[12]/data/t/file/[0-9a-f-]{36} HTTP/1.1"),
    ("look", r"GET /api/v[12]/data/t/file/[0-9a-f-]{36} HTTP/1.1"),
    ("count", r"POST /api/v[12]/_query HTTP/1.1"),
)


def target_at(base_url: str, clock: JumpingClock | None = None, **file: Any) -> AitoFileTarget:
    """A target for table `t`, with a clock that jumps."""
    senses = Senses(clock or JumpingClock(), lambda: 1_767_225_000.0, lambda: 0.5)
    wire = Wire(base_url, request_headers(Secret(KEY)), Timeouts(calls_s=0), senses=senses)
    envelope = SpoolEnvelope(1_000_000)
    return AitoFileTarget(wire, "t", envelope, file=FileSettings(senses=senses, **file))


def spooled_batch(directory: Path, records: Sequence[dict[str, Any]], number: int = 1) -> Batch:
    """A batch whose body is a gzip file, as `pack.spool` makes them."""
    plain = b"".join(orjson.dumps(record) + b"\n" for record in records)
    packed = gzip.compress(plain, 1)
    path = directory / f"spool-{number}.gz"
    path.write_bytes(packed)
    spool = Spool(path, len(packed), len(plain), hashlib.sha256(packed).hexdigest())
    part = Slice(FileInfo(0, "made.csv"), b"", 0, 0, len(records), 1, len(records))
    return Batch(number, (), len(packed), len(records), spans_of([part]), (part,), spool=spool)
