"""SQL quoting, the only two functions by which a name or a value enters a statement.

They follow standard SQL (ISO 9075: a quote inside is doubled). A service that does not say which
database answers its queries may run one that also takes a backslash for an escape, where doubling
alone would let a value end its own quotes; so a value with a backslash, like one with a NUL, is
refused: what can't be asked safely is not asked.

A plain name that is no key word stands bare, as on Avalanchio's page (`select * from my_user`);
only other names need the standard's double quotes, which that page does not show. (guess)
"""

from __future__ import annotations

import re

from ingest.errors import TargetError

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_KEY_WORDS = frozenset(
    """
    all alter analyse analyze and any array as asc asymmetric authorization begin between binary
    both by case cast check collate collation column commit concurrently constraint create cross
    current_catalog current_date current_role current_schema current_time current_timestamp
    current_user database default deferrable delete desc describe distinct do drop else end escape
    except exists explain false fetch filter for foreign freeze from full function glob grant group
    grouping having if ilike in index initially inner insert intersect interval into is isnull join
    key lateral leading left like limit localtime localtimestamp match merge natural not notnull
    null of offset on only or order outer over overlaps partition placing pragma primary procedure
    range read recursive references regexp release rename replace returning revoke right rollback
    row rows savepoint schema select session_user set similar some symmetric table tablesample temp
    temporary then to trailing transaction trigger true union unique update user using vacuum values
    variadic verbose view virtual when where window with without
    """.split()  # noqa: SIM905 - a list of quoted words would be a page long
)


def quote_identifier(name: str) -> str:
    """A table's or column's name for a statement. Raises TargetError if none can hold it."""
    if _PLAIN.fullmatch(name) and name.lower() not in _KEY_WORDS:
        return name
    if not name or _unsafe(name):
        raise TargetError(f"the name {name!r} can't stand in a query", "choose another name")
    return '"' + name.replace('"', '""') + '"'


def quote_literal(value: str | int) -> str:
    """A text or an integer for a statement. Raises TargetError for what can't be asked safely."""
    if isinstance(value, int):
        return str(int(value))
    if _unsafe(value):
        raise TargetError(f"the value {value[:80]!r} can't stand in a query: backslash or NUL")
    return "'" + value.replace("'", "''") + "'"


def _unsafe(text: str) -> bool:
    return "\\" in text or "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text)
