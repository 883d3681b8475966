"""The members of NDJSON: types by the kinds of their values."""

from __future__ import annotations

import pytest

from ingest.operations.init_decide_keys import decide_key
from ingest.operations.init_decided import Decided, Holds
from ingest.operations.init_keys import KeyEvidence, by_key
from ingest.shape.json_read import read_records
from tests.operations.made import AITO, AVALANCHIO


def decided(*tokens: str, records: int | None = None, holds: Holds = AVALANCHIO) -> Decided:
    """What a key with these values is; as many records as values, if not said otherwise."""
    found = KeyEvidence()
    found.look([token.encode() for token in tokens])
    return decide_key("x", found, len(tokens) if records is None else records, holds)


@pytest.mark.parametrize(
    ("tokens", "kind"),
    [
        (["1", "2"], "integer"), (["1", "2.5"], "decimal"), (['"a"', '"b"'], "string"),
        (['"2024-01-31"'], "date"), (['"2024-01-31T10:00:00Z"'], "timestamp"),
        (['"06"', '"12"'], "string"), (['"12"', '"13"'], "string"), (["[1]", "{}"], "json"),
        (["1", '"12.50"'], "decimal"), (["1", '"2"'], "integer"), (["1", '"x"'], "string"),
        (["1", '"02"'], "string"), (["true", "1"], "json"), (["null"], "string"), ([], "string"),
        (["123456789012345678901234567890"], "string"),
    ],
)  # fmt: skip
def test_types(tokens: list[str], kind: str):
    """Digits in quotes stay text, unless the key is a number elsewhere."""
    assert decided(*tokens).type == kind


def test_truth():
    """A boolean, or an integer with its words."""
    assert decided("true", "false", holds=AITO).type == "boolean"
    found = decided("true", "false")
    assert (found.type, found.true[0], found.false[0]) == ("integer", "true", "false")
    assert decided(*(f'"{word}"' for word in ("yes", "no", ""))).nulls == ("",)


def test_nulls_have_to_be_said():
    """In NDJSON an empty text is a text, so a typed field names it."""
    assert decided('"2024-01-31"', '""').nulls == ("",)
    assert decided("1", '"NA"', '""').nulls == ("", "NA")
    assert decided('"a"', '""').nulls == ()


def test_what_lacks_is_said():
    """Nulls, and records without the key."""
    assert decided("1", "null", records=5).why.endswith("1 null; 3 records lack it")


def test_by_key():
    """Values by key, in the order in which keys come first."""
    records, bad = read_records([b'{"b": 1, "a": "x"}', b'{"c": [1, 2]}'])
    assert not bad
    assert by_key(records) == {"b": [b"1"], "a": [b'"x"'], "c": [b"[1, 2]"]}
    assert list(by_key(records)) == ["b", "a", "c"]


def test_escapes_are_read():
    """A text is what it means, not how it is spelt."""
    found = KeyEvidence()
    found.look([rb'"2024\u002d01\u002d31"'])
    assert decide_key("x", found, 1, AVALANCHIO).type == "date"
