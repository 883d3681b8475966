"""The command as the only process of a bare container, by way of namespaces.

`Confined.run` starts it as pid 1 of a pid namespace of its own, as a user who has no name, no home
and no rights, in a working directory that is mounted read-only, with few file handles and no
terminal. What is done inside stands in `container`.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.end_to_end import ROOT, Command, until
from tests.faults import container

UNSHARE = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "--mount")


@dataclass(frozen=True, slots=True)
class Confined:
    """A folder with a read-only `work` and a writable `state` in it, for commands inside."""

    folder: Path

    @property
    def work(self) -> Path:
        """The working directory: jobs and data are put here beforehand."""
        return self.folder / "work"

    @property
    def state(self) -> Path:
        """The one place where the command may write."""
        return self.folder / "state"

    def made(self) -> Confined:
        """The folders, made; `state` is the user's."""
        self.folder.chmod(0o755)
        self.work.mkdir()
        self.state.mkdir(mode=0o700)
        os.chown(self.state, container.USER, container.USER)
        return self

    @contextmanager
    def command(self, *arguments: str, env: Mapping[str, str]) -> Iterator[Command]:
        """The command under way. `ended` waits for it; signals go by `tell_pid_1`."""
        wanted = {
            "folder": str(self.folder),
            "root": str(ROOT),
            "arguments": arguments,
            "env": dict(env),
        }
        with (self.folder / "stdout").open("wb") as out, (self.folder / "stderr").open("wb") as err:
            process = subprocess.Popen(
                [*UNSHARE, sys.executable, container.__file__, json.dumps(wanted)],
                cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True,
            )  # fmt: skip
        with process:
            try:
                yield Command(process, self.folder)
            finally:
                process.kill()

    def run(self, *arguments: str, env: Mapping[str, str]) -> tuple[int, Command]:
        """The command, run to its end; its exit code."""
        with self.command(*arguments, env=env) as running:
            return running.ended(), running


def tell_pid_1(running: Command, number: signal.Signals) -> None:
    """Send a signal to the command itself: the child of the process that made its namespace."""
    own = running.process.pid
    children = Path(f"/proc/{own}/task/{own}/children")
    until(lambda: bool(children.read_text().split()), "the command's process")
    os.kill(int(children.read_text().split()[0]), number)


def why_not(folder: Path) -> str | None:
    """Why nothing can be confined here; None where it can."""
    if os.geteuid() != 0:
        return "namespaces for another user need root"
    if shutil.which("unshare") is None or shutil.which("mount") is None:
        return "unshare and mount (util-linux) are not installed"
    try:
        code, tried = Confined(folder).made().run("--version", env={})
    except (OSError, subprocess.SubprocessError) as exc:
        return f"no namespaces: {exc}"
    return None if code == 0 else f"no namespaces, or no interpreter in them: {tried.stderr[-300:]}"
