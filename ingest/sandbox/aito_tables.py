"""aito's schema as data: what a definition may say, and how a column may change. Pure.

Seen: a table is `{"type": "table", "columns": {name: {"type", "nullable", "link", "analyzer"}}}`
and the client breaks on any other key, so nothing else is ever answered; `nullable` is false unless
set; v2 also makes `"type": "collection"`; names hold no `/ " . $` and no white space; a link is
`table.column`, an analyzer a word or an object with one of four types; Long is v2's.

Guesses: `type` may be left out and is then `table`; an unknown key is refused; only Text takes an
analyzer; a link's column and its target have one type, which is a scalar; a collection is shown to
v1 as a table, without which one collection would break every v1 client of the database; a column
with rows may change its analyzer and become nullable, and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from msgspec import Struct, field
from msgspec.structs import replace

from ingest.sandbox import aito_types
from ingest.sandbox.aito_refusal import BAD_COLUMN, BAD_SCHEMA, bad
from ingest.sandbox.refusal import shown
from ingest.sandbox.tables import COLUMNS

NAME = re.compile(r'[^/".$\s]+')
ANALYZERS: Final = ("char-ngram", "delimiter", "language", "token-ngram")
_KEYS = frozenset({"type", "nullable", "link", "analyzer"})
_KINDS = {"v1": ("table",), "v2": ("table", "collection")}


class Link(Struct, frozen=True):
    """Where a column's values must exist."""

    table: str
    column: str

    def __str__(self) -> str:
        return f"{self.table}.{self.column}"


class Column(Struct, frozen=True):
    """A column. `slot` is its number in the database, which no other column of the table had."""

    name: str
    type: str
    nullable: bool = False
    link: Link | None = None
    analyzer: Any = None
    slot: int = 0

    def described(self) -> dict[str, Any]:
        """The column as the schema answers it."""
        optional = {"link": str(self.link) if self.link else None, "analyzer": self.analyzer}
        given = {key: value for key, value in optional.items() if value is not None}
        return {"type": self.type, "nullable": self.nullable, **given}


class Table(Struct, frozen=True):
    """A table or collection: its columns in the order they were defined."""

    kind: str
    columns: Mapping[str, Column] = field(default_factory=dict)

    def described(self, api: str) -> dict[str, Any]:
        """The table as the schema answers it."""
        columns = {name: column.described() for name, column in self.columns.items()}
        return {"type": self.kind if api == "v2" else "table", "columns": columns}

    def links(self) -> Iterable[Column]:
        """The columns whose values must exist elsewhere."""
        return (column for column in self.columns.values() if column.link)

    def with_column(self, column: Column) -> Table:
        """The table with one column more, or with another in the place of its namesake."""
        return replace(self, columns={**self.columns, column.name: column})

    def without(self, name: str) -> Table:
        """The table with one column less."""
        columns = {key: column for key, column in self.columns.items() if key != name}
        if not columns:
            raise bad(f"column {shown(name)} is the table's last: delete the table", BAD_COLUMN)
        return replace(self, columns=columns)

    def next_slot(self) -> int:
        """A number for a new column."""
        return 1 + max((column.slot for column in self.columns.values()), default=0)


def table_of(payload: object, api: str) -> Table:
    """The table that a PUT describes."""
    if not isinstance(payload, dict) or payload.keys() - {"type", "columns"}:
        raise bad('a table must be {"type": "table", "columns": {...}}', BAD_SCHEMA)
    kind = payload.get("type", "table")
    if kind not in _KINDS[api]:
        kinds = " or ".join(_KINDS[api])
        raise bad(f"the type of a table is {kinds}, not {shown(kind)}", BAD_SCHEMA)
    columns = payload.get("columns")
    if not isinstance(columns, dict) or not 0 < len(columns) <= COLUMNS:
        raise bad(f'"columns" must be an object of 1 to {COLUMNS} columns', BAD_SCHEMA)
    parsed = (column_of(name, column, api) for name, column in columns.items())
    numbered = (replace(column, slot=slot) for slot, column in enumerate(parsed, 1))
    return Table(kind, {column.name: column for column in numbered})


def column_of(name: str, payload: object, api: str) -> Column:
    """The column that a definition describes; without a slot."""
    where = f"column {shown(checked_name(name, 'column'))}"
    if not isinstance(payload, dict) or payload.keys() - _KEYS:
        keys = ", ".join(sorted(_KEYS))
        raise bad(f"{where} must be an object with {keys}, not {shown(payload)}", BAD_SCHEMA)
    kind, nullable = payload.get("type"), payload.get("nullable")
    if kind not in aito_types.TYPES or (kind == aito_types.LONG and api == "v1"):
        raise bad(f"{where}: unknown type {shown(kind)}", BAD_SCHEMA)
    if nullable is not None and not isinstance(nullable, bool):
        raise bad(f"{where}: nullable must be true or false, not {shown(nullable)}", BAD_SCHEMA)
    link = _link(payload.get("link"), kind, where)
    return Column(name, kind, bool(nullable), link, _analyzer(payload.get("analyzer"), kind, where))


def checked_name(name: str, what: str) -> str:
    """`name` if it may name a `what` ("table" or "column")."""
    if not NAME.fullmatch(name):
        message = f'the {what} name {shown(name)} must not be empty or hold / " . $ or white space'
        raise bad(message, BAD_SCHEMA)
    return name


def changed(table: Table, column: Column, *, has_rows: bool) -> Table:
    """The table after a PUT of `column`, which replaces its namesake or is new."""
    old = table.columns.get(column.name)
    where = f"column {shown(column.name)}"
    if old is None or not has_rows:
        if has_rows and not column.nullable:
            message = f"{where} is new and the table has rows: it must be nullable"
            raise bad(message, BAD_COLUMN)
        return table.with_column(replace(column, slot=table.next_slot()))
    if (column.type, column.link) != (old.type, old.link) or (old.nullable and not column.nullable):
        raise bad(f"{where} has rows: its type, link and nullability stay", BAD_COLUMN)
    return table.with_column(replace(column, slot=old.slot))


def broken_link(table: Table, tables: Mapping[str, Table]) -> str | None:
    """What is wrong with a link of `table`: it must lead to a column of its type in `tables`."""
    for column in table.links():
        assert column.link is not None
        there = tables.get(column.link.table)
        target = there.columns.get(column.link.column) if there else None
        where = f"column {shown(column.name)} is {column.type} and links to {column.link}"
        if target is None:
            return f"{where}, which would not exist"
        if target.type != column.type:
            return f"{where}, which is {target.type}"
    return None


def _link(link: object, kind: str, where: str) -> Link | None:
    if link is None:
        return None
    parts = link.split(".") if isinstance(link, str) else []
    if len(parts) != 2 or not all(map(NAME.fullmatch, parts)):
        raise bad(f'{where}: a link is "table.column", not {shown(link)}', BAD_SCHEMA)
    if not aito_types.is_comparable(kind):
        raise bad(f"{where}: a column of type {kind} can't be a link", BAD_SCHEMA)
    return Link(*parts)


def _analyzer(analyzer: object, kind: str, where: str) -> object:
    if analyzer is None:
        return None
    if kind != aito_types.TEXT:
        raise bad(f"{where}: only Text has an analyzer, {kind} has none", BAD_SCHEMA)
    if isinstance(analyzer, str) or (
        isinstance(analyzer, dict) and analyzer.get("type") in ANALYZERS
    ):
        return analyzer
    raise bad(f"{where}: {shown(analyzer)} is no analyzer", BAD_SCHEMA)


def stored(table: Table) -> dict[str, Any]:
    """What the catalogue keeps."""
    slots = {column.name: column.slot for column in table.columns.values()}
    return {**table.described("v2"), "slots": slots}


def from_stored(kept: Mapping[str, Any]) -> Table:
    """The table that `stored` described."""
    columns = (column_of(name, column, "v2") for name, column in kept["columns"].items())
    numbered = (replace(column, slot=kept["slots"][column.name]) for column in columns)
    return Table(kept["type"], {column.name: column for column in numbered})
