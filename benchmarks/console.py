"""What a benchmark says: progress on standard error, tables on standard output, and both kept."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from benchmarks.table import Row, as_markdown, as_text

_kept: list[str] = []


def say(words: str) -> None:
    """A line for people, on standard error."""
    print(words, file=sys.stderr, flush=True)


def show(options: argparse.Namespace, header: Row, rows: Sequence[Row]) -> None:
    """The table on standard output."""
    print((as_markdown if options.markdown else as_text)(header, rows), flush=True)
    _kept.append(as_markdown(header, rows))


def shown_so_far() -> str:
    """The tables since the last call, as Markdown."""
    tables = "\n\n".join(_kept)
    _kept.clear()
    return tables
