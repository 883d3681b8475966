"""Earlier runs for people: a table where one fits, else a few lines for each.

A run's id says its job and start already, so on a narrower terminal those columns go first, then
target, time and what is zero for all. Where even that would be folded into shreds, there is no
table. Ids are never cut: they are what the other commands ask for. Texts from outside go through
`safe` and are shown as `Text`, never as markup.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from ingest.display import count, duration, safe
from ingest.housekeeping.listing import PastRun

_NUMBERS = ("accepted", "rejected", "ambiguous", "unsent")
_COLUMNS = ("run", "job", "state", "exit", "started (UTC)", "time", *_NUMBERS, "target")
_RIGHT = ("exit", "time", *_NUMBERS)
_SAID_BY_ID = ("job", "started (UTC)")
_SPARED = ("target", "time")
_UNBOUND = 100_000
_TARGET_CHARS = 60
_STYLES = {
    "done": "green",
    "interrupted": "yellow",
    "failed": "red",
    "unfinished": "yellow",
    "unreadable": "red",
}


class RunTable:
    """A Rich renderable: the runs, in the order given."""

    def __init__(self, runs: Sequence[PastRun]) -> None:
        self.runs = runs

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The widest form that fits."""
        rows = [_cells(run, options.encoding) for run in self.runs]
        unbound = options.update(max_width=_UNBOUND)
        for columns in _choices(rows):
            table = _table(rows, columns)
            if console.measure(table, options=unbound).maximum <= options.max_width:
                yield table
                return
        for row in rows:
            yield _lines(row)


def _choices(rows: Sequence[dict[str, str]]) -> Iterator[tuple[str, ...]]:
    """The columns to try, the most first."""
    yield _COLUMNS
    without_id = tuple(name for name in _COLUMNS if name not in _SAID_BY_ID)
    yield without_id
    empty = [
        name
        for name in ("ambiguous", "unsent")
        if all(row[name] in ("0", "-") for row in rows)
    ]  # fmt: skip
    yield tuple(name for name in without_id if name not in (*_SPARED, *empty))


def _cells(run: PastRun, encoding: str) -> dict[str, str]:
    """Every column's text."""
    numbers = run.records or {}
    return {
        "run": safe(run.id, encoding=encoding),
        "job": safe(run.job, encoding=encoding),
        "state": run.state,
        "exit": "-" if run.exit_code is None else str(run.exit_code),
        "started (UTC)": f"{run.started:%Y-%m-%d %H:%M:%S}" if run.started else "-",
        "time": "-" if run.seconds is None else duration(run.seconds),
        **{name: count(numbers[name]) if name in numbers else "-" for name in _NUMBERS},
        "target": safe(run.target or "-", encoding=encoding, max_chars=_TARGET_CHARS),
    }


def _table(rows: Sequence[dict[str, str]], columns: Sequence[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in columns:
        table.add_column(name, justify="right" if name in _RIGHT else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_cell(row, name) for name in columns))
    return table


def _cell(row: dict[str, str], name: str) -> Text:
    if name == "state":
        return Text(row[name], _STYLES[row[name]])
    noted = name in ("rejected", "ambiguous", "unsent") and row[name] not in ("0", "-")
    return Text(row[name], "bold" if name == "run" else "yellow" if noted else "")


def _lines(row: dict[str, str]) -> Text:
    """One run where there is no room for columns."""
    lines = Text(overflow="fold")
    lines.append(row["run"], "bold")
    lines.append("\n  ").append(row["state"], _STYLES[row["state"]])
    if row["exit"] != "-":
        counts = ", ".join(f"{row[name]} {name}" for name in _NUMBERS if row[name] != "0")
        lines.append(f" exit code {row['exit']}, {row['time']}\n  {counts or 'no records'}")
        lines.append(f"\n  {row['target']}", "dim")
    return lines
