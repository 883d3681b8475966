"""Bodies: read within a bound, unpacked within the same bound, parsed into records.

Two limits, with the figures of the reference page: at most `BODY_BYTES` a body, as it comes and
unpacked (413 beyond), and at most `RECORDS` records (400 beyond). A Content-Length that is too
large is refused before anything is read; a body without one as soon as it has grown too large.

The JSON must be exactly `{"records": [objects], "upsert_key": text?}`. orjson refuses what is no
JSON (NaN, numbers beyond doubles, lone surrogates, depth beyond 1,024), but makes doubles of
integers from 2^64 on; where a column keeps JSON, the standard parser, which does not, reads the
body a second time.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

import orjson
from msgspec import Struct

from ingest.sandbox.refusal import Refused, bad, shown

BODY_BYTES = 6_000_000
RECORDS = 10_000

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class Disconnected(Exception):  # noqa: N818 - a way to end, not an error
    """The client went away before its body was whole."""


class Received(Struct, frozen=True):
    """A body as it came: its size, and its pieces unless they were thrown away."""

    size_bytes: int
    pieces: Sequence[bytes]

    def joined(self) -> bytes:
        """The body in one piece."""
        return self.pieces[0] if len(self.pieces) == 1 else b"".join(self.pieces)


class InsertRequest(Struct, frozen=True):
    """What an insert asks for."""

    records: list[dict[str, Any]]
    upsert_key: str | None


async def received(receive: Receive, announced: int | None, *, keep: bool) -> Received:
    """Read a body to its end. Raises `Refused` (413) beyond the bound, or `Disconnected`."""
    if announced is not None and announced > BODY_BYTES:
        raise too_large(announced)
    size, pieces = 0, list[bytes]()
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        piece = message.get("body", b"")
        size += len(piece)
        if size > BODY_BYTES:
            raise too_large(size)
        if keep and piece:
            pieces.append(piece)
        more = message.get("more_body", False)
    return Received(size, pieces)


def too_large(size_bytes: int) -> Refused:
    """The refusal of a body of at least `size_bytes`."""
    message = f"the body has {size_bytes} bytes or more; {BODY_BYTES} at most: send fewer records"
    return Refused(413, message, limit_bytes=BODY_BYTES)


def unpacked(content: bytes, encoding: str) -> bytes:
    """The body without its Content-Encoding: gzip (of any number of members) or none."""
    if encoding in {"", "identity"}:
        return content
    if encoding != "gzip":
        raise Refused(415, f"Content-Encoding {shown(encoding)} is not known; gzip or none is")
    try:
        return _gunzipped(content)
    except zlib.error as error:
        raise bad(f"the body is not gzip as its Content-Encoding says: {error}") from error


def _gunzipped(content: bytes) -> bytes:
    plain = bytearray()
    while content:
        member = zlib.decompressobj(wbits=31)
        plain += member.decompress(content, BODY_BYTES + 1 - len(plain))
        if len(plain) > BODY_BYTES:
            raise too_large(len(plain))
        if not member.eof:
            raise bad("the gzip body is cut short")
        content = member.unused_data
    return bytes(plain)


def parsed(content: bytes) -> dict[str, Any]:
    """The JSON object that a body holds."""
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise bad(f"the body is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise bad(f"the body must be a JSON object, not {shown(value)}")
    return value


def records(content: bytes, *, exact_numbers: bool) -> InsertRequest:
    """The records of an insert. `exact_numbers`: keep integers beyond 64 bits as they are."""
    value = parsed(content)
    if exact_numbers:
        value = json.loads(content)
    unknown = value.keys() - {"records", "upsert_key"}
    if unknown:
        names = shown(min(unknown))
        raise bad(f'the body may hold "records" and "upsert_key", not {names}')
    return InsertRequest(_checked(value.get("records")), _key(value.get("upsert_key")))


def _checked(value: object) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        raise bad('the body must be {"records": [...]}, a list of objects')
    if len(value) > RECORDS:
        message = f"the request has {len(value)} records; {RECORDS} at most: send fewer"
        raise bad(message, limit_records=RECORDS)
    if not set(map(type, value)) <= {dict}:
        index = next(i for i, record in enumerate(value) if type(record) is not dict)
        raise bad(f"record {index} (from 0) is no object: {shown(value[index])}", record=index)
    return value


def _key(value: object) -> str | None:
    if value is not None and not isinstance(value, str):
        raise bad(f'"upsert_key" must be the name of a column, not {shown(value)}')
    return value
