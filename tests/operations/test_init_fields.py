"""The fields of a drafted job, with and without a live table."""

from __future__ import annotations

from typing import Any

import pytest

from ingest.model import Block, Column
from ingest.operations.init_fields import FieldDraft, drafted, unnamed
from ingest.operations.init_seen import Seen, ServiceSeen
from tests.operations.made import aito, avalanchio, csv_block, json_block, seen_of


def fields(seen: Seen, service: ServiceSeen | None = None) -> dict[str, dict[str, Any]]:
    """The settings by name, of those that are not only offered."""
    found = drafted(seen, service or avalanchio())
    return {one.name: dict(one.settings) for one in found if one.active}


def test_settings():
    """`from` only where the name differs; nulls with the empty cell, since they replace it."""
    seen = seen_of(csv_block(["Id", "Day", "Price (EUR)"], '1,31.01.2024,"1,5"', "NA,-,2"))
    assert fields(seen) == {
        "source_id": {"from": "Id", "type": "integer", "nulls": ["", "NA"]},
        "day": {"from": "Day", "type": "date", "format": "%d.%m.%Y", "nulls": ["", "-"]},
        "price_eur": {"from": "Price (EUR)", "type": "decimal", "decimal": ","},
    }


def test_truth_words():
    """Said where they are unusual; to Avalanchio an integer of 1 and 0 is proposed."""
    seen = seen_of(csv_block(["ok"], "Y", "N"))
    assert fields(seen, aito()) == {"ok": {"type": "boolean", "true": ["Y"], "false": ["N"]}}
    (found,) = drafted(seen, avalanchio())
    assert found.settings == {"type": "integer", "true": ["Y"], "false": ["N"]}
    assert "1 and 0" in found.why


@pytest.mark.parametrize(
    ("column", "kind"), [("Text", "string"), ("Bigint", "integer"), ("Double", "integer")]
)
def test_truth_words_for_a_live_column(column: str, kind: str):
    """A text stays one; a column of numbers gets 1 and 0."""
    seen = seen_of(csv_block(["ok"], "yes", "no"))
    (found,) = drafted(seen, avalanchio(Column("ok", column)))
    words = {"true": ["yes"], "false": ["no"]} if kind == "integer" else {}
    assert found.settings == {"type": kind, **words}
    assert ("1 and 0" in found.why) == (kind == "integer")
    assert not found.doubts


def test_ndjson():
    """Keys are columns; an empty text is named only in a typed one."""
    seen = seen_of(json_block({"a b": 1, "d": "2024-01-31"}, {"d": ""}))
    assert fields(seen) == {
        "a_b": {"from": "a b", "type": "integer"}, "d": {"type": "date", "nulls": [""]},
    }  # fmt: skip


def test_the_live_table_says_the_type():
    """Of a wider column, of a text, and of one that the data do not go with."""
    live = (Column("n", "Double"), Column("day", "Text"), Column("word", "Bigint"))
    seen = seen_of(csv_block(["N", "Day", "word"], "1,2024-01-31,x"))
    found = {one.name: one for one in drafted(seen, avalanchio(*live))}
    assert {name: one.settings["type"] for name, one in found.items()} == {
        "n": "decimal", "day": "date", "word": "integer",
    }  # fmt: skip
    assert (found["n"].doubts, found["day"].doubts, len(found["word"].doubts)) == ((), (), 1)


def test_columns_that_no_field_can_name():
    """`@...` is a word of ours, an empty key none; and those that not all files have."""
    first, second = csv_block(["a", "@x", "b"], "1,2,3"), csv_block(["a", "@x"], "1,2")
    seen = seen_of(first, second)
    assert list(fields(seen)) == ["a"]
    assert unnamed(seen) == ["@x", "b"]
    assert unnamed(seen_of(json_block({"": 1, "a": 2}))) == [""]


def of_files(
    stems: list[str], service: ServiceSeen | None = None, blocks: tuple[Block, ...] = ()
) -> list[FieldDraft]:
    """The fields that read the files' names."""
    seen = seen_of(*(blocks or [csv_block(["a"], "1")]), stems=stems)
    found = drafted(seen, service or avalanchio())
    return [one for one in found if one.settings.get("from") == "@stem"]


def test_the_files_names():
    """One file a symbol: the name is a field."""
    (found,) = of_files(["AAPL", "MSFT"])
    assert (found.name, found.active) == ("file", True)


def test_parts_of_one_table():
    """Names that differ in their numbers only are offered, not taken."""
    (found,) = of_files(["part-01", "part-02"])
    assert not found.active


@pytest.mark.parametrize("stems", [["x"], ["x", "x"]])
def test_no_files_names(stems: list[str]):
    """One file, or files of one name in several folders."""
    assert of_files(stems) == []


def test_no_files_names_where_columns_differ():
    """Files of other columns are of another kind."""
    assert of_files(["a", "b"], blocks=(csv_block(["a"], "1"), csv_block(["b"], "1"))) == []


def test_the_files_names_in_a_live_table():
    """The one text column that nothing gives is what they are."""
    live = avalanchio(Column("a", "Bigint"), Column("symbol", "Text"))
    assert [one.name for one in of_files(["AAPL", "MSFT"], live)] == ["symbol"]
