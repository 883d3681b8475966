"""Types from the first part of the data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.job import FieldSettings, FieldType
from ingest.shape.field_types import rule_for
from ingest.shape.infer import LONG_TEXT, guess_type, guess_types
from tests.shape.helpers import csv_block, job_of, ndjson_block, numbers_and_noise


def guessed(texts: Sequence[str | None], nulls: Sequence[str] = ("",)) -> FieldType:
    """The type of these texts."""
    return guess_type(pl.Series(texts, dtype=pl.String), nulls)


@pytest.mark.parametrize(
    ("texts", "kind"),
    [
        ([], "string"),
        ([""], "string"),
        ([None, ""], "string"),
        (["1"], "integer"),
        (["0", "1", "", "-5"], "integer"),
        (["1", "2.5"], "decimal"),
        (["2.5", "1"], "decimal"),
        (["1E5"], "decimal"),
        (["12345.0"], "decimal"),
        (["00100"], "string"),
        (["+5"], "string"),
        (["1_000"], "string"),
        (["١٢٣"], "string"),
        (["NaN"], "string"),
        (["1e400"], "string"),
        (["12345678901234567890"], "string"),
        (["1", "x"], "string"),
        (["1"] * 100 + ["x"], "string"),
        (["true", "false"], "string"),
        (["2024-01-05", "2024-02-29"], "date"),
        (["2024-01-05", "2023-02-29"], "string"),
        (["2024-13-45"], "string"),
        (["20240105"], "integer"),
        (["05.01.2024"], "string"),
        (["2024-01-05T10:00:00"], "timestamp"),
        (["2024-01-05 10:00:00.5Z", "2024-02-29 10:00:00+02:00"], "timestamp"),
        (["2023-02-29T10:00:00"], "string"),
        (["2024-01-05", "2024-01-05T10:00:00"], "string"),
        (["2024-01-05T25:00:00"], "string"),
        (["x" * LONG_TEXT], "string"),
        (["x" * (LONG_TEXT + 1)], "text"),
        (["a\nb"], "text"),
    ],
)
def test_a_type_is_taken_if_every_value_has_it(texts: list[str | None], kind: str) -> None:
    """What could be meant otherwise stays text."""
    assert guessed(texts) == kind


def test_words_for_null_are_those_of_the_job() -> None:
    """They count for nothing; others are values."""
    assert guessed(["1", "NA"]) == "string"
    assert guessed(["1", "NA"], ["NA"]) == "integer"
    assert guessed(["1", ""], []) == "string"
    assert guessed(["NA", ""], ["NA", ""]) == "string"


@given(st.lists(st.one_of(numbers_and_noise(), st.dates().map(str)), min_size=1, max_size=8))
@settings(max_examples=200)
def test_a_guess_refuses_none_of_its_values(texts: list[str]) -> None:
    """Whatever is guessed, its rule takes every value that it was guessed from."""
    kind = guessed(texts, [])
    rule = rule_for("f", kind, FieldSettings(type=kind), None)
    for text in texts:
        rule.scalar(text)


def test_columns_of_a_csv() -> None:
    """The columns that were asked for, with the words for null of their fields."""
    block = csv_block(("a", "b", "c"), [["1", "x", "NA"], ["", "2024-01-05", "1.5"]])
    job = job_of(fields={"cc": {"from": "c", "nulls": ["NA"]}})
    assert guess_types([block], {"a": "a", "c": "cc"}, job) == {"a": "integer", "c": "decimal"}
    assert guess_types([block], {"b": "b", "nosuch": "n"}, job) == {"b": "string"}
    assert guess_types([block], {}, job) == {}


def test_all_blocks_of_the_sample_count() -> None:
    """A value in a later block can spoil a guess."""
    blocks = [csv_block(("a",), [["1"]]), csv_block(("a",), [["x"]])]
    assert guess_types(blocks[:1], {"a": "a"}, job_of()) == {"a": "integer"}
    assert guess_types(blocks, {"a": "a"}, job_of()) == {"a": "string"}
    lines = [ndjson_block(b'{"k":1}\n'), ndjson_block(b'{"k":1.5}\n')]
    assert guess_types(lines, {}, job_of()) == {"k": "decimal"}


@pytest.mark.parametrize(
    ("members", "kind"),
    [
        (["1", "2"], "integer"),
        (["1", "2.0"], "decimal"),
        (["1e5"], "decimal"),
        (["1", "null"], "integer"),
        (['"x"', '""'], "string"),
        (['"x"', f'"{"x" * 300}"'], "text"),
        (['"a\\nb"'], "text"),
        (["true", "false"], "boolean"),
        (["{}", "[1]"], "json"),
        (["1", '"x"'], "json"),
        (["true", "1"], "json"),
        (["null"], None),
    ],
)
def test_keys_of_ndjson(members: list[str], kind: Any) -> None:
    """By the JSON type of each value; keys that hold null only stay without."""
    lines = "".join(f'{{"k": {member}}}\n' for member in members)
    wanted = {} if kind is None else {"k": kind}
    assert guess_types([ndjson_block(lines.encode())], {}, job_of()) == wanted


def test_keys_that_the_job_types_are_not_guessed() -> None:
    """Neither under their own name nor under another."""
    block = ndjson_block(b'{"a":1,"b":2,"c":3}\n[bad\n{"d":{}}\n')
    job = job_of(fields={"a": {"type": "string"}, "x": {"from": "b", "type": "string"}, "c": {}})
    assert guess_types([block], {}, job) == {"c": "integer", "d": "json"}
