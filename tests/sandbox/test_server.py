"""The process: its one line, its options, and how it ends."""

import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import orjson
import pytest

from ingest.sandbox import child
from tests.sandbox.conftest import API, HEADERS

PIPE = subprocess.PIPE


def started(*options: str) -> subprocess.Popen[bytes]:
    """`python -m ingest.sandbox` with exactly these options; warnings are errors."""
    command = [sys.executable, "-W", "error", "-m", "ingest.sandbox", *options]
    return subprocess.Popen(command, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=child.environment())


def ready(process: subprocess.Popen[bytes]) -> dict[str, str]:
    """The line it says when it listens."""
    assert process.stdout is not None
    line: dict[str, str] = orjson.loads(process.stdout.readline())
    return line


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    """Code 0, one line on stdout, nothing on stderr, an idle connection open or not."""
    with started("--data", str(tmp_path)) as process:
        line = ready(process)
        assert line == {"ready": line["ready"], "token": "sandbox"}
        with httpx.Client(base_url=line["ready"], headers=HEADERS, trust_env=False) as http:
            assert http.get(f"{API}/users/current").status_code == 200
            process.send_signal(number)
            assert process.communicate(timeout=30) == (b"", b"")
    assert process.returncode == 0


def test_a_child_ignores_sigint_and_ends_with_its_input(tmp_path: Path) -> None:
    """Ctrl-C is the parent's to handle; the end of stdin is the end."""
    with started("--data", str(tmp_path), "--watch-stdin") as process:
        url = ready(process)["ready"]
        for _ in range(3):
            process.send_signal(signal.SIGINT)
        answer = httpx.get(f"{url}{API}/users/current", headers=HEADERS, trust_env=False)
        assert answer.status_code == 200
        assert process.poll() is None
        assert process.communicate(timeout=30) == (b"", b"")
    assert process.returncode == 0


def test_a_port_of_ones_choice_and_no_other(tmp_path: Path) -> None:
    """A free one is taken as asked; a taken one is code 1 and a sentence."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with started("--data", str(tmp_path), "--port", str(port)) as process:
            output, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert output == b""
    assert f"can't listen on port {port}" in errors.decode()
    assert b"Traceback" not in errors
    with started("--data", str(tmp_path), "--port", str(port)) as process:
        assert ready(process)["ready"] == f"http://127.0.0.1:{port}"
        process.terminate()
        process.communicate(timeout=30)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--fault", "sometimes"], "the forms are: STATUS:WHEN"),
        (["--port", "65536"], "is no port"),
        (["--port", "x"], "is no port"),
        (["--nothing"], "unrecognized"),
    ],
)
def test_wrong_options(options: list[str], words: str) -> None:
    """Code 2 and what is right."""
    with started(*options) as process:
        output, errors = process.communicate(timeout=30)
    assert process.returncode == 2
    assert output == b""
    assert words in errors.decode()


def test_an_unusable_data_directory(tmp_path: Path) -> None:
    """Code 1 and its name."""
    file = tmp_path / "file"
    file.write_bytes(b"")
    with started("--data", str(file)) as process:
        output, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert output == b""
    assert str(file) in errors.decode()
    assert b"Traceback" not in errors


def test_without_data_nothing_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The temporary directory goes with the process."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with started() as process:
        ready(process)
        assert len(list(tmp_path.iterdir())) == 1
        process.terminate()
        process.communicate(timeout=30)
    assert list(tmp_path.iterdir()) == []
