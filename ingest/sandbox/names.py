"""Names of tables and columns: which are taken, and how they stand in SQL.

`quoted` is the only place where a name becomes part of a statement: SQLite's rule is a pair of
double quotes with every double quote inside doubled, and nothing else is special between them but
NUL, which ends a C string. Users' names are otherwise free (a column may be called `Adj Close` or
`select`); the service's own rule is not published, so a narrower one would be a guess that gets in
the way. Names that SQLite or the sandbox keep for themselves are refused, so a user's table can't
collide with the catalogue.
"""

from __future__ import annotations

import unicodedata

from ingest.sandbox.refusal import bad, shown

INTERNAL_PREFIX = "_sandbox_"
RESERVED_PREFIXES = ("sqlite_", INTERNAL_PREFIX)
NAME_CHARACTERS = 128


def quoted(name: str) -> str:
    """`name` as an SQL identifier. Raises ValueError where no identifier can hold it."""
    if not name or "\x00" in name:
        raise ValueError(f"no SQL identifier can hold {name!r}")
    name.encode()  # a lone surrogate has no UTF-8 form: UnicodeEncodeError is a ValueError
    return '"' + name.replace('"', '""') + '"'


def checked(name: object, what: str) -> str:
    """`name` if it may name a `what` ("table" or "column"), else a refusal that says why not."""
    if not isinstance(name, str) or not name:
        raise bad(f"a {what} needs a name: a non-empty text, not {shown(name)}")
    if len(name) > NAME_CHARACTERS:
        raise bad(f"the {what} name {shown(name)} is longer than {NAME_CHARACTERS} characters")
    if any(unicodedata.category(letter) in {"Cc", "Cs"} for letter in name) or "/" in name:
        raise bad(f"the {what} name {shown(name)} has a control character or a slash: leave it out")
    if name.lower().startswith(RESERVED_PREFIXES):
        reserved = " or ".join(RESERVED_PREFIXES)
        raise bad(f"the {what} name {shown(name)} is reserved: it must not start with {reserved}")
    return name


def folded(name: str) -> str:
    """The form in which two names are the same to SQLite: ASCII letters without case."""
    return "".join(chr(ord(c) + 32) if "A" <= c <= "Z" else c for c in name)
