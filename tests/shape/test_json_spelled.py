"""What is taken out of a member is what its field's rule reads, wherever that can be hoped for."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from ingest.model import Layout
from ingest.shape.json_pattern import MATCHED, build_of
from ingest.shape.json_spelled import AS_IT_CAME, Wanted, known_of, wanted_of
from tests.shape.helpers import job_of, plan_of

LAYOUT = Layout("ndjson")


def asked(
    lines: list[bytes], fields: dict[str, Any], *, sure: bool = True, rest: str = "drop"
) -> dict[str, Wanted]:
    """What is wanted of lines that are built like these."""
    plan = plan_of(LAYOUT, job_of(fields=fields, source={"rest": rest}))
    return wanted_of(build_of(lines), plan, sure=sure)


def taken(
    lines: list[bytes], wanted: dict[str, Wanted], line: bytes
) -> dict[str, str | None] | None:
    """What comes out of a line by its key; None if it does not match."""
    pattern = build_of(lines).pattern({key: one.group for key, one in wanted.items()})
    found = (
        pl.Series([line.decode()]).str.extract_groups(pattern).struct.unnest().row(0, named=True)
    )
    if found.pop(MATCHED) is None:
        return None
    return dict(zip(wanted, found.values(), strict=True))


@pytest.mark.parametrize(
    ("kind", "seen", "good", "bad"),
    [
        ("integer", b"1", {b"0": "0", b"-25": "-25"}, [b"1.0", b"1e3", b'"1"', b"9" * 19]),
        ("integer", b'"1"', {b'"0"': "0", b'"-25"': "-25"}, [b"1", b'" 1"', b'"1.0"', b'""']),
        ("decimal", b"1.5", {b"0": "0", b"-2.50e1": "-2.50e1"}, [b"1e400", b'"1.5"', b"true"]),
        ("string", b'"a"', {b'""': "", '"\u2028é"'.encode(): "\u2028é"}, [b'"\\n"', b"1", b"[]"]),
        ("string", b"1", {b"25": "25", b"1e999": "1e999"}, [b'"1"', b"true"]),
    ],
)
def test_what_is_spelt_so_is_known(
    kind: str, seen: bytes, good: dict[bytes, str], bad: list[bytes]
) -> None:
    """The text is taken out, null is nothing, and other spellings don't match."""
    lines = [b'{"k":%b}' % seen, b'{"k":null}']
    wanted = asked(lines, {"f": {"from": "k", "type": kind}})
    assert wanted["k"].is_text
    assert wanted["k"].known is not None
    for value, text in good.items():
        assert taken(lines, wanted, b'{"k":%b}' % value) == {"k": text}
        assert wanted["k"].known.suggests(text)
    assert taken(lines, wanted, b'{"k":null}') == {"k": None}
    for value in bad:
        assert taken(lines, wanted, b'{"k":%b}' % value) is None


@pytest.mark.parametrize(
    ("field", "seen"),
    [
        ({"type": "date"}, b'"2024-01-01"'),
        ({"type": "integer"}, b'"1,000"'),
        ({"type": "integer", "nulls": ["-"]}, b'"1"'),
        ({"type": "string", "column": {"max_length": 3}}, b'"a"'),
        ({"type": "boolean"}, b'"true"'),
    ],
)
def test_what_the_pattern_can_not_hold_is_asked_later(field: dict[str, Any], seen: bytes) -> None:
    """The text is taken out, and nothing is known of it."""
    lines = [b'{"k":%b}' % seen]
    wanted = asked(lines, {"k": field})
    assert (wanted["k"].is_text, wanted["k"].known) == (True, None)
    assert taken(lines, wanted, lines[0]) == {"k": seen.decode().strip('"')}


@pytest.mark.parametrize(
    ("fields", "values"),
    [
        ({"k": {"type": "json"}}, [b"1"]),
        ({"k": {"nulls": ["NA"]}}, [b"1"]),
        ({"k": {"type": "integer"}}, [b"null"]),
        ({"k": {"type": "string"}}, [b'"a"', b"1"]),
        ({"k": {"type": "string"}}, [b'"\\n"']),
        ({"k": {"type": "string"}}, [b"true"]),
        ({"k": {"type": "integer"}, "l": {"from": "k"}}, [b"1"]),
    ],
)
def test_where_nothing_can_be_hoped(fields: dict[str, Any], values: list[bytes]) -> None:
    """The value is taken out as it is written, null and all."""
    lines = [b'{"k":%b}' % value for value in values]
    wanted = asked(lines, fields)
    assert (wanted["k"].is_text, wanted["k"].known) == (False, None)
    for value in (*values, b"null", b'"\\u00e9"'):
        assert taken(lines, wanted, b'{"k":%b}' % value) == {"k": value.decode()}


def test_without_hope_everything_is_as_it_is_written() -> None:
    """For lines in which it was disappointed."""
    lines = [b'{"k":1,"o":2}', b'{"k":1}']
    wanted = asked(lines, {"k": {"type": "integer"}, "o": {}}, sure=False)
    assert [(one.is_text, one.known) for one in wanted.values()] == [(False, None)] * 2
    assert taken(lines, wanted, b'{"k":"x","o":null}') == {"k": '"x"', "o": "null"}


def test_a_null_is_told_from_a_key_that_is_not_there() -> None:
    """A member that may be missing is not taken out if it is null, so nothing means missing."""
    lines = [b'{"k":1,"o":2}', b'{"k":1}']
    wanted = asked(lines, {"k": {"type": "integer"}, "o": {"type": "integer"}})
    assert taken(lines, wanted, b'{"k":1}') == {"k": "1", "o": None}
    assert taken(lines, wanted, b'{"k":null}') == {"k": None, "o": None}
    assert taken(lines, wanted, b'{"k":1,"o":null}') is None


def test_what_no_field_reads_is_taken_for_the_rest_alone() -> None:
    """And a field without a type takes whatever stands there."""
    lines = [b'{"k":[1],"z":{"a":2}}']
    assert list(asked(lines, {"f": {"from": "k"}})) == ["k"]
    wanted = asked(lines, {"f": {"from": "k"}}, rest="keep")
    assert wanted["k"].known is AS_IT_CAME
    assert taken(lines, wanted, lines[0]) == {"k": "[1]", "z": '"z":{"a":2}'}
    plan = plan_of(LAYOUT, job_of(fields={"c": {"value": 1}, "f": {"from": "k"}}))
    assert known_of(wanted, plan) == {1: AS_IT_CAME}


@pytest.mark.parametrize("sure", [True, False])
def test_neighbours_that_no_field_reads_are_taken_out_together(sure: bool) -> None:
    """Up to a member that a field reads, that may be missing, or whose key is spelt in two ways."""
    line = '{"a":1,"b":null,"k":2,"c":3,"o":4,"d":5,"e":6,"ü":7,"f":8}'.encode()
    lines = [line, line.replace(b'"o":4,', b"")]
    wanted = asked(lines, {"k": {"type": "integer"}}, sure=sure, rest="keep")
    assert taken(lines, wanted, line) == {
        "a": '"a":1,"b":null',
        "k": "2",
        "c": '"c":3',
        "o": "4",
        "d": '"d":5,"e":6',
        "ü": "7",
        "f": '"f":8',
    }


def test_members_that_are_set_with_blanks_are_taken_out_one_by_one() -> None:
    """For they travel without them."""
    lines = [b'{"a": 1, "b": 2}']
    wanted = asked(lines, {"c": {"value": 1}}, rest="keep")
    assert taken(lines, wanted, lines[0]) == {"a": "1", "b": "2"}
