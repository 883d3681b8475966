"""The door: flags to a job, the job to a run, the run's report to people and an exit code.

Nothing is decided here that a program using `ingest` as a library would miss. `--help` and shell
completion must answer at once, so importing this package brings in no data frames, no HTTP client
and no settings models: each command imports what it needs when it is called.
"""

from __future__ import annotations

import contextlib
import gc
import os
import sys


def main() -> None:
    """The `ingest` command: runs it and exits with its code."""
    gc.disable()  # importing makes no garbage, and looking for it takes a seventh of the start
    # httpcore imports trio wherever it finds it; the command runs on asyncio and has no use for it.
    sys.modules.setdefault("trio", None)  # type: ignore[arg-type] # None: can't be imported
    # Else all that is installed is searched for plugins, which may change what a setting means.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    from ingest.cli.app import app  # noqa: PLC0415 - the streams are set right first

    _steady_streams()
    try:
        app(prog_name="ingest")
    finally:
        _flush_quietly()


def _steady_streams() -> None:
    """Make every text printable on any terminal, and stand in for streams that were closed."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:  # started with `>&-`, as some supervisors do
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115 - it lives as long as the process
        elif mode == "w" and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _flush_quietly() -> None:
    """Flush while a broken pipe can still be caught: the interpreter's own flush would complain."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            # What is left in the buffer goes nowhere, instead of failing once more at the exit.
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
