"""What the inputs are: columns with their names and types, and what each tool is told of them.

Whoever is compared must do the same work, so it is said once, here, and each peer's own words are
made from it: our job file, DuckDB's and ClickHouse's column lists, Polars' schema. A type is one of
ours; the words for it stand in one table a tool, in `peers`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["string", "text", "integer", "decimal", "date"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name in the file, its name at the service, its type."""

    source: str
    name: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Table:
    """The columns in file order, and the text that stands for a null."""

    columns: tuple[Column, ...]
    null: str = ""

    @property
    def header(self) -> str:
        """A CSV file's first line, with its end."""
        return ",".join(column.source for column in self.columns) + "\n"

    def job(self, path: str, more: str = "") -> str:
        """A job file for `path` (a file, a glob, or `-`); `more` stands behind it."""
        fields = "\n".join(_field(column) for column in self.columns)
        return job(path, fields, f"nulls = [{json.dumps(self.null)}]", more)


def job(path: str, fields: str = "", source: str = "", more: str = "") -> str:
    """A job that loads `path` into the benchmark's table; with no fields all travels as it is."""
    head = f"[source]\npaths = [{json.dumps(path)}]\n{source}\n\n[fields]\n{fields}\n\n"
    target = '[target]\nsystem = "avalanchio"\ntable = "stock"\ncreate = true\n\n'
    return head + target + more


def _field(column: Column) -> str:
    origin = "" if column.source == column.name else f"from = {json.dumps(column.source)}, "
    return f'{column.name} = {{ {origin}type = "{column.kind}" }}'


def columns(kind: Kind, names: Sequence[str]) -> tuple[Column, ...]:
    """Columns of one type that keep their names."""
    return tuple(Column(name, name, kind) for name in names)


STOCK = Table(
    (
        Column("Date", "date", "date"),
        Column("Open", "open", "decimal"),
        Column("High", "high", "decimal"),
        Column("Low", "low", "decimal"),
        Column("Close", "close", "decimal"),
        Column("Adj Close", "adj_close", "decimal"),
        Column("Volume", "volume", "integer"),
        *columns("string", ("name", "city", "code", "flag")),
    )
)
NUMBERS = Table((*columns("integer", ("id", "count")), *columns("decimal", ("x", "y"))))
WIDE = Table(
    (*columns("integer", ("number",)), *columns("string", ("name",)), *columns("text", ("note",)))
)
_TIMES = ("dep_time", "sched_dep_time", "dep_delay", "arr_time", "sched_arr_time", "arr_delay")
FLIGHT_COLUMNS = (
    *columns("integer", ("year", "month", "day", *_TIMES)),
    *columns("string", ("carrier",)),
    *columns("integer", ("flight",)),
    *columns("string", ("tailnum", "origin", "dest")),
    *columns("integer", ("air_time", "distance", "hour", "minute")),
    *columns("string", ("time_hour",)),
)
FLIGHTS = Table(FLIGHT_COLUMNS, null="NA")
SPARSE = Table(FLIGHT_COLUMNS)
TABLES = {
    "stock": STOCK,
    "numbers": NUMBERS,
    "wide": WIDE,
    "flights": FLIGHTS,
    "sparse": SPARSE,
}
