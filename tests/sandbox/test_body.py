"""Limits at their edges, broken bodies, gzip within its bound."""

import gzip
import socket
from collections.abc import Iterator

import httpx
import orjson
import pytest

from ingest.sandbox.body import BODY_BYTES, RECORDS
from tests.sandbox.conftest import API, Running

PACKED = gzip.compress(b"{}", mtime=0)  # without the time, so that the test keeps its name
NOTE = {"name": "note", "type": "Textarea"}


def post(sandbox: Running, table: str, content: object, **headers: str) -> httpx.Response:
    """POST a body as it is."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    path = f"{API}/tables/{table}"
    return sandbox.http.post(path, content=content, headers=names)  # type: ignore[arg-type]


def sized(size_bytes: int) -> bytes:
    """A valid body of exactly that size."""
    frame = b'{"records":[{"note":""}]}'
    return b'{"records":[{"note":"' + b"x" * (size_bytes - len(frame)) + b'"}]}'


@pytest.mark.parametrize("number", [0, 1, 2, RECORDS - 1, RECORDS, RECORDS + 1, RECORDS + 2])
def test_the_limit_of_records(sandbox: Running, number: int) -> None:
    """10,000 land, 10,001 are a 400 with words, and none of them lands."""
    table = sandbox.make(NOTE, skip_audit_fields=True)
    answer = post(sandbox, table, orjson.dumps({"records": [{}] * number}))
    (row,) = sandbox.sql(f"select count(*) as n from {table}").json()["rows"]
    if number <= RECORDS:
        assert answer.json() == {"count": number}
        assert row["n"] == number
    else:
        assert answer.status_code == 400
        assert f"has {number} records; 10000 at most" in answer.json()["error"]["message"]
        assert row["n"] == 0


@pytest.mark.parametrize("size", [BODY_BYTES - 1, BODY_BYTES, BODY_BYTES + 1, BODY_BYTES + 2])
@pytest.mark.parametrize("way", ["announced", "chunked", "gzip"])
def test_the_limit_of_bytes(sandbox: Running, size: int, way: str) -> None:
    """6,000,000 land, one more is a 413: announced, in chunks and unpacked."""
    table = sandbox.make(NOTE)
    body = sized(size)
    assert len(body) == size
    if way == "gzip":
        answer = post(sandbox, table, gzip.compress(body, 1), content_encoding="gzip")
    else:
        answer = post(sandbox, table, body if way == "announced" else pieces(body))
    assert answer.status_code == (200 if size <= BODY_BYTES else 413), answer.text
    if size > BODY_BYTES:
        assert answer.json()["error"]["limit_bytes"] == BODY_BYTES


def pieces(body: bytes) -> Iterator[bytes]:
    """A body with no length announced."""
    yield from (body[at : at + 262_144] for at in range(0, len(body), 262_144))


def test_an_announced_size_is_refused_before_the_body_comes(sandbox: Running) -> None:
    """A Content-Length is enough for a 413."""
    table = sandbox.make(NOTE)
    host = httpx.URL(sandbox.url)
    with socket.create_connection((host.host, host.port or 0), timeout=30) as peer:
        peer.sendall(
            f"POST {API}/tables/{table} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Authorization: Bearer sandbox\r\nContent-Length: {BODY_BYTES + 1}\r\n\r\n".encode()
        )
        assert peer.recv(4096).startswith(b"HTTP/1.1 413 ")


def test_every_request_is_bounded(sandbox: Running) -> None:
    """Statements and definitions too."""
    statement = "select '" + "x" * BODY_BYTES + "'"
    assert sandbox.sql(statement).status_code == 413


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"null", b"[]", b"5", b"{}", b'{"records": null}', b'{"records": {}}',
     b'{"records": [[]]}', b'{"records": [{}, null]}', b'{"records": [{}, 5]}',
     b'{"records": [{}], "more": 1}', b'{"records": [{}], "upsert_key": 1}',
     b'{"records": [{"note": NaN}]}', b'{"records": [{"note": Infinity}]}',
     b'{"records": [{"note": 1e400}]}', b'{"records": [{"note": "\\ud800"}]}',
     b'{"records": [{"note": "\xff"}]}', b'{"records": [{}]} {"records": [{}]}',
     b'{"records": [{},]}', b'{"records": ' + b"[" * 100_000, b"\xef\xbb\xbf{}"],
)  # fmt: skip
def test_bodies_that_are_refused(sandbox: Running, body: bytes) -> None:
    """Each is a 400 in JSON; the sandbox goes on."""
    for column in (NOTE, {"name": "note", "type": "Json"}):
        answer = post(sandbox, sandbox.make(column), body)
        assert answer.status_code == 400, answer.text
        assert answer.json()["error"]["message"]


def test_the_record_that_is_no_object_is_named(sandbox: Running) -> None:
    """By its index."""
    answer = post(sandbox, sandbox.make(NOTE), b'{"records": [{}, {}, "x", 5]}')
    assert answer.json()["error"]["record"] == 2


def test_gzip_of_many_members(sandbox: Running) -> None:
    """Is one body."""
    table = sandbox.make(NOTE)
    body = sized(1000)
    packed = b"".join(gzip.compress(piece) for piece in (body[:10], b"", body[10:]))
    assert post(sandbox, table, packed, content_encoding="gzip").json() == {"count": 1}


def test_a_gzip_bomb_is_a_413(sandbox: Running) -> None:
    """A gigabyte of zeros in a megabyte is never unpacked whole."""
    bomb = gzip.compress(b"0" * 1_000_000) * 1000
    answer = post(sandbox, sandbox.make(NOTE), bomb, content_encoding="gzip")
    assert answer.status_code == 413
    assert "6001" not in answer.json()["error"]["message"]


@pytest.mark.parametrize("packed", [b"", b"no gzip", PACKED[:-4], PACKED + b"garbage"])
def test_broken_gzip_is_a_400(sandbox: Running, packed: bytes) -> None:
    """Cut short, followed by garbage, or none at all."""
    answer = post(sandbox, sandbox.make(NOTE), packed, content_encoding="gzip")
    assert answer.status_code == 400


def test_other_encodings_are_a_415(sandbox: Running) -> None:
    """Named in the answer."""
    answer = post(sandbox, sandbox.make(NOTE), b"{}", content_encoding="br")
    assert answer.status_code == 415
    assert '"br"' in answer.json()["error"]["message"]
