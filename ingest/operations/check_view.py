"""Findings for people: a mark, plain words, and beneath them what to do. No colour carries meaning
alone; where the terminal can't show the marks, there are others."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from ingest.display import safe
from ingest.operations.check_finding import MARKS, PLAIN_MARKS, Finding, State, exit_code

_STYLES: dict[State, str] = {
    "ok": "green",
    "warn": "yellow",
    "mend": "bold red",
    "away": "bold red",
    "unknown": "dim",
}
_ENDS = {
    0: "nothing to mend",
    2: "mend what is marked, then check again",
    7: "the service is away: try again later",
}


class CheckView:
    """A Rich renderable of the findings."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        self._findings = findings

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """A line for each, and how it ends."""
        table = Table.grid(padding=(0, 1))
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=options.max_width >= 60, overflow="fold")
        table.add_column(overflow="fold")
        for one in self._findings:
            name = Text(safe(one.name, encoding=options.encoding))
            table.add_row(
                Text(_mark(one.state, options.encoding), _STYLES[one.state]),
                name,
                _words(one, options.encoding),
            )
        yield table
        yield Text(_ENDS[exit_code(self._findings)], "bold")


def _mark(state: State, encoding: str) -> str:
    try:
        MARKS[state].encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return PLAIN_MARKS[state]
    return MARKS[state]


def _words(one: Finding, encoding: str) -> Text:
    words = Text(safe(one.said, encoding=encoding))
    if one.mend:
        words.append(safe(f"\n-> {one.mend}", encoding=encoding, lines=True), "cyan")
    return words
