"""A pattern that says of a line of NDJSON that it is built like the records it was made from.

JSON is no regular language, but the records of one file mostly are: the same keys in the same
order, some of them missing here and there, each value of a kind. `build_of` finds out of a few of
them what they have in common. What its pattern matches is valid JSON: one object, no key twice, no
lone surrogate, each member a scalar or nested like those that were looked at; so every check of
such a line is made with it. What it does not match is no worse for it, and read with more care.

Patterns are in the syntax of Polars' regular expressions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import orjson

MOST_KEYS = 100
MOST_DEPTH = 6
_STRING = (
    r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u(?:[0-9a-cA-CefEF][0-9a-fA-F]{3}'
    r'|[dD][0-7][0-9a-fA-F]{2})))*"'
)
_NUMBER = r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
SCALAR = f"{_STRING}|{_NUMBER}|true|false|null"
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])

Record = Mapping[str, bytes]


class Unlike(Exception):  # noqa: N818 - it says what was found
    """These records have no common build."""


@dataclass(frozen=True, slots=True)
class Style:
    """What stands behind a key, and between members."""

    colon: str
    comma: str


STYLES = (Style(":", ","), Style(": ", ", "))


@dataclass(frozen=True, slots=True)
class Build:
    """What records have in common: their keys in order, the pattern of each one's value, and which
    of them some records go without."""

    style: Style
    values: Mapping[str, str]
    optional: frozenset[str]

    def pattern(self, groups: Sequence[str] = ()) -> str:
        """The pattern of a whole line; the values of these keys are its groups g0, g1, ..."""
        found = {key: f"(?P<g{at}>{self.values[key]})" for at, key in enumerate(groups)}
        return rf"\A{_object(self, found)}\z"


def build_of(lines: Sequence[bytes]) -> Build:
    """What these lines have in common, each of them one object. Raises Unlike."""
    if not lines:
        raise Unlike
    return _build([read_object(line) for line in lines], style_of(lines[0]), MOST_DEPTH)


def read_object(text: bytes) -> Record:
    """The members of an object, their values as they are written. Raises Unlike."""
    try:
        return {key: bytes(raw) for key, raw in _OBJECT.decode(text).items()}
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as exc:
        raise Unlike from exc


def style_of(line: bytes) -> Style:
    """How a line is set; the compact style where both are possible."""
    spaced = re.match(rb'\{"(?:[^"\\]|\\.)*": ', line) is not None
    return STYLES[spaced]


def _build(records: Sequence[Record], style: Style, depth: int) -> Build:
    keys = _in_order(records)
    if len(keys) > MOST_KEYS or depth == 0:
        raise Unlike
    values = {}
    for key in keys:
        found = [record[key] for record in records if key in record]
        values[key] = _value(found, style, depth)
    everywhere = set.intersection(*(set(record) for record in records)) if records else set()
    if not everywhere:
        raise Unlike  # a comma would belong to no one
    return Build(style, values, frozenset(keys) - everywhere)


def _in_order(records: Sequence[Record]) -> list[str]:
    """All keys; one that is new stands behind the one that it follows."""
    keys: list[str] = []
    for known in dict.fromkeys(tuple(record) for record in records):
        at = 0
        for key in known:
            if key not in keys:
                keys.insert(at, key)
            at = keys.index(key) + 1
    return keys


def _value(found: Sequence[bytes], style: Style, depth: int) -> str:
    """The pattern of a member whose value is spelt in these ways."""
    kinds = [f"(?:{SCALAR})"]
    if objects := [read_object(text) for text in found if text.startswith(b"{")]:
        build = _build(objects, style, depth - 1)
        kinds.append(_object(build, {}))
    if arrays := [text for text in found if text.startswith(b"[")]:
        elements = [bytes(raw) for text in arrays for raw in _ARRAY.decode(text)]
        element = _value(elements[:MOST_KEYS], style, depth - 1) if elements else f"(?:{SCALAR})"
        kinds.append(rf"\[(?:{element}(?:{style.comma}{element})*)?\]")
    return f"(?:{'|'.join(kinds)})"


def _key(key: str) -> str:
    """A key as it may be spelt: as it is, or in ASCII alone."""
    spelt = dict.fromkeys((orjson.dumps(key).decode(), json.dumps(key)))
    return f"(?:{'|'.join(map(re.escape, spelt))})"


def _object(build: Build, groups: Mapping[str, str]) -> str:
    """The commas fall into place around the first member that is always there."""
    comma, colon = build.style.comma, build.style.colon
    members = {
        key: _key(key) + colon + groups.get(key, value) for key, value in build.values.items()
    }
    fixed = next(key for key in members if key not in build.optional)
    keys = list(members)
    at = keys.index(fixed)
    before = "".join(f"(?:{members[key]}{comma})?" for key in keys[:at])
    behind = "".join(
        f"(?:{comma}{members[key]})?" if key in build.optional else comma + members[key]
        for key in keys[at + 1 :]
    )
    return rf"\{{{before}{members[fixed]}{behind}\}}"
