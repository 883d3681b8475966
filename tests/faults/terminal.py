"""The real command on a terminal of a chosen width; what a person's terminal would be told."""

from __future__ import annotations

import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Mapping
from fcntl import ioctl
from pathlib import Path

from tests.end_to_end import DEADLINE_S, ROOT


def on_terminal(
    folder: Path, *arguments: str | Path, env: Mapping[str, str], columns: int = 100
) -> tuple[int, bytes]:
    """The exit code, and every byte that was written to the terminal."""
    primary, secondary = pty.openpty()
    ioctl(secondary, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    plain = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "TERM": "xterm-256color"}
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "ingest.cli", *map(str, arguments)],
        cwd=folder, env={**plain, **env}, stdin=secondary, stdout=secondary, stderr=secondary,
    )  # fmt: skip
    os.close(secondary)
    try:
        return _read_to_the_end(process, primary)
    finally:
        process.kill()
        process.wait()
        os.close(primary)


def _read_to_the_end(process: subprocess.Popen[bytes], primary: int) -> tuple[int, bytes]:
    shown = b""
    try:
        while chunk := os.read(primary, 65536):
            shown += chunk
    except OSError:  # Linux: the other side has closed
        pass
    return process.wait(DEADLINE_S), shown
