"""What a pattern of records matches is valid JSON, built like them."""

from __future__ import annotations

import json
import re
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.shape.json_pattern import (
    MOST_CHARACTERS,
    MOST_DEPTH,
    MOST_KEYS,
    SCALAR,
    Group,
    Unlike,
    build_of,
)

TEXT = st.text(max_size=6)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
SETS: list[dict[str, Any]] = [{"separators": (",", ":")}, {}]
NOISE = ['"', "\\", "\\u", "d83d", "\\ude00", "\x00", "{", "}", ",", ":", "0", "e1", " ", "1", "-"]


def matches(pattern: str, line: str) -> bool:
    """Asked as it is in use."""
    return bool(pl.Series([line]).str.contains(pattern)[0])


def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object; ValueError for a key that stands twice."""
    if len(dict(pairs)) < len(pairs):
        raise ValueError("twice")
    return dict(pairs)


@settings(max_examples=60)
@given(
    st.lists(
        st.fixed_dictionaries({"k": VALUES}, optional={"a": SCALARS, "z": VALUES}), min_size=1
    ),
    st.sampled_from(SETS),
    st.booleans(),
)
def test_what_a_build_was_made_from_matches_it(
    records: list[dict[str, Any]], style: dict[str, Any], ascii_only: bool
) -> None:
    """Whatever the values, as long as the pattern can be made at all."""
    ordered = [dict(sorted(record.items())) for record in records]  # a build has one order of keys
    lines = [json.dumps(record, ensure_ascii=ascii_only, **style) for record in ordered]
    try:
        pattern = build_of([line.encode("utf-8", "surrogatepass") for line in lines]).pattern()
    except Unlike:
        return
    for line in lines:
        surrogate = re.search(r"\\u[dD][89a-fA-F]", line)
        assert surrogate or matches(pattern, line)


@given(st.lists(st.sampled_from(NOISE), max_size=8).map("".join), st.sampled_from(["v", "k"]))
def test_what_matches_is_sound(noise: str, place: str) -> None:
    """One object, no key twice, no lone surrogate: whatever is put into a line."""
    line = '{"k":"v","n":1,"o":{"p":[1,2]}}'.replace(place, noise, 1)
    pattern = build_of([b'{"k":"v","n":1,"o":{"p":[1,2]}}', b'{"k":null}']).pattern()
    if matches(pattern, line):
        record = json.loads(line, object_pairs_hook=unique)
        assert set(record) <= {"k", "n", "o"}
        json.dumps(record, ensure_ascii=False).encode()  # a lone surrogate has no bytes


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("0", True), ("-0.5e+10", True), ("01", False), ("1.", False), (".5", False),
        ("NaN", False), ("true", True), ("True", False), ("null", True),
        ('""', True), ('"\\n"', True),
        ('"\\x"', False), ('"\n"', False), ('"\\u00e9"', True), ('"\\ud83d\\ude00"', False),
        ('"\\ud83d"', False), ('"\u2028"', True), ("'a'", False), ("", False),
    ],
)  # fmt: skip
def test_scalars(text: str, valid: bool) -> None:
    """Those of RFC 8259; escaped pairs of surrogates are left to others."""
    assert (re.fullmatch(SCALAR, text) is not None) == valid


def test_keys_stand_in_order_and_some_are_missing() -> None:
    """A key that is new stands behind the one that it follows."""
    build = build_of([b'{"a":1,"c":2}', b'{"a":1,"b":3,"c":2}', b'{"x":0,"a":1}'])
    assert list(build.values) == ["x", "a", "b", "c"]
    assert build.optional == {"x", "b", "c"}
    lines = pl.Series(['{"a":7,"b":"t","c":null}', '{"a":8}', '{"c":2,"a":1}'])
    groups = {key: Group(build.values[key]) for key in ("b", "a")}
    found = lines.str.extract_groups(build.pattern(groups)).struct.unnest()
    assert found.select("g0", "g1").rows() == [('"t"', "7"), (None, "8"), (None, None)]
    assert not matches(build.pattern(), '{"c":2,"a":1}')


@pytest.mark.parametrize("size", [0, 1, 2, MOST_KEYS, MOST_KEYS + 1])
def test_how_many_keys(size: int) -> None:
    """An empty object gives no pattern, and one of very many keys none that could be used."""
    line = json.dumps({f"k{n}": n for n in range(size)}).encode()
    if 0 < size <= MOST_KEYS:
        assert matches(build_of([line]).pattern(), line.decode())
    else:
        with pytest.raises(Unlike):
            build_of([line])


@pytest.mark.parametrize("depth", [1, 2, MOST_DEPTH, MOST_DEPTH + 1, 100])
def test_how_deep_arrays_are(depth: int) -> None:
    """Each level is written twice, so the pattern doubles with it."""
    line = b'{"a":' + b"[" * depth + b"1" + b"]" * depth + b"}"
    if depth <= MOST_DEPTH:
        assert matches(build_of([line]).pattern(), line.decode())
    else:
        with pytest.raises(Unlike):
            build_of([line])


def test_how_large_a_pattern_may_be() -> None:
    """To compile a larger one takes longer than to look at the records one by one."""

    def line(keys: int) -> bytes:
        return json.dumps({f"k{n}": {f"o{m}": m for m in range(20)} for n in range(keys)}).encode()

    build = build_of([line(10)])
    assert len(build.line()) < MOST_CHARACTERS
    with pytest.raises(Unlike):
        build_of([line(MOST_CHARACTERS // len(build.line()) * 10 + 10)])


@pytest.mark.parametrize("depth", [1, 2, MOST_DEPTH, MOST_DEPTH + 1])
def test_how_deep(depth: int) -> None:
    """Nested deeper than that is left to others."""
    line = (b'{"a":' * depth) + b"1" + b"}" * depth
    if depth <= MOST_DEPTH:
        assert matches(build_of([line]).pattern(), line.decode())
    else:
        with pytest.raises(Unlike):
            build_of([line])


@pytest.mark.parametrize("lines", [[], [b"[]"], [b"{"], [b"1"], [b"{}"], [b'{"a":1}', b'{"b":1}']])
def test_no_common_build(lines: list[bytes]) -> None:
    """No object, or no key that all of them have."""
    with pytest.raises(Unlike):
        build_of(lines)
