"""Tables and columns as data: what a definition may say, and how a new one revises the old.

Pure. The rules come from the service's page: creating is idempotent; columns that a request leaves
out are kept; properties of a column may change, its name and type never; `time_column` must be an
indexed column of Date or Timestamp type; `length` belongs to Embedding, `picklist_items` to
Picklist. All properties named on the page are kept and given back by `Table.described`.

Guesses, where the page is silent: an unknown property is refused (it is a typing error more often
than an unpublished feature); Boolean is no type; `id`, and `created_at` and `updated_at` unless
`skip_audit_fields` is set, are columns of every table, listed by describe with `"system": true`;
naming one of them again with its own type changes nothing. Names that differ only by case are the
same name to SQLite, so the second is refused.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from ingest.sandbox.names import checked, folded
from ingest.sandbox.refusal import bad, shown

TYPES = (
    "Integer", "Bigint", "Double", "Text", "Textarea", "Date", "Timestamp", "Email", "Picklist",
    "Json", "Lookup", "Embedding",
)  # fmt: skip
COLUMNS = 1_900  # SQLite takes 2,000 a table, some of which are ours
FLAGS = frozenset(
    {"editable", "required", "searchable", "indexed", "unique"}
    | {"allow_create", "allow_delete", "enable_field_audit", "skip_audit_fields", "enable_search"}
)
COUNTS = frozenset({"length", "max_length"})
COLUMN_PROPERTIES = frozenset(
    {"label", "length", "max_length", "help", "editable", "required", "searchable", "indexed"}
    | {"unique", "description", "picklist_items"}
)
TABLE_PROPERTIES = frozenset(
    {"label", "allow_create", "allow_delete", "enable_field_audit", "skip_audit_fields"}
    | {"enable_search", "time_column"}
)


class Column(Struct, frozen=True):
    """A column: its name, its type and the properties that were given for it."""

    name: str
    type: str
    properties: Mapping[str, Any] = field(default_factory=dict)

    @property
    def required(self) -> bool:
        """Every record must have a value for it."""
        return bool(self.properties.get("required"))

    @property
    def unique(self) -> bool:
        """No two rows may have the same value."""
        return bool(self.properties.get("unique"))

    @property
    def indexed(self) -> bool:
        """It has a secondary index."""
        return bool(self.properties.get("indexed"))

    def number(self, name: str) -> int | None:
        """The property `name` (`length`, `max_length`) if it was given."""
        value = self.properties.get(name)
        return value if isinstance(value, int) else None

    def described(self) -> dict[str, Any]:
        """The column as describe answers it."""
        return {"name": self.name, "type": self.type, **self.properties}


ID = Column("id", "Bigint", {"indexed": True, "unique": True, "system": True})
AUDIT = tuple(
    Column(name, "Timestamp", {"editable": False, "system": True})
    for name in ("created_at", "updated_at")
)


class Table(Struct, frozen=True):
    """A table: its name, its own properties and the users' columns, in the order they came."""

    name: str
    properties: Mapping[str, Any] = field(default_factory=dict)
    columns: tuple[Column, ...] = ()

    @property
    def audit(self) -> tuple[Column, ...]:
        """The columns that the server fills in."""
        return () if self.properties.get("skip_audit_fields") else AUDIT

    @property
    def system(self) -> tuple[Column, ...]:
        """`id` and the audit columns."""
        return (ID, *self.audit)

    def column(self, name: str) -> Column | None:
        """The column of that name, system columns included."""
        return next((c for c in (*self.columns, *self.system) if c.name == name), None)

    def described(self) -> dict[str, Any]:
        """The whole table as describe answers it."""
        columns = [c.described() for c in (*self.columns, *self.system)]
        return {"name": self.name, **self.properties, "columns": columns}

    def as_json(self) -> dict[str, Any]:
        """What the catalogue keeps: `described` without the system columns."""
        columns = [c.described() for c in self.columns]
        return {"name": self.name, **self.properties, "columns": columns}


def revised(name: str, old: Table | None, payload: Mapping[str, Any]) -> Table:
    """The table after `POST schema/tables`: created if `old` is None, else widened and changed."""
    given = {key: value for key, value in payload.items() if key not in {"name", "columns"}}
    properties = _properties(given, TABLE_PROPERTIES, f"table {shown(name)}")
    base = old or Table(checked(name, "table"))
    if old is not None and properties.get("skip_audit_fields", old.audit == ()) != (
        old.audit == ()
    ):
        raise bad(f"skip_audit_fields of table {shown(name)} can't change: its columns exist")
    base = replace(base, properties={**base.properties, **properties})
    return widened(base, payload.get("columns", []))


def widened(table: Table, columns: object) -> Table:
    """The table after columns were added or their properties changed."""
    if not isinstance(columns, list) or not all(isinstance(c, dict) for c in columns):
        raise bad(f'"columns" of table {shown(table.name)} must be a list of objects')
    taken = {column.name: column for column in table.columns}
    for payload in columns:
        column = _column(table, taken, payload)
        if column is not None:
            taken[column.name] = column
    table = replace(table, columns=tuple(taken.values()))
    _check_whole(table)
    return table


def _column(table: Table, taken: Mapping[str, Column], payload: Mapping[str, Any]) -> Column | None:
    """The new or changed column; None for a system column, which is never stored."""
    name = checked(payload.get("name"), "column")
    old = taken.get(name)
    where = f"column {shown(name)} of table {shown(table.name)}"
    system = next((c for c in table.system if c.name == name), None)
    known = old or system
    kind = _type(payload.get("type", known.type if known else None), where)
    if known is not None and known.type != kind:
        raise bad(f"the type of {where} is {known.type} and can't change to {kind}", column=name)
    if system is not None:
        return None
    given = {key: value for key, value in payload.items() if key not in {"name", "type"}}
    properties = _properties(given, COLUMN_PROPERTIES, where)
    column = Column(name, kind, {**(old.properties if old else {}), **properties})
    _check_column(column, where)
    return column


def _type(kind: object, where: str) -> str:
    if kind in TYPES:
        return str(kind)
    if kind == "Boolean":
        raise bad(f"{where}: there is no Boolean type; use Integer with 0 and 1")
    near = difflib.get_close_matches(str(kind)[:40].capitalize(), TYPES, 1)
    offer = f"; did you mean {near[0]}?" if near else f"; the types are {', '.join(TYPES)}"
    raise bad(f"{where}: {shown(kind)} is no column type{offer}")


def _properties(given: Mapping[str, Any], known: frozenset[str], where: str) -> dict[str, Any]:
    for name, value in given.items():
        if name not in known:
            names = ", ".join(sorted(known))
            raise bad(f"{where} has no property {shown(name)}; there are {names}")
        if not _is_right(name, value):
            raise bad(f"{where}: the property {name} can't be {shown(value)}")
    return dict(given)


def _is_right(name: str, value: object) -> bool:
    if value is None:
        return True
    if name in FLAGS:
        return isinstance(value, bool)
    if name in COUNTS:
        return type(value) is int and value > 0
    if name == "picklist_items":
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    return isinstance(value, str)


def _check_column(column: Column, where: str) -> None:
    if column.type == "Embedding" and column.number("length") is None:
        raise bad(f"{where}: an Embedding needs its fixed length, such as 384")
    if column.type == "Picklist" and not column.properties.get("picklist_items"):
        raise bad(f"{where}: a Picklist needs picklist_items, a list of texts")


def _check_whole(table: Table) -> None:
    names = [column.name for column in (*table.columns, *table.system)]
    if len(names) > COLUMNS:
        raise bad(f"table {shown(table.name)} would have {len(names)} columns; {COLUMNS} at most")
    _refuse_twins(names)
    time_column = table.properties.get("time_column")
    if time_column is None:
        return
    column = table.column(time_column)
    if column is None or not column.indexed or column.type not in {"Date", "Timestamp"}:
        raise bad(f"time_column {shown(time_column)} must be an indexed Date or Timestamp column")


def _refuse_twins(names: Iterable[str]) -> None:
    seen: dict[str, str] = {}
    for name in names:
        twin = seen.setdefault(folded(name), name)
        if twin != name:
            raise bad(f"the columns {shown(twin)} and {shown(name)} differ only by case")


def from_json(stored: Mapping[str, Any]) -> Table:
    """The table that `Table.as_json` described."""
    own = {key: value for key, value in stored.items() if key not in {"name", "columns"}}
    columns = tuple(
        Column(c["name"], c["type"], {k: v for k, v in c.items() if k not in {"name", "type"}})
        for c in stored["columns"]
    )
    return Table(stored["name"], own, columns)
