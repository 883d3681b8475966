"""Users' SQL, fenced in: what it may touch is decided by SQLite's authorizer, not by reading it.

Source: https://www.sqlite.org/c3ref/set_authorizer.html. The authorizer is asked while a statement
is compiled, about every table it reads and every action it takes, so no spelling gets around it.
`Reader` has a connection of its own, opened read-only; one statement a call (Python refuses a
second one), which must begin with SELECT or WITH, may read the users' tables and nothing else, and
is interrupted after `SECONDS`. `delete_where` lets a condition delete from one table and read that
one table; no subqueries. Size is bounded twice: SQLite refuses a value longer than `VALUE_BYTES`,
and an answer ends after `ROWS` rows or about `ANSWER_BYTES`, saying so in `truncated`.

Guess: the answer's shape, `{"columns": [names], "rows": [objects], "truncated": bool}`. Where two
columns of an answer have one name the later is called `name:1`, as SQLite does in subqueries.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import orjson

from ingest.sandbox.names import RESERVED_PREFIXES, quoted
from ingest.sandbox.refusal import Refused, bad, shown

ROWS = 10_000
ANSWER_BYTES = 64_000_000
VALUE_BYTES = 16_000_000
SECONDS = 10.0
JSON_TYPE = "SANDBOX_JSON_TEXT"  # holds TEXT: SQLite must not turn the JSON text 5 into a number

_STEPS = 20_000  # virtual machine steps between two looks at the clock: about a millisecond
_SELECT = re.compile(r"(?:\s|--[^\n]*\n|/\*.*?\*/)*(?:SELECT|WITH)\b", re.IGNORECASE | re.DOTALL)
_FORBIDDEN_FUNCTIONS = frozenset({"load_extension", "fts3_tokenizer", "randomblob", "zeroblob"})

Authorizer = Callable[[int, str | None, str | None, str | None, str | None], int]
Known = Callable[[str], bool]


# A column declared JSON_TYPE is answered as the JSON it holds, digits and all, never parsed again.
class _StoredJson(bytes):
    __slots__ = ()


sqlite3.register_converter(JSON_TYPE, _StoredJson)


class Reader:
    """A read-only connection that runs users' SELECTs over the tables that `known` names."""

    def __init__(self, path: Path, known: Known) -> None:
        uri = f"{path.absolute().as_uri()}?mode=ro"
        self._db = sqlite3.connect(
            uri, uri=True, isolation_level=None, detect_types=sqlite3.PARSE_DECLTYPES
        )
        bound(self._db)
        self._db.set_authorizer(_reading(known))

    def close(self) -> None:
        """Close the connection."""
        self._db.close()

    def select(self, statement: object) -> dict[str, Any]:
        """Run one SELECT. Returns `columns`, `rows` (objects) and `truncated`."""
        if not isinstance(statement, str) or not _SELECT.match(statement):
            raise bad('"statement" must be one SELECT (or WITH ... SELECT) statement')
        # An unfinished cursor would hold on to an old view of the file: close it on every way out.
        with timed(self._db), closing(self._db.execute(statement)) as cursor:
            names = _distinct([column[0] for column in cursor.description or ()])
            rows, truncated = _bounded(cursor, names)
        return {"columns": names, "rows": rows, "truncated": truncated}


def delete_where(db: sqlite3.Connection, table: str, condition: str) -> int:
    """Delete the rows of `table` for which `condition` holds; how many. The caller commits."""
    if not condition.strip():
        raise bad("an empty condition would delete every row: give one in ?q=")
    # The line ends keep a comment in the condition from swallowing the bracket.
    # It is the user's own SQL, by design; the authorizer decides what it may do.
    statement = f"DELETE FROM {quoted(table)} WHERE (\n{condition}\n)"  # noqa: S608
    db.set_authorizer(_deleting(table))
    try:
        with timed(db):
            return db.execute(statement).rowcount
    finally:
        db.set_authorizer(None)


def bound(db: sqlite3.Connection) -> None:
    """The limits of every connection: no attached files, no endless values."""
    db.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, VALUE_BYTES)


@contextmanager
def timed(db: sqlite3.Connection) -> Iterator[None]:
    """Interrupt what runs on `db` after `SECONDS`; SQLite's complaints become refusals."""
    deadline = monotonic() + SECONDS
    db.set_progress_handler(lambda: monotonic() > deadline, _STEPS)
    try:
        yield
    except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
        raise _refusal(error) from error
    finally:
        db.set_progress_handler(None, 0)


def _refusal(error: Exception) -> Refused:
    words = str(error)
    if "interrupted" in words:
        return bad(f"the SQL ran longer than {SECONDS:g} s: narrow it or add an index")
    if "not authorized" in words or "prohibited" in words:
        return bad(f"the SQL does what is not allowed here ({words}): it may only use the tables")
    return bad(f"the SQL failed: {shown(words)}")


def _reading(known: Known) -> Authorizer:
    def authorize(
        action: int, first: str | None, second: str | None, _db: str | None, _by: str | None
    ) -> int:
        if action in {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_RECURSIVE}:
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_READ and first and (known(first) or _counts(first, second)):
            return sqlite3.SQLITE_OK
        return _function(action, second)

    return authorize


def _counts(name: str, column: str | None) -> bool:
    """A table of the statement's own (WITH name AS ...) of which no column is read.

    SQLite then asks with an empty column, as it does for real tables. Of those only the reserved
    ones are not the users': what SQLite makes up on the fly is refused when it is made.
    """
    return column == "" and not name.lower().startswith(RESERVED_PREFIXES)


def _deleting(table: str) -> Authorizer:
    def authorize(
        action: int, first: str | None, second: str | None, _db: str | None, _by: str | None
    ) -> int:
        if action in {sqlite3.SQLITE_DELETE, sqlite3.SQLITE_READ} and first == table:
            return sqlite3.SQLITE_OK
        return _function(action, second)

    return authorize


def _function(action: int, name: str | None) -> int:
    harmless = action == sqlite3.SQLITE_FUNCTION and name not in _FORBIDDEN_FUNCTIONS
    return sqlite3.SQLITE_OK if harmless else sqlite3.SQLITE_DENY


def _bounded(cursor: sqlite3.Cursor, names: list[str]) -> tuple[list[dict[str, Any]], bool]:
    rows: list[dict[str, Any]] = []
    size = 0
    for row in cursor:
        if len(rows) == ROWS or size > ANSWER_BYTES:
            return rows, True
        if any(type(value) is bytes for value in row):
            raise bad("the SQL answers binary values, which JSON can't hold: use hex()")
        size += sum(map(_size, row))
        rows.append(dict(zip(names, map(_answered, row), strict=True)))
    return rows, False


def _size(value: object) -> int:
    return len(value) if isinstance(value, str | bytes) else 8


def _answered(value: object) -> object:
    return orjson.Fragment(bytes(value)) if isinstance(value, _StoredJson) else value


def _distinct(names: list[str]) -> list[str]:
    taken: dict[str, None] = {}
    for name in names:
        candidate, number = name, 0
        while candidate in taken:
            number += 1
            candidate = f"{name}:{number}"
        taken[candidate] = None
    return list(taken)
