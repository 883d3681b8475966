"""Uploads over real sockets: what is stored, what is refused, and what a broken one leaves."""

from __future__ import annotations

import base64
import hashlib
import re
import socket
import stat
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from ingest.sandbox import s3, s3_sign
from tests.sandbox.conftest import Running, Start, running

TYPE = {"content-type": "application/gzip"}


def url(
    sandbox: Running,
    method: str = "PUT",
    name: str | None = None,
    *,
    bucket: str = s3.BUCKET,
    headers: dict[str, str] | None = None,
    age_s: int = 0,
) -> str:
    """Signed for ten minutes."""
    host = httpx.URL(sandbox.url).netloc.decode()
    path = f"{s3.PREFIX}{bucket}/{name or uuid.uuid4()}"
    request = s3_sign.Request(method, path, {"host": host, **(headers or {})})
    at = datetime.now(UTC) - timedelta(seconds=age_s)
    return f"http://{host}" + s3_sign.presigned(request, s3.KEY, at, 600)


def is_refused(answer: httpx.Response, status: int, code: str) -> bool:
    """S3's XML, with that code."""
    assert answer.headers["content-type"] == "application/xml"
    assert answer.headers["x-amz-request-id"] in answer.text
    found = re.search("<Error><Code>(.*?)</Code><Message>.+?</Message>", answer.text, re.DOTALL)
    assert found, answer.text
    assert (answer.status_code, found[1]) == (status, code)
    return True


def files(sandbox: Running) -> list[str]:
    """What lies on the disk."""
    folder = sandbox.data_dir / "s3"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def raw(target: str, host: str, headers: str, body: bytes = b"") -> bytes:
    """Whatever is answered to a PUT of exactly this target, headers and body."""
    address, _, port = host.partition(":")
    with socket.create_connection((address, int(port)), timeout=30) as peer:
        peer.sendall(
            f"PUT {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}\r\n".encode()
            + body
        )
        return b"".join(iter(lambda: peer.recv(65_536), b""))


def split(address: str) -> tuple[str, str]:
    """A URL's target and host."""
    where = httpx.URL(address)
    return where.raw_path.decode(), where.netloc.decode()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One sandbox for the tests that need no options."""
    with running(tmp_path_factory.mktemp("s3")) as one:
        yield one


@pytest.fixture
def box(shared: Running) -> Running:
    """That one, with no bodies in it."""
    for name in files(shared):
        (shared.data_dir / "s3" / name).unlink()
    return shared


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    """A client with no headers of its own."""
    with httpx.Client(trust_env=False, timeout=30) as client:
        yield client


@pytest.mark.parametrize("size", [0, 1, 2, 65_536, 5_000_000])
def test_a_body_is_stored(box: Running, http: httpx.Client, size: int) -> None:
    """As it came, for us alone, and answered with its MD5."""
    name = str(uuid.uuid4())
    body = bytes(n * n % 251 for n in range(1000)) * (size // 1000 + 1)
    answer = http.put(url(box, name=name), content=body[:size])
    etag = f'"{hashlib.md5(body[:size]).hexdigest()}"'
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["etag"] == etag
    file = box.data_dir / "s3" / name
    assert file.read_bytes() == body[:size]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert files(box) == [name]
    got = http.get(url(box, "GET", name))
    assert (got.content, got.headers["etag"]) == (body[:size], etag)
    looked = http.head(url(box, "HEAD", name))
    assert looked.headers["content-length"] == str(size)
    assert looked.headers["etag"] == etag


def test_the_later_upload_wins(box: Running, http: httpx.Client) -> None:
    """And a deleted one is gone, once and for all."""
    name = str(uuid.uuid4())
    for body in (b"one", b"two"):
        assert http.put(url(box, name=name), content=body).status_code == 200
    assert http.get(url(box, "GET", name)).content == b"two"
    for _ in range(2):
        assert http.delete(url(box, "DELETE", name)).status_code == 204
    assert is_refused(http.get(url(box, "GET", name)), 404, "NoSuchKey")
    assert files(box) == []


def test_signatures_are_checked(box: Running, http: httpx.Client) -> None:
    """And the error shows, as S3's does, what was signed."""
    good = url(box)
    answer = http.put(good[:-1] + ("0" if good[-1] != "0" else "1"), content=b"x")
    assert is_refused(answer, 403, "SignatureDoesNotMatch")
    assert "<StringToSign>AWS4-HMAC-SHA256\n" in answer.text
    assert is_refused(http.put(good.partition("?")[0], content=b"x"), 403, "AccessDenied")
    assert is_refused(http.put(url(box, "GET"), content=b"x"), 403, "SignatureDoesNotMatch")
    assert http.put(url(box), content=b"x").status_code == 200
    assert len(files(box)) == 1


def test_an_expired_url(box: Running, http: httpx.Client) -> None:
    """403, in S3's words."""
    answer = http.put(url(box, age_s=601), content=b"x" * 1_000_000)
    assert is_refused(answer, 403, "AccessDenied")
    assert "<Message>Request has expired</Message>" in answer.text
    assert http.put(url(box, age_s=590), content=b"x").status_code == 200


def test_content_types(box: Running, http: httpx.Client) -> None:
    """An unsigned one is ignored, a signed one must match."""
    assert http.put(url(box), content=b"x", headers=TYPE).status_code == 200
    assert http.put(url(box, headers=TYPE), content=b"x", headers=TYPE).status_code == 200
    answer = http.put(url(box, headers=TYPE), content=b"x")
    assert is_refused(answer, 403, "SignatureDoesNotMatch")


def test_lengths(box: Running, http: httpx.Client) -> None:
    """None is 411, chunks are 501, too much is refused before it is read."""
    assert is_refused(http.put(url(box), content=iter([b"x"])), 501, "NotImplemented")
    none = raw(*split(url(box)), "")
    assert none.startswith(b"HTTP/1.1 411 ")
    assert b"<Code>MissingContentLength</Code>" in none
    long = raw(*split(url(box)), f"Content-Length: {5 * 1024**3 + 1}\r\n")
    assert long.startswith(b"HTTP/1.1 400 ")
    assert b"<Code>EntityTooLarge</Code>" in long
    assert files(box) == []


def test_a_body_that_ends_short(start: Start) -> None:
    """Leaves nothing, not even a part."""
    sandbox = start()
    where = httpx.URL(url(sandbox))
    with socket.create_connection((where.host, where.port or 0), timeout=30) as peer:
        peer.sendall(
            f"PUT {where.raw_path.decode()} HTTP/1.1\r\nHost: {where.netloc.decode()}\r\n"
            "Content-Length: 3000001\r\n\r\n".encode()
            + b"x" * 3_000_000
        )
        deadline = time.monotonic() + 30
        while not files(sandbox):
            assert time.monotonic() < deadline, "it never began"
    while sandbox.stats()["by_status"] != {"disconnected": 1}:
        assert time.monotonic() < deadline, sandbox.stats()
    assert files(sandbox) == []


def test_a_content_md5_must_fit(box: Running, http: httpx.Client) -> None:
    """Or nothing is stored."""
    right = base64.b64encode(hashlib.md5(b"body").digest()).decode()
    answer = http.put(url(box), content=b"bodies", headers={"content-md5": right})
    assert is_refused(answer, 400, "BadDigest")
    answer = http.put(url(box), content=b"body", headers={"content-md5": "?"})
    assert is_refused(answer, 400, "InvalidDigest")
    assert files(box) == []
    answer = http.put(url(box), content=b"body", headers={"content-md5": right})
    assert answer.status_code == 200


def test_the_apis_key_is_refused_loudly(box: Running, http: httpx.Client) -> None:
    """The leak is seen; nothing is stored, the key is not repeated."""
    answer = http.put(url(box), content=b"x", headers={"x-api-key": "sandbox-secret"})
    assert is_refused(answer, 400, "InvalidRequest")
    assert "x-api-key" in answer.text
    assert "sandbox-secret" not in answer.text
    assert files(box) == []


@pytest.mark.parametrize("name", ["a", "../../evil", "A" * 36, f"{uuid.UUID(int=7)}/x", "x" * 900])
def test_names_are_ours(box: Running, name: str) -> None:
    """No name from outside becomes a file's, signed or not."""
    host = httpx.URL(box.url).netloc.decode()
    path = f"{s3.PREFIX}{s3.BUCKET}/{name}"
    request = s3_sign.Request("PUT", path, {"host": host})
    target = s3_sign.presigned(request, s3.KEY, datetime.now(UTC), 600)
    # httpx would normalise the dots away
    answer = raw(target, host, "Content-Length: 1\r\n", b"x")
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert b"<Code>AccessDenied</Code>" in answer
    assert files(box) == []
    assert not (box.data_dir.parent / "evil").exists()


def test_other_buckets_methods_and_hosts(box: Running, http: httpx.Client) -> None:
    """In XML, too."""
    assert is_refused(http.put(url(box, bucket="b"), content=b""), 404, "NoSuchBucket")
    assert is_refused(http.post(url(box, "POST"), content=b""), 405, "MethodNotAllowed")
    assert is_refused(http.get(f"{box.url}{s3.PREFIX}only"), 404, "NoSuchKey")
    answer = http.put(url(box), content=b"x", headers={"host": "evil.example"})
    assert is_refused(answer, 421, "MisdirectedRequest")


def test_slow_down(start: Start, http: httpx.Client) -> None:
    """The fault `s3-slowdown`: read whole, answered 503, not stored; the next one is."""
    sandbox = start("--fault", "s3-slowdown:first1")
    good = url(sandbox)
    body = b"x" * 3_000_000
    assert is_refused(http.put(good, content=body), 503, "SlowDown")
    assert files(sandbox) == []
    assert http.put(good, content=body).status_code == 200
    stats = sandbox.stats()
    assert stats["by_status"] == {"200": 1, "503": 1}
    assert stats["bytes"] == 2 * len(body)


def test_every_put_counts(start: Start, http: httpx.Client) -> None:
    """Refused ones too; other requests don't."""
    sandbox, name = start(), str(uuid.uuid4())
    http.put(url(sandbox, age_s=601), content=b"body")
    http.put(url(sandbox, name=name), content=b"body")
    http.get(url(sandbox, "GET", name))
    stats = sandbox.stats()
    assert (stats["requests"], stats["by_status"]) == (2, {"200": 1, "403": 1})
    assert (stats["bytes"], stats["concurrent"]) == (4, 0)


def test_memory_stays_flat(start: Start) -> None:
    """A body of 120 MB goes through in pieces."""
    sandbox = start()
    size, piece = 120_000_000, b"x" * 1_000_000
    before = peak_rss_bytes(sandbox)
    where = httpx.URL(url(sandbox))
    with socket.create_connection((where.host, where.port or 0), timeout=60) as peer:
        peer.sendall(
            f"PUT {where.raw_path.decode()} HTTP/1.1\r\nHost: {where.netloc.decode()}\r\n"
            f"Content-Length: {size}\r\n\r\n".encode()
        )
        for _ in range(size // len(piece)):
            peer.sendall(piece)
        assert peer.recv(15) == b"HTTP/1.1 200 OK"
    assert peak_rss_bytes(sandbox) - before < 30_000_000


def peak_rss_bytes(sandbox: Running) -> int:
    """The most memory the process ever had."""
    status = Path(f"/proc/{sandbox.process.pid}/status")
    if not status.exists():
        pytest.skip("there is no /proc here")
    found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
    assert found
    return int(found[1]) * 1024
