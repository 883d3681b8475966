"""`ingest sandbox`: a server in the foreground that goes when it is told to, or its parent goes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import orjson
import pytest

from ingest.cli import sandbox
from ingest.cli.app import app
from tests.cli.test_process import environment

pytest.importorskip("uvicorn")


@contextmanager
def served(*options: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """The command once it listens, and its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "ingest.cli", "sandbox", *options],
        env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    with process:
        try:
            assert process.stdout
            ready = orjson.loads(process.stdout.readline())
            yield process, ready["ready"]
        finally:
            process.kill()


def listens(url: str) -> bool:
    """Whether somebody answers there."""
    place = urlsplit(url)
    try:
        socket.create_connection((place.hostname, place.port), timeout=5).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_told_to_end(number, tmp_path):
    """Address and token for programs, instructions for people; a signal ends it with 0."""
    with served("--data", str(tmp_path / "d"), "--fault", "429:5%", "--discard") as (process, url):
        assert listens(url)
        assert process.stderr
        said = b"".join(process.stderr.readline() for _ in range(5))
        process.send_signal(number)
        process.wait(timeout=60)
    assert process.returncode == 0
    assert f"sandbox: {url}  token: sandbox".encode() in said
    assert f"AIO_TOKEN=sandbox AIO_BASE_URL={url} ingest load FILE".encode() in said
    assert not listens(url)


def test_a_wrong_fault_is_a_usage_error(tmp_path):
    """The server knows its faults, and says what is wrong."""
    found = subprocess.run(
        [sys.executable, "-m", "ingest.cli", "sandbox", "--fault", "nonsense"],
        env=environment(), capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert found.returncode == 2
    assert b"nonsense" in found.stderr
    assert found.stdout == b""


def test_a_taken_port_is_said():
    """Exit 1, with the port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        found = subprocess.run(
            [sys.executable, "-m", "ingest.cli", "sandbox", "--port", str(port)],
            env=environment(), capture_output=True, timeout=60, check=False,
        )  # fmt: skip
    assert found.returncode == 1
    assert str(port).encode() in found.stderr


def test_a_missing_extra_says_how_to_get_it(runner, monkeypatch):
    """Exit 2 and the command."""
    monkeypatch.setattr(sandbox, "find_spec", lambda _: None)
    result = runner.invoke(app, ["sandbox"])
    assert result.exit_code == 2
    assert "pip install 'ingest[sandbox]'" in result.stderr


def test_it_dies_with_its_parent():
    """Even SIGKILL leaves no server behind: its standard input ends."""
    with served() as (process, url):
        assert listens(url)
        os.kill(process.pid, signal.SIGKILL)
        process.wait(timeout=60)
        assert process.stderr
        process.stderr.read()  # the server holds the other end until it is gone
    assert not listens(url)
