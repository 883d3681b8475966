"""What the benchmark's server says to a client of aito: enough for both sides, and no more.

Tables are made and described, batches are counted as they pass, and a file that was put is unpacked
and its lines are counted when it is triggered; from then on its status says that it is finished.
Both sides pay the same for it.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, field
from typing import Any

import orjson
from isal import isal_zlib as zlib  # quicker than the standard library's

Answer = tuple[int, bytes]
_EMPTY = b"{}"
_BATCH = re.compile(r"/api/v[12]/data/[^/]+/batch")
_FILE = re.compile(r"/api/v[12]/data/[^/]+/file(?:/([0-9a-f-]{36}))?")
_SCHEMA = re.compile(r"/api/v[12]/schema(?:/([^/]+))?(?:/[^/]+)?")
_STORAGE = re.compile(r"/s3/([0-9a-f-]{36})")


def carries_records(method: str, path: str) -> bool:
    """A batch, whose records are counted as it passes."""
    return method == "POST" and _BATCH.fullmatch(path) is not None


def is_known(path: str) -> bool:
    """Whether a path is one of aito's or of its storage."""
    return path == "/version" or path.startswith(("/api/v2/", "/s3/", "/api/v1/data/", "/api/v1/_"))


def is_schema(path: str) -> bool:
    """aito's schema; Avalanchio's `schema/tables` and `schema/describe-table` are not."""
    found = _SCHEMA.fullmatch(path)
    return found is not None and found[1] not in ("tables", "describe-table")


@dataclass(slots=True)
class Files:
    """Tables and files of the service; `records` of the files that were triggered."""

    url: str = ""
    tables: dict[str, Any] = field(default_factory=dict)
    stored: dict[str, bytes] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def answer(self, method: str, path: str, body: bytearray) -> Answer:
        """The answer to anything but a batch."""
        if found := _STORAGE.fullmatch(path.partition("?")[0]):
            self.stored[found[1]] = bytes(body)
            return 200, b""
        if found := _FILE.fullmatch(path):
            return self._file(method, found[1])
        if is_schema(path):
            return self._schema(method, path, body)
        if path.endswith("/_query"):
            return 200, b'{"offset":0,"total":%d,"hits":[]}' % sum(self.counts.values())
        return 200, b'{"version":"benchmark"}' if path == "/version" else _EMPTY

    def _file(self, method: str, identity: str | None) -> Answer:
        if identity is None:
            identity = str(uuid.uuid4())
            answer = {
                "id": identity,
                "url": f"{self.url}/s3/{identity}",
                "method": "PUT",
                "expires": "2100-01-01T00:00:00",
            }
            return 200, orjson.dumps(answer)
        if method == "POST":
            plain = zlib.decompress(self.stored.pop(identity), wbits=31)
            self.counts[identity] = plain.count(b"\n")
            return 200, _EMPTY
        status = {
            "finished": True,
            "completedCount": self.counts[identity],
            "lastSuccessfulElement": {},
            "startedAt": "20180730T172233.473+0300",
            "throughput": "1/s",
        }
        errors = {"message": "Last 0 failing rows", "rows": None}
        return 200, orjson.dumps({"status": status, "errors": errors})

    def _schema(self, method: str, path: str, body: bytearray) -> Answer:
        found = _SCHEMA.fullmatch(path)
        name = found[1] if found else None
        if name is None:
            return 200, orjson.dumps({"schema": self.tables})
        if method == "PUT":
            self.tables[name] = orjson.loads(body)
        if name not in self.tables:
            return 404, orjson.dumps({"message": f"No such table: {name}", "status": 404})
        return 200, orjson.dumps(self.tables[name])
