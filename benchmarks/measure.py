"""One command, run once and measured from outside: time, processor seconds, peak memory.

The figures are the kernel's own (`wait4`), for the process and every child it waited for; peak
memory is the largest resident set of any one of them. The kernel counts the memory of whoever
starts a process as that process's own until it runs its program, so the harness that calls this
imports nothing large: its own peak is the least that can be measured.

Some programs draw their progress on a terminal only. `terminal=True` gives the command one as its
standard error and reads what is drawn.
"""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Self

ROOT = Path(__file__).resolve().parents[1]
_SHOWN_BYTES = 2000
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024  # getrusage(2): KiB, on macOS bytes


class CommandFailedError(RuntimeError):
    """A measured command ended with another code than 0."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What one run took. `stdout` is what it printed."""

    wall_s: float
    cpu_s: float
    peak_rss_bytes: int
    stdout: bytes


@dataclass(frozen=True, slots=True)
class Command:
    """An argument list, run in the repository's root, with `env` on top of the environment.

    `stdin` is a file that is piped into it; `exit_code` is the one that means success.
    """

    arguments: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    terminal: bool = False
    stdin: Path | None = None
    exit_code: int = 0

    def with_env(self, **env: str) -> Command:
        """The same with more in its environment."""
        return replace(self, env={**self.env, **env})

    def with_stdin(self, path: Path) -> Command:
        """The same with this file piped in."""
        return replace(self, stdin=path)


def run_measured(command: Command) -> Measured:
    """Run it to its end. Raises CommandFailedError with its last words."""
    errors = _Terminal() if command.terminal else _Pipe()
    with errors, _input(command.stdin) as stdin:
        started = time.perf_counter()
        process = subprocess.Popen(
            list(command.arguments),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=errors.theirs,
            cwd=ROOT,
            env={**os.environ, **command.env},
        )
        errors.started()
        assert process.stdout is not None
        with process.stdout:
            stdout = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != command.exit_code:
        shown = errors.last_words
        raise CommandFailedError(f"{command.arguments}: exit code {process.returncode}: {shown}")
    cpu_s = usage.ru_utime + usage.ru_stime
    return Measured(wall_s, cpu_s, usage.ru_maxrss * _RSS_UNIT, stdout)


@contextmanager
def _input(path: Path | None) -> Iterator[IO[bytes] | int]:
    """A pipe that `cat` fills from the file, as a shell's would be; or nothing."""
    if path is None:
        yield subprocess.DEVNULL
        return
    with subprocess.Popen(["cat", str(path)], stdout=subprocess.PIPE) as cat:
        assert cat.stdout is not None
        yield cat.stdout


class _Pipe:
    """Where a command's standard error goes; a thread reads it, so that it can't block."""

    def __init__(self) -> None:
        self.ours, self.theirs = self._pair()
        self._last = b""
        self._reader = threading.Thread(target=self._read, daemon=True)

    def _pair(self) -> tuple[int, int]:
        return os.pipe()

    def started(self) -> None:
        """The command has its end: close ours of it, else the reading would never end."""
        os.close(self.theirs)
        self.theirs = -1
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.theirs >= 0:
            os.close(self.theirs)
        else:
            self._reader.join()
        os.close(self.ours)

    @property
    def last_words(self) -> str:
        """The end of what was written."""
        return self._last.decode(errors="replace").strip()

    def _read(self) -> None:
        try:
            while data := os.read(self.ours, 65536):
                self._last = (self._last + data)[-_SHOWN_BYTES:]
        except OSError:  # Linux says EIO where the last user of a terminal has gone
            return


class _Terminal(_Pipe):
    """The same with a terminal in between."""

    def _pair(self) -> tuple[int, int]:
        return pty.openpty()
