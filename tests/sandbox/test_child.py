"""The child of a run: started, ended with its parent, and never left behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from anyio.abc import Process

from ingest.sandbox import child
from ingest.sandbox.child import SandboxError, sandbox_child
from tests.sandbox.conftest import API, HEADERS

PARENT = """
import sys, anyio
from pathlib import Path
from ingest.sandbox.child import sandbox_child

async def main():
    async with sandbox_child(Path(sys.argv[1])) as sandbox:
        print(sandbox.pid, flush=True)
        await anyio.sleep_forever()

anyio.run(main, backend=sys.argv[2])
"""


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that is dead and only waits to be reaped does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    try:
        return not (status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z")
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_gone(pid: int) -> None:
    """Until the process is gone; fails after 30 seconds. It is not ours to wait for."""
    deadline = time.monotonic() + 30
    pause = threading.Event()
    while is_alive(pid):
        assert time.monotonic() < deadline, f"process {pid} is still there"
        pause.wait(0.02)


@pytest.mark.anyio
async def test_a_child_serves_and_is_gone_afterwards(tmp_path: Path) -> None:
    """With its options."""
    record = tmp_path / "bodies"
    child_of = sandbox_child(tmp_path, ["429:first1"], discard=True, seed=3, record=record)
    async with child_of as sandbox:
        assert sandbox.token == "sandbox"
        assert is_alive(sandbox.pid)
        async with httpx.AsyncClient(base_url=sandbox.base_url, headers=HEADERS) as http:
            statuses = [(await http.post(f"{API}/tables/t")).status_code for _ in range(2)]
    assert statuses == [429, 200]
    assert len(list(record.iterdir())) == 2
    assert not is_alive(sandbox.pid)


@pytest.mark.anyio
async def test_rows_are_there_the_next_time(tmp_path: Path) -> None:
    """In the data directory."""
    for expected in (200, 400):
        async with (
            sandbox_child(tmp_path) as sandbox,
            httpx.AsyncClient(base_url=f"{sandbox.base_url}{API}", headers=HEADERS) as http,
        ):
            columns = [{"name": "a", "type": "Text", "unique": True}]
            await http.post("/schema/tables", json={"name": "t", "columns": columns})
            answer = await http.post("/tables/t", json={"records": [{"a": "x"}]})
            assert answer.status_code == expected


@pytest.mark.anyio
async def test_a_cancelled_block_leaves_nothing_running(tmp_path: Path) -> None:
    """Cancelled while it runs, the child is gone when the scope is left."""
    pid = 0
    with anyio.CancelScope() as scope:
        async with sandbox_child(tmp_path) as sandbox:
            pid = sandbox.pid
            scope.cancel()
            await anyio.sleep_forever()
    assert scope.cancelled_caught
    assert pid
    assert not is_alive(pid)


@pytest.mark.anyio
async def test_a_start_that_is_cancelled_leaves_nothing_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cancelled before it is ready."""
    pids = []
    open_process = anyio.open_process

    async def noted(*arguments: Any, **options: Any) -> Process:
        process = await open_process(*arguments, **options)
        pids.append(process.pid)
        return process

    monkeypatch.setattr(anyio, "open_process", noted)
    with anyio.CancelScope() as scope:
        scope.cancel()
        async with sandbox_child(tmp_path):
            pytest.fail("a cancelled start must not come to its block")
    assert len(pids) == 1
    assert not is_alive(pids[0])


@pytest.mark.anyio
async def test_an_error_in_the_block_passes(tmp_path: Path) -> None:
    """As it is, with the child ended."""
    with pytest.raises(ZeroDivisionError):
        async with sandbox_child(tmp_path):
            raise ZeroDivisionError


@pytest.mark.anyio
async def test_a_child_that_died_is_no_trouble_at_the_end(tmp_path: Path) -> None:
    """Killed from outside."""
    async with sandbox_child(tmp_path) as sandbox:
        os.kill(sandbox.pid, signal.SIGKILL)


@pytest.mark.anyio
async def test_a_child_that_does_not_start_says_why(tmp_path: Path) -> None:
    """Its last words are in the exception."""
    with pytest.raises(SandboxError, match="the forms are: STATUS:WHEN"):
        async with sandbox_child(tmp_path, ["sometimes"]):
            pytest.fail("it can't have started")


@pytest.mark.anyio
async def test_last_words_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their end is what is kept."""
    script = "import sys; sys.stderr.write('x' * 100_000 + ' the end'); sys.exit(3)"
    monkeypatch.setattr(child, "command", lambda _options: [sys.executable, "-c", script])
    with pytest.raises(SandboxError, match="the end") as error:
        async with sandbox_child(tmp_path):
            pytest.fail("it can't have started")
    assert len(str(error.value)) < child.ERROR_BYTES + 100


@pytest.mark.anyio
async def test_a_child_that_says_nothing_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a while, and killed, since it does not end with its input."""
    script = "import signal; signal.pause()"
    monkeypatch.setattr(child, "command", lambda _options: [sys.executable, "-c", script])
    monkeypatch.setattr(child, "READY_S", 0.1)
    monkeypatch.setattr(child, "STOP_S", 0.1)
    with pytest.raises(SandboxError, match=r"not ready within 0\.1 s"):
        async with sandbox_child(tmp_path):
            pytest.fail("it can't have started")


@pytest.mark.anyio
async def test_a_missing_extra_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that mends it."""
    monkeypatch.setattr(child, "NEEDED", ("starlette", "no_such_package"))
    with pytest.raises(SandboxError, match=r"needs no_such_package: pip install 'ingest\[sandbox"):
        async with sandbox_child(tmp_path):
            pytest.fail("it can't have started")


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_parent_takes_the_child_along(
    tmp_path: Path, backend: str, number: signal.Signals
) -> None:
    """Even by SIGKILL, which no parent can see coming."""
    command = [sys.executable, "-c", PARENT, str(tmp_path), backend]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, env=child.environment()) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert is_alive(pid)
        parent.send_signal(number)
        parent.wait(30)
    wait_gone(pid)
