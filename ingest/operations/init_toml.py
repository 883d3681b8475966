"""TOML text from values: the one place where somebody else's words become part of a job file.

Column names, file names and cells are strangers' bytes; a quote or a newline in one must not end a
string early or begin a key. TOML 1.0's basic string is enough for every text: backslash and quote
are escaped, and everything that is no printable character besides (controls, line separators,
marks that turn the direction of writing), by its code. A key is bare only if it is of letters,
digits, `_` and `-`. A comment is one line, and holds no control character, because TOML forbids
them there.

The law, held by a property test: what `tomllib` reads back is what was written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ingest.display import safe

BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
COMMENT_COLUMNS = 100
_SHORT = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def string(text: str) -> str:
    """A text as a TOML string. Raises ValueError for half of a surrogate pair, which has none."""
    return f'"{"".join(map(_character, text))}"'


def _character(letter: str) -> str:
    if letter in _SHORT:
        return _SHORT[letter]
    if letter.isprintable():
        return letter
    code = ord(letter)
    if 0xD800 <= code <= 0xDFFF:
        raise ValueError("TOML holds no surrogates")
    return f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}"


def key(name: str) -> str:
    """A name as a TOML key."""
    return name if BARE_KEY.fullmatch(name) else string(name)


def value(thing: Any) -> str:
    """A value on one line: texts, numbers, truth, lists, and tables as inline tables."""
    if isinstance(thing, str):
        return string(thing)
    if isinstance(thing, bool):
        return str(thing).lower()
    if isinstance(thing, int | float):
        return repr(thing)
    if isinstance(thing, Mapping):
        members = ", ".join(f"{key(name)} = {value(part)}" for name, part in thing.items())
        return f"{{ {members} }}" if members else "{}"
    assert isinstance(thing, Sequence), f"{type(thing)} has no TOML"
    return f"[{', '.join(map(value, thing))}]"


def assignment(name: str, thing: Any, width: int = 0) -> str:
    """`name = value`, the sign of equality behind at least `width` characters."""
    return f"{key(name):<{width}} = {value(thing)}"


def comment(text: str) -> list[str]:
    """A text as comment lines of at most about a hundred columns."""
    lines: list[str] = []
    for word in safe(text).split():
        if lines and len(lines[-1]) + 1 + len(word) <= COMMENT_COLUMNS:
            lines[-1] += f" {word}"
        else:
            lines.append(f"# {word}")
    return lines
