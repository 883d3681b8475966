"""The sandbox as a child process of a run, on asyncio and on trio alike.

Promise: when `sandbox_child` is left, however that happens, its process is gone; and when this
process dies without leaving it, even by SIGKILL, the child ends by itself, because its standard
input ends. The child is in a session of its own, so a Ctrl-C at the terminal never reaches it, and
its standard error goes to a temporary file, so it can't block on a pipe that nobody reads; the last
`ERROR_BYTES` of it are in the exception if it does not start.

This module needs no part of the extra, so that a missing one can be said in words.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import IO

import anyio
import orjson
from anyio.abc import Process
from msgspec import Struct

NEEDED = ("starlette", "uvicorn", "httptools")
READY_S = 30.0
STOP_S = 10.0
ERROR_BYTES = 4096
LINE_BYTES = 4096


class SandboxError(Exception):
    """The sandbox could not be started; the message has its last words."""


class SandboxChild(Struct, frozen=True):
    """A running sandbox."""

    base_url: str
    token: str
    pid: int


@asynccontextmanager
async def sandbox_child(
    data_dir: Path,
    faults: Sequence[str] = (),
    *,
    discard: bool = False,
    seed: int = 0,
    record: Path | None = None,
) -> AsyncIterator[SandboxChild]:
    """Run a sandbox for the time of the block.

    `faults` are specs as text (`faults.FORMS`). Raises `SandboxError` if it does not listen within
    `READY_S` seconds.
    """
    options = ["--data", str(data_dir), "--seed", str(seed)]
    options += [part for spec in faults for part in ("--fault", spec)]
    options += ["--discard"] if discard else []
    options += ["--record", str(record)] if record else []
    with tempfile.TemporaryFile() as errors:
        process = await _started(options, errors)
        try:
            yield await _ready(process, errors)
        finally:
            with anyio.CancelScope(shield=True):
                await _stop(process)


def command(options: Sequence[str]) -> list[str]:
    """The child's argument list. `-P`: a file in the working directory must not be imported."""
    return [sys.executable, "-P", "-m", __package__, "--watch-stdin", *options]


def environment() -> dict[str, str]:
    """The child's environment: ours, with this very package first among the importable."""
    package_root = str(Path(__file__).resolve().parents[2])
    paths = [package_root, os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


def missing_extra() -> str:
    """What to say where a needed package is missing."""
    missing = ", ".join(name for name in NEEDED if find_spec(name) is None)
    return f"the sandbox needs {missing}: pip install 'ingest[sandbox]'"


async def _started(options: Sequence[str], errors: IO[bytes]) -> Process:
    if not all(map(find_spec, NEEDED)):
        raise SandboxError(missing_extra())
    # Shielded: a cancellation half-way would leave a process that nobody knows of.
    with anyio.CancelScope(shield=True):
        return await anyio.open_process(
            command(options),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment(),
            start_new_session=True,
        )
    raise AssertionError("a shielded scope is never cancelled")


async def _ready(process: Process, errors: IO[bytes]) -> SandboxChild:
    try:
        with anyio.fail_after(READY_S):
            line = await _first_line(process)
    except TimeoutError:
        raise SandboxError(f"the sandbox was not ready within {READY_S:g} s") from None
    if not line.endswith(b"\n"):
        with anyio.move_on_after(STOP_S):
            await process.wait()
        raise SandboxError(f"the sandbox did not start: {_last_words(process, errors)}")
    answer = orjson.loads(line)
    return SandboxChild(answer["ready"], answer["token"], process.pid)


async def _first_line(process: Process) -> bytes:
    assert process.stdout is not None
    line = b""
    while not line.endswith(b"\n") and len(line) < LINE_BYTES:
        try:
            line += await process.stdout.receive()
        except anyio.EndOfStream:
            break
    return line


def _last_words(process: Process, errors: IO[bytes]) -> str:
    size = errors.seek(0, os.SEEK_END)
    errors.seek(max(0, size - ERROR_BYTES))
    words = errors.read(ERROR_BYTES).decode(errors="replace").strip()
    return words or f"it ended with code {process.returncode} and said nothing"


async def _stop(process: Process) -> None:
    """Ask by closing standard input; kill after `STOP_S`; never return before it is gone."""
    assert process.stdin is not None
    await process.stdin.aclose()
    with anyio.move_on_after(STOP_S):
        await process.wait()
    if process.returncode is None:
        process.kill()
    await process.aclose()
