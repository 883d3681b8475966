"""What pydantic found wrong, in the words of a job file: place, key, trouble, nearest right name.

The parser of TOML tells no lines, so they are looked up in the text: the line of the key itself, or
of the nearest table above it. A key that is found nowhere came from the command line.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

UNION_TYPES = ("bool", "int", "float", "str")
TYPE_WORDS = {
    "missing": "is missing",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "string_type": "must be a text (in quotes)",
    "tuple_type": "must be a list",
    "too_short": "must not be empty",
    "string_too_short": "must not be empty",
    "dict_type": "must be a table",
    "model_type": "must be a table",
}
_KEY = r"""(?:"[^"]*"|'[^']*'|[\w@-]+)"""
_DOTTED = rf"{_KEY}(?:\s*\.\s*{_KEY})*"
_HEADER = re.compile(rf"\[\[?\s*({_DOTTED})\s*\]")
_ASSIGNED = re.compile(rf"({_DOTTED})\s*=")


def explain(exc: ValidationError, text: str, shown: str, settings: type[BaseModel]) -> list[str]:
    """One line an error: file, line, key, what is wrong, the nearest right name.

    `text` is the TOML that `shown` names, `settings` the model that was to be made of it.
    """
    lines: dict[str, None] = {}
    for error in exc.errors():
        path = [str(part) for part in error["loc"]]
        message = _message(error, path, settings)
        if len(path) > 1 and path[-1] in UNION_TYPES and path[-2] in ("value", "default"):
            path, message = path[:-1], "must be a text, a number, true or false"
        line = line_of(text, path)
        where = f"{shown}:{line}" if line else shown
        lines[f"{where}: {'.'.join(path) or 'job'}: {message}"] = None
    return list(lines)


def _message(error: Mapping[str, Any], path: Sequence[str], settings: type[BaseModel]) -> str:
    """What is wrong, in the words of a job file."""
    kind = error["type"]
    if kind == "extra_forbidden":
        return "unknown key" + _nearest(path, settings)
    if kind in TYPE_WORDS:
        return TYPE_WORDS[kind]
    message = str(error["msg"]).removeprefix("Value error, ").replace("Input should be", "must be")
    if kind == "literal_error":
        words = re.findall("'([^']*)'", str(error["ctx"]["expected"]))
        close = difflib.get_close_matches(str(error["input"]), words, n=1, cutoff=0.5)
        return message + (f"; did you mean {close[0]}?" if close else "")
    return message


def _nearest(path: Sequence[str], settings: type[BaseModel]) -> str:
    """`; did you mean ...?` for an unknown key, asked of the settings at its place."""
    place: Any = settings
    for part in path[:-1]:
        fields = getattr(place, "model_fields", None)
        if fields is None:  # a table of tables: any name leads to the same settings
            place = place.__args__[1] if getattr(place, "__args__", None) else None
        else:
            place = fields[part].annotation if part in fields else None
    known = getattr(place, "model_fields", {})
    names = [f.alias or name for name, f in known.items() if not f.exclude]
    close = difflib.get_close_matches(path[-1], names, n=1, cutoff=0.5)
    if close:
        return f"; did you mean {close[0]}?"
    return f"; known here: {', '.join(names)}" if names else ""


def line_of(text: str, path: Sequence[str]) -> int | None:
    """The line of the TOML text where this key (or the nearest table above it) is set."""
    section: list[str] = []
    best: tuple[int, int] | None = None
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if match := _HEADER.match(stripped):
            here = section = _names(match[1])
        elif match := _ASSIGNED.match(stripped):
            here = section + _names(match[1])
        else:
            continue
        depth = len(here)
        if here == list(path[:depth]) and (best is None or depth > best[0]):
            best = (depth, number)
    return best[1] if best else None


def _names(dotted: str) -> list[str]:
    """`fields."a.b"` as its names."""
    return [name.strip("\"'") for name in re.findall(_KEY, dotted)]
