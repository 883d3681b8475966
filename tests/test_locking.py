"""One run of a job at a time, held by the kernel: real processes, real kills."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ingest.errors import JobHeld, SettingsError
from ingest.locking import POLL_S, Holder, JobLock, keeps_it

HOLDER = Holder("20261121-221500-stocks-4f2a", "box", "2026-11-21T22:15:00+00:00")
SCRIPT = """
import sys
from pathlib import Path
from ingest.errors import JobHeld
from ingest.locking import Holder, JobLock
try:
    with JobLock(Path(sys.argv[1])).held(Holder("their-run", "their-box", "then")):
        print("held", flush=True)
        sys.stdin.read()
except JobHeld as error:
    print("refused", error.exit_code, flush=True)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the lock of a job lies."""
    return tmp_path / "jobs" / "stocks" / "lock"


@contextmanager
def another(path: Path, *before: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Another process that tries to hold the lock, and its first words."""
    process = subprocess.Popen(
        [*before, sys.executable, "-c", SCRIPT, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def test_held_and_free_again(path: Path) -> None:
    """Private from its first byte, never removed, and free after the block, also on an error."""
    lock = JobLock(path)
    with lock.held(HOLDER):
        assert repr(lock) == f"<JobLock {path} held here>"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        with another(path) as (_, words):
            assert words == "refused 5"
    assert repr(lock) == f"<JobLock {path} free>"
    assert path.read_bytes() == b""
    with pytest.raises(KeyError), lock.held():
        raise KeyError
    with another(path) as (_, words):
        assert words == "held"


def test_who_holds_it(path: Path) -> None:
    """Told to people: run, host, since when; exit code 5, at once."""
    with another(path) as (_, words):
        assert words == "held"
        with pytest.raises(JobHeld) as caught, JobLock(path).held(HOLDER):
            pass
        assert caught.value.exit_code == 5
        assert caught.value.retryable
        assert "(run their-run, on their-box, since then)" in caught.value.message
        assert str(path) in caught.value.message
        assert b"their-run" in path.read_bytes()  # the loser wrote nothing


def test_a_second_time_in_one_process(path: Path) -> None:
    """The lock is the open file's, so it keeps out the same process, too."""
    with JobLock(path).held(HOLDER), pytest.raises(JobHeld), JobLock(path).held():
        pass


def test_a_kill_frees_it(path: Path) -> None:
    """What is left in the file keeps nobody out."""
    with another(path) as (process, words):
        assert words == "held"
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert b"their-run" in path.read_bytes()
        with JobLock(path).held(HOLDER):
            assert b"4f2a" in path.read_bytes()


def test_a_child_does_not_keep_it(path: Path) -> None:
    """A program that the run starts and that outlives it does not hold the lock."""
    with JobLock(path).held():
        child = subprocess.Popen(["sleep", "60"], close_fds=False)
    with child:
        try:
            with JobLock(path).held():
                assert child.poll() is None
        finally:
            child.kill()


def _can_unshare() -> bool:
    command = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "true"]
    tool = shutil.which("unshare")
    return bool(tool) and subprocess.run(command, check=False, capture_output=True).returncode == 0


@pytest.mark.skipif(not _can_unshare(), reason="no process namespaces for this user here")
def test_processes_that_are_both_pid_1(path: Path) -> None:
    """As in two containers: a pid would take the other for itself."""
    alone = ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child")
    with another(path, *alone) as (_, first), another(path, *alone) as (_, second):
        assert (first, second) == ("held", "refused 5")


class Waiting:
    """A clock that jumps, and frees the lock after so many looks."""

    def __init__(self, frees_after: int | None, handle: int) -> None:
        self.now = 100.0
        self.slept: list[float] = []
        self._frees_after = frees_after
        self._handle = handle

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        if len(self.slept) == self._frees_after:
            fcntl.flock(self._handle, fcntl.LOCK_UN)


@pytest.fixture
def foreign(path: Path) -> Iterator[int]:
    """The lock, held by somebody who writes nothing into the file."""
    path.parent.mkdir(parents=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(handle, fcntl.LOCK_EX)
    yield handle
    os.close(handle)


@pytest.mark.parametrize("looks", [1, 2, 5])
def test_waiting_until_it_is_free(path: Path, foreign: int, looks: int) -> None:
    """Whoever may wait gets it as soon as it is free."""
    clock = Waiting(looks, foreign)
    with JobLock(path, clock.monotonic, clock.sleep).held(HOLDER, wait_s=60.0):
        assert clock.slept == [POLL_S] * looks


@pytest.mark.parametrize("wait_s", [0.0, 0.1, 1.05])
def test_waiting_in_vain(path: Path, foreign: int, wait_s: float) -> None:
    """So long and no longer; with no wait, at once."""
    clock = Waiting(None, foreign)
    with (
        pytest.raises(JobHeld, match="another run holds this job: "),
        JobLock(path, clock.monotonic, clock.sleep).held(wait_s=wait_s),
    ):
        pass
    assert sum(clock.slept) == pytest.approx(wait_s)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (b"", ""),
        (b"\xff\xfe", ""),
        (b"[1]", ""),
        (b'{"run":7}', " (run 7)"),
        (b'{"run":"\x1b]0;x", "host":"h"}', ""),
        (b'{"run":"\\u001b[31mred\\n","host":"h"}', " (run red, on h)"),
        (b'{"run":"' + b"x" * 9000 + b'"}', ""),
    ],
)
def test_what_stands_in_the_file_is_not_trusted(
    path: Path, foreign: int, text: bytes, shown: str
) -> None:
    """It is bounded and stripped, and nothing where it makes no sense."""
    os.pwrite(foreign, text, 0)
    with pytest.raises(JobHeld) as caught, JobLock(path).held():
        pass
    assert caught.value.message == f"another run holds this job{shown}: {path}"


def test_a_note_that_is_written_anew(path: Path) -> None:
    """Once the run has its id; what was longer leaves nothing behind."""
    lock = JobLock(path)
    with lock.held(Holder("a-very-long-name", "box", "now")):
        lock.note(Holder("short"))
        assert path.read_bytes() == b'{"run":"short","host":"","started":""}\n'


def test_places_where_no_lock_can_be(tmp_path: Path) -> None:
    """A file in the way, a link, a FIFO: settings errors that name the option."""
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    os.mkfifo(tmp_path / "fifo")
    for name in ("file/lock", "link", "fifo"):
        with (
            pytest.raises(SettingsError, match="lock can't be had") as caught,
            JobLock(tmp_path / name).held(),
        ):
            pass
        assert caught.value.exit_code == 2
        assert "--state-dir" in caught.value.hint
    assert not (tmp_path / "target").exists()


def test_a_file_system_without_locks(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Said, and not taken for a lock that another holds."""

    def refuse(*_: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(SettingsError, match="No locks available"), JobLock(path).held():
        pass


def test_whom_it_is_worth_waiting_for(path: Path, foreign: int) -> None:
    """Nobody waits for one who says since when he has it; of one who has not said so yet, and then
    does, it is found out at the next look."""

    def is_brief(holder: Holder) -> bool:
        return not keeps_it(holder)

    class Saying(Waiting):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            os.pwrite(foreign, b'{"started":"now"}', 0)

    clock = Saying(None, foreign)
    for looks in (1, 0):
        clock.slept.clear()
        lock = JobLock(path, clock.monotonic, clock.sleep)
        with pytest.raises(JobHeld), lock.held(HOLDER, wait_s=60.0, wait_for=is_brief):
            pass
        assert len(clock.slept) == looks
