"""How a command ends: its exit code, and what is said when it fails.

`ended` wraps every command. An `IngestError` is a sentence and a hint on standard error and its own
exit code; usage errors are left to Typer (2). Anything else is a defect of this program: exit 1 and
one line, with the traceback only where it was asked for (`--debug`, INGEST_DEBUG=1), because a
traceback helps nobody who loads files at night.
"""

from __future__ import annotations

import functools
import sys
import traceback
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, ParamSpec

import typer

from ingest.cli.output import say
from ingest.display import encoding_of, json_line, safe
from ingest.errors import IngestError, only_cause

P = ParamSpec("P")
debug: ContextVar[bool] = ContextVar("debug", default=False)


def ended(command: Callable[P, int]) -> Callable[P, None]:
    """The command as Typer wants it: ends by raising `typer.Exit` with the code it returned."""

    @functools.wraps(command)
    def outside(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            code = command(*args, **kwargs)
        except (typer.Exit, typer.Abort, typer.BadParameter):
            raise
        except Exception as exc:  # noqa: BLE001 - the outermost frame: nobody else will say it
            code = _told(exc, as_json=kwargs.get("log_format") == "json")
        raise typer.Exit(code)

    # Typer reads the annotations of what it is given; `wraps` has set them to the command's.
    outside.__annotations__ = {**command.__annotations__, "return": None}
    return outside


def _told(exc: Exception, *, as_json: bool) -> int:
    """Say what went wrong; the exit code."""
    if debug.get():
        traceback.print_exception(exc)
    cause = only_cause(exc)
    known = cause if isinstance(cause, IngestError) else _defect(cause)
    print_error(known, as_json=as_json)
    return known.exit_code


def _defect(exc: Exception) -> IngestError:
    return IngestError(
        f"unexpected {type(exc).__name__}: {exc}",
        "this is a defect of the program; INGEST_DEBUG=1 shows where",
    )


def print_error(error: IngestError, *, as_json: bool = False) -> None:
    """The error on standard error: two lines for people, or one JSON object."""
    if not as_json:
        say(f"error: {error.message}", style="bold red")
        if error.hint:
            say(f"hint: {error.hint}", style="cyan")
        return
    event: dict[str, Any] = {
        "event": "error",
        "level": "error",
        "timestamp": datetime.now(UTC).isoformat(),
        "kind": error.kind,
        "message": safe(error.message, lines=True),
        "hint": safe(error.hint, lines=True),
        "retryable": error.retryable,
        "exit_code": error.exit_code,
    }
    sys.stderr.write(json_line(event, encoding_of(sys.stderr)))
