"""Where text goes: results on standard output, everything for people on standard error.

A reader that has gone (`ingest show | head -1`) is no failure: the rest is dropped and the exit
code stays what it was. Rich is imported only where something is printed in colour.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from ingest.display import encoding_of, json_bytes, safe

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

# A log's lines are for grep: nothing is folded where there is no terminal.
_UNBOUND = 10_000


def say(text: str, *, style: str = "") -> None:
    """One message for people on standard error; newlines in it are kept."""
    from rich.text import Text  # noqa: PLC0415 - only where something is printed

    words = safe(text, encoding=encoding_of(sys.stderr), lines=True)
    show(Text(words, style, overflow="fold"), sys.stderr)


def show(renderable: RenderableType, stream: TextIO) -> None:
    """Print a renderable, folded at the terminal's width."""
    from ingest.progress.bar import steady_console  # noqa: PLC0415 - only where it is printed

    width = None if stream.isatty() or "COLUMNS" in os.environ else _UNBOUND
    try:
        steady_console(stream, width=width).print(renderable)
    except OSError:
        _forget(stream)


def write_out(data: bytes) -> None:
    """Bytes on standard output, as they are."""
    try:
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except OSError:
        _forget(sys.stdout)


def show_rows(rows: Sequence[Mapping[str, Any]]) -> None:
    """Rows of a query on standard output: a table on a terminal, else NDJSON."""
    if sys.stdout.isatty():
        show(_table(rows, encoding_of(sys.stdout)), sys.stdout)
    else:
        write_out(b"".join(json_bytes(dict(row)) + b"\n" for row in rows))


def _table(rows: Sequence[Mapping[str, Any]], encoding: str) -> Table:
    from rich import box  # noqa: PLC0415 - only for a terminal
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    names = list(dict.fromkeys(name for row in rows for name in row))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in names:
        numeric = all(isinstance(row.get(name), int | float | None) for row in rows)
        header = Text(safe(name, encoding=encoding))
        table.add_column(header, overflow="fold", justify="right" if numeric else "left")
    for row in rows:
        table.add_row(*(Text(_cell(row.get(name), encoding)) for name in names))
    return table


def _cell(value: object, encoding: str) -> str:
    text = value if isinstance(value, str) else json_bytes(value).decode()
    return safe(text, encoding=encoding)


def _forget(stream: TextIO) -> None:
    """Let what is written from now on go nowhere."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    except (OSError, ValueError):
        return
