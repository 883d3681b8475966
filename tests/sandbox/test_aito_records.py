"""Bytes to checked columns: what is a row, and which words a bad one gets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.sandbox import aito_records
from ingest.sandbox.aito_records import Rows, checked, of_batch, of_line, of_objects, of_stream
from ingest.sandbox.aito_refusal import token
from ingest.sandbox.aito_tables import Table, table_of
from ingest.sandbox.refusal import Refused

TABLE = table_of(
    {"columns": {"n": {"type": "Int"}, "s": {"type": "String", "nullable": True}}}, "v1"
)
RAW = table_of({"columns": {"j": {"type": "Json", "nullable": True}}}, "v1")
RECORDS = st.lists(
    st.fixed_dictionaries(
        {"n": st.integers(-(2**31), 2**31 - 1)},
        optional={"s": st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=5)},
    ),
    max_size=5,
)

Parse = Callable[[bytes, Table], Rows]


@given(RECORDS, st.sampled_from([b"\n", b"\r\n", b"\n\n", b"\n \t\n"]))
def test_a_batch_and_a_stream_are_the_same_rows(records: list[dict[str, Any]], end: bytes) -> None:
    """Whatever the lines end with; U+2028 in a text ends none."""
    lines = end.join(map(orjson.dumps, records))
    batch = checked(of_batch(orjson.dumps(records), TABLE), TABLE)
    assert batch == checked(of_stream(lines, TABLE), TABLE)
    assert batch == checked(of_objects(records, TABLE), TABLE)
    assert batch["n"] == [record["n"] for record in records]
    assert batch["s"] == [record.get("s") for record in records]


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ({"n": 1, "x": 1}, "field 'x' not found"),
        ({"s": "a"}, "field 'n': expected Int, got VALUE_NULL"),
        ({"n": None}, "field 'n': expected Int, got VALUE_NULL"),
        ({"n": "3"}, "field 'n': expected Int, got VALUE_STRING"),
        ({"n": 12345.0}, "field 'n': expected Int, got VALUE_NUMBER_FLOAT"),
        ({"n": True}, "field 'n': expected Int, got VALUE_TRUE"),
        ({"n": 2**31}, "field 'n': expected Int, got VALUE_NUMBER_INT"),
        ({"n": 1, "s": []}, "field 's': expected String, got START_ARRAY"),
        ({"n": 1, "s": {}}, "field 's': expected String, got START_OBJECT"),
    ],
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_bad_row_is_refused_in_words_that_name_no_row(
    record: dict[str, Any], words: str, place: int
) -> None:
    """The same words wherever it stands and however many rows there are: a loader must halve."""
    records: list[dict[str, Any]] = [{"n": 1}, {"n": 2}]
    records.insert(place, record)
    said = []
    for rows in (
        of_batch(orjson.dumps(records), TABLE),
        of_stream(b"\n".join(map(orjson.dumps, records)), TABLE),
        of_batch(orjson.dumps([record]), TABLE),
    ):
        with pytest.raises(Refused, match=words) as refused:
            checked(rows, TABLE)
        said.append((refused.value.status, refused.value.message, refused.value.where))
    assert said[0] == said[1] == said[2]


@pytest.mark.parametrize("parse", [of_batch, of_stream])
@pytest.mark.parametrize(
    "content",
    [b"[", b"{", b'[{"n":NaN}]', b'[{"n":1},]', b"[1]", b"[[]]", b'["x"]', b"null", b"1",
     b'[{"s":"\\ud800"}]', b'[{"s":"\xff"}]', b'[{"n":1e999}]', b"[" * 100_000],
)  # fmt: skip
def test_what_is_no_rows(parse: Parse, content: bytes) -> None:
    """A 400 each: of the JSON or of its shape."""
    with pytest.raises(Refused) as refused:
        checked(parse(content, TABLE), TABLE)
    assert refused.value.status == 400


@pytest.mark.parametrize(
    "content", [b'{"n":1}{"n":2}', b'{"n":1},{"n":2}', b'{"n":1},\n{"n":2}', b'[{"n":1}]']
)
def test_lines_that_are_no_row_each(content: bytes) -> None:
    """Two on a line, a comma behind one, an array."""
    with pytest.raises(Refused):
        of_stream(content, TABLE)


def test_the_last_of_two_equal_keys_counts() -> None:
    """Also where the JSON text is kept."""
    assert checked(of_batch(b'[{"n":1,"n":2}]', TABLE), TABLE)["n"] == [2]
    assert checked(of_batch(b'[{"j":1,"j":[2]}]', RAW), RAW)["j"] == ["[2]"]


@pytest.mark.parametrize("parse", [of_batch, of_stream])
def test_json_is_kept_as_it_came(parse: Parse) -> None:
    """Digits and spaces; null and absent are none."""
    text = b'{"j":{"n" : 12345678901234567890123, "d":0.1234567890123456789, "e":[1.0,1E2]}}'
    content = b"[" + text + b"]" if parse is of_batch else text
    (kept,) = checked(parse(content, RAW), RAW)["j"]
    assert kept.encode() == text[len(b'{"j":') : -1]
    nothing = parse(b'[{"j":null},{}]' if parse is of_batch else b'{"j":null}\n{}', RAW)
    assert checked(nothing, RAW)["j"] == [None, None]


@pytest.mark.parametrize("line", [b"", b" ", b"[]", b'{"n":1}\n{"n":2}', b'{"n":"x"}', b"{", b"{}"])
def test_a_line_that_is_no_row(line: bytes) -> None:
    """Blank, two, another thing, a bad value, no JSON, a missing one."""
    with pytest.raises(Refused):
        of_line(line, TABLE)
    assert of_line(b' {"n":1}\r', TABLE).records == [{"n": 1}]


def test_every_value_has_a_token() -> None:
    """The names of JSON's tokens, as the service's parser calls them."""
    values: list[Any] = [None, True, False, 1, 1.5, "x", [], {}]
    assert [token(value) for value in values] == [
        "VALUE_NULL", "VALUE_TRUE", "VALUE_FALSE", "VALUE_NUMBER_INT", "VALUE_NUMBER_FLOAT",
        "VALUE_STRING", "START_ARRAY", "START_OBJECT",
    ]  # fmt: skip


def test_deep_json_is_malformed() -> None:
    """For the parser that keeps the text, too."""
    body = b'[{"j":' + b"[" * 1015 + b"]" * 1015 + b"}]"
    with pytest.raises(Refused, match="malformed"):
        aito_records.of_batch(body, RAW)
