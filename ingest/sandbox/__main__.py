"""`python -m ingest.sandbox`: the sandbox as a process of its own.

Exit codes: 0 told to end · 1 the port or the data directory can't be used · 2 wrong options or a
missing extra. Without `--data` the data lives in a temporary directory and goes with the process.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from ingest.sandbox import faults
from ingest.sandbox.child import NEEDED, missing_extra

PORTS = range(65_536)


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the options and serve; the exit code."""
    options = _parser().parse_args(arguments)
    if not all(map(find_spec, NEEDED)):
        return _failed(2, missing_extra())
    if options.data is not None:
        return _serve(options, options.data)
    with tempfile.TemporaryDirectory(prefix="ingest-sandbox-") as directory:
        return _serve(options, Path(directory))


def _serve(options: argparse.Namespace, data_dir: Path) -> int:
    # Imported late: without the extra these modules can't be.
    from ingest.sandbox.halves import Settings  # noqa: PLC0415
    from ingest.sandbox.server import StartError, serve  # noqa: PLC0415

    settings = Settings(
        data_dir, tuple(options.fault), options.discard, options.seed, options.record
    )
    try:
        serve(settings, options.port, watch_stdin=options.watch_stdin)
    except StartError as error:
        return _failed(1, str(error))
    return 0


def _failed(code: int, message: str) -> int:
    sys.stderr.write(f"ingest sandbox: {message}\n")
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ingest sandbox", description="A rehearsal server.")
    add = parser.add_argument
    add("--port", type=_port, default=0, help="loopback port; 0, the default, takes a free one")
    add("--data", type=Path, metavar="DIR", help="where the rows live; default: nowhere for long")
    add(
        "--fault",
        type=_fault,
        action="append",
        default=[],
        metavar="SPEC",
        help=faults.FORMS.replace("%", "%%"),
    )
    add("--discard", action="store_true", help="count what comes and throw it away")
    add("--seed", type=int, default=0, help="of the faults' chances")
    add("--record", type=Path, metavar="DIR", help="keep every body with records as it came")
    add("--watch-stdin", action="store_true", help="end with standard input; ignore SIGINT")
    return parser


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) not in PORTS:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: 0 to 65535")
    return int(text)


def _fault(text: str) -> faults.Fault:
    try:
        return faults.parsed(text)
    except faults.FaultError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


if __name__ == "__main__":
    sys.exit(main())
