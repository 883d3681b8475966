"""`ingest sandbox`: the rehearsal server in the foreground, and how to load into it.

The server is a process of its own (`ingest.sandbox`), which ends when its standard input does: so
it is gone with this command however that ends. Ctrl-C and SIGTERM end both, with exit code 0.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from ingest.cli.errors import ended
from ingest.cli.output import say, write_out
from ingest.errors import IngestError, SettingsError

EPILOG = """\
[bold]Examples[/bold]

ingest sandbox --port 8800 --data rehearsal

ingest sandbox --fault 429:5% --fault reset-after-commit:1%

ingest sandbox --discard    (counts and throws away: for benchmarks)
"""


@ended
def sandbox(
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Loopback port; 0: a free one.")
    ] = 0,
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="DIR", help="Keep the rows there; else they go at the end."),
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option("--fault", metavar="SPEC", help="Rehearse trouble: 429:5%, slow:200ms:10%."),
    ] = None,
    discard: Annotated[
        bool, typer.Option("--discard", help="Count what comes and throw it away.")
    ] = False,
) -> int:
    """Serve both APIs on loopback, to try loads against."""
    options = ["--port", str(port), *(["--data", str(data)] if data else [])]
    options += [part for spec in fault or () for part in ("--fault", spec)]
    return _serve([*options, *(["--discard"] if discard else [])])


class _Ended(BaseException):
    """A signal asked for the end."""


def _serve(options: Sequence[str]) -> int:
    from ingest.sandbox import child  # noqa: PLC0415 - `--help` stays quick

    if not all(map(find_spec, child.NEEDED)):
        raise SettingsError(child.missing_extra())
    try:
        with _signals(), _process(child.command(options), child.environment()) as process:
            assert process.stdout is not None
            if line := process.stdout.readline():
                _announce(line)
            return process.wait()
    except _Ended:
        return 0


@contextlib.contextmanager
def _process(command: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """The server; asked to end and waited for on leaving."""
    with subprocess.Popen(  # noqa: S603 - our own interpreter and module
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    ) as process:
        assert process.stdin is not None
        try:
            yield process
        finally:
            process.stdin.close()


@contextlib.contextmanager
def _signals() -> Iterator[None]:
    """SIGINT and SIGTERM end the block with `_Ended`."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in kept:
        signal.signal(number, _end)
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


def _end(_number: int, _frame: FrameType | None) -> None:
    raise _Ended


def _announce(line: bytes) -> None:
    """The address: as the server's JSON line for programs, with instructions for people."""
    import orjson  # noqa: PLC0415 - `--help` stays quick

    if not sys.stdout.isatty():
        write_out(line)
    try:
        ready = orjson.loads(line)
        url, token = ready["ready"], ready["token"]
    except (ValueError, KeyError) as exc:
        raise IngestError(f"the sandbox did not say where it listens: {line!r}") from exc
    say(f"sandbox: {url}  token: {token}", style="bold")
    say("Load into it from another shell:")
    say(f"  AIO_TOKEN={token} AIO_BASE_URL={url} ingest load FILE --to avalanchio:TABLE --create")
    say(f"  AITO_API_KEY={token} AITO_URL={url} ingest load FILE --to aito:TABLE --create")
    say("Ctrl-C ends it.")
