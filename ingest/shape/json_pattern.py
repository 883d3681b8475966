"""A pattern that says of a line of NDJSON that it is built like the records it was made from.

JSON is no regular language, but the records of one file mostly are: the same keys in the same
order, some of them missing here and there, each value of a kind. `build_of` finds out of a few of
them what they have in common. What its pattern matches is valid JSON: one object, no key twice, no
lone surrogate, each member a scalar or nested like those that were looked at; so every check of
such a line is made with it. What it does not match is no worse for it, and read with more care.

Patterns are in the syntax that Polars' regular expressions share with PCRE2's, and mean the same of
characters and of the bytes of their UTF-8.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence

import msgspec
import orjson
from msgspec import Struct

MOST_KEYS = 100
MOST_DEPTH = 6
MOST_CHARACTERS = 100_000  # of a pattern; what is larger takes longer to be compiled than it saves
_PLAIN = r'[^"\\\x00-\x1f]'  # a character that stands for itself
_PLAIN_ASCII = r"[ !#-\[\]-\x7f]"
PLAIN_TEXT, FILLED_TEXT = f"{_PLAIN}*", f"{_PLAIN}{_PLAIN}*"
_ESCAPE = r'\\(?:["\\/bfnrt]|u(?:[0-9a-cA-CefEF][0-9a-fA-F]{3}|[dD][0-7][0-9a-fA-F]{2}))'
_STRING = f'"{_PLAIN}*(?:{_ESCAPE}{_PLAIN}*)*"'
NUMBER = r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
_NOT_NULL = f"{_STRING}|{NUMBER}|true|false"
SCALAR = f"{_NOT_NULL}|null"
MATCHED = "line"
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])

Record = Mapping[str, bytes]


class Unlike(Exception):  # noqa: N818 - it says what was found
    """These records have no common build."""


class Style(Struct, frozen=True):
    """What stands behind a key, and between members."""

    colon: str
    comma: str


STYLES = (Style(":", ","), Style(": ", ", "))


class Group(Struct, frozen=True):
    """What is taken out of a member's value: the part that matches `body`, between the quotes if it
    is `quoted`; nothing of a null, where there may be one.

    With `until` it is members as they stand, keys and all, up to the one of that key; `body` is
    not asked.
    """

    body: str
    quoted: bool = False
    nullable: bool = True
    until: str | None = None

    def named(self, name: str) -> str:
        """The pattern of the value, with the group."""
        mark = '"' if self.quoted else ""
        group = f"{mark}(?P<{name}>{self.body}){mark}"
        return f"(?:{group}|null)" if self.nullable else group


class Build(Struct, frozen=True):
    """What records have in common: their keys in order, the pattern of each one's value but null,
    those that were seen, and which keys some records go without."""

    style: Style
    values: Mapping[str, str]
    seen: Mapping[str, Sequence[bytes]]
    optional: frozenset[str]

    def pattern(self, groups: Mapping[str, Group] | None = None, *, is_ascii: bool = False) -> str:
        """The pattern of a whole line, of a text in ASCII if that is known, which is quicker.

        Its groups are g0, g1, ... of these keys, and `MATCHED`, which is empty.
        """
        mark = f"(?P<{MATCHED}>)" if groups else ""
        pattern = rf"\A{mark}{_object(self, _members(self, groups or {}))}\z"
        return of_ascii(pattern) if is_ascii else pattern

    def line(self, values: Mapping[str, str] | None = None) -> str:
        """The pattern without anchors and groups; `values` are those of some keys' values."""
        members = _members(self, {})
        for key, value in (values or {}).items():
            members[key] = _key(key) + self.style.colon + value
        return _object(self, members)

    @property
    def is_flat(self) -> bool:
        """Whether no value is an object or an array."""
        return all(value == f"(?:{_NOT_NULL})" for value in self.values.values())

    def is_spelt_once(self, key: str) -> bool:
        """Whether there is but one way to spell this key."""
        return len(_spelt(key)) == 1

    def joins(self, key: str) -> bool:
        """Whether this member, where it is in every record, and its neighbours can travel as they
        stand: nothing is to be spelt anew."""
        is_always_there = key not in self.optional
        return self.style is STYLES[0] and is_always_there and self.is_spelt_once(key)


def of_ascii(pattern: str) -> str:
    """The same pattern for a text in ASCII."""
    return pattern.replace(_PLAIN, _PLAIN_ASCII)


def build_of(lines: Sequence[bytes]) -> Build:
    """What these lines have in common, each of them one object. Raises Unlike."""
    if not lines:
        raise Unlike
    build = _build([read_object(line) for line in lines], style_of(lines[0]), MOST_DEPTH)
    if sum(map(len, build.values.values())) > MOST_CHARACTERS:
        raise Unlike
    return build


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
    seen = {key: [record[key] for record in records if key in record] for key in keys}
    values = {key: _value(found, style, depth) for key, found in seen.items()}
    everywhere = set.intersection(*(set(record) for record in records)) if records else set()
    if not everywhere:
        raise Unlike  # a comma would belong to no one
    return Build(style, values, seen, frozenset(keys) - everywhere)


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
    """The pattern of a member whose values are spelt so, or are other scalars; not of null."""
    kinds = [_NOT_NULL]
    if objects := [read_object(text) for text in found if text.startswith(b"{")]:
        build = _build(objects, style, depth - 1)
        kinds.append(_object(build, _members(build, {})))
    if arrays := [text for text in found if text.startswith(b"[")]:
        if depth == 0:
            raise Unlike
        elements = [bytes(raw) for text in arrays for raw in _ARRAY.decode(text)]
        element = _value(elements[:MOST_KEYS], style, depth - 1) if elements else _NOT_NULL
        element = f"(?:{element}|null)"
        kinds.append(rf"\[(?:{element}(?:{style.comma}{element})*)?\]")
    return f"(?:{'|'.join(kinds)})"


def _key(key: str) -> str:
    """A key as it may be spelt: as it is, or in ASCII alone."""
    return f"(?:{'|'.join(map(re.escape, _spelt(key)))})"


def _spelt(key: str) -> Collection[str]:
    return dict.fromkeys((orjson.dumps(key).decode(), json.dumps(key)))


def _members(build: Build, groups: Mapping[str, Group]) -> dict[str, str]:
    """The pattern of each member, by key."""
    names = {key: f"g{at}" for at, key in enumerate(groups)}
    members = {
        key: _key(key)
        + build.style.colon
        + (
            f"(?:{value}|null)"
            if key not in groups or groups[key].until
            else groups[key].named(names[key])
        )
        for key, value in build.values.items()
    }
    for key, group in groups.items():
        if group.until is not None:
            members[key] = f"(?P<{names[key]}>{members[key]}"
            members[group.until] += ")"
    return members


def _object(build: Build, members: Mapping[str, str]) -> str:
    """The commas fall into place around the first member that is always there."""
    comma = build.style.comma
    fixed = next(key for key in members if key not in build.optional)
    keys = list(members)
    at = keys.index(fixed)
    before = "".join(f"(?:{members[key]}{comma})?" for key in keys[:at])
    behind = "".join(
        f"(?:{comma}{members[key]})?" if key in build.optional else comma + members[key]
        for key in keys[at + 1 :]
    )
    return rf"\{{{before}{members[fixed]}{behind}\}}"
