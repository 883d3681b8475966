"""Types from the first part of the data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.job import FieldSettings, FieldType, Job
from ingest.model import Block
from ingest.shape.field_types import rule_for
from ingest.shape.guessed import LONG_TEXT, Guessed
from ingest.shape.infer import ColumnGuess, guess_types
from ingest.shape.service import Meeting, ServiceTypes
from tests.shape.helpers import (
    LENIENT,
    STRICT,
    csv_block,
    integers_around,
    job_of,
    ndjson_block,
    numbers_and_noise,
)


def guessed(texts: Sequence[str | None], nulls: Sequence[str] = ("",)) -> FieldType:
    """The type of these texts."""
    guess = ColumnGuess(tuple(nulls))
    guess.look(pl.Series(texts, dtype=pl.String))
    return guess.type


def types_of(sample: Sequence[Block], wanted: dict[str, str], job: Job) -> dict[str, FieldType]:
    """The types that a lenient service's table would get; nothing is held against any column."""
    found = guess_types(sample, wanted, job, LENIENT)
    assert found.reasons == {}
    return found.types


def strictly(texts: Sequence[str], types: ServiceTypes = STRICT, **field: Any) -> Guessed:
    """What a strict service's table would get for a column `v` of these texts."""
    job = job_of(fields={"v": field} if field else {})
    return guess_types([csv_block(("v",), [[text] for text in texts])], {"v": "v"}, job, types)


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
    assert types_of([block], {"a": "a", "c": "cc"}, job) == {"a": "integer", "c": "decimal"}
    assert types_of([block], {"b": "b", "nosuch": "n"}, job) == {"b": "string"}
    assert types_of([block], {}, job) == {}


def test_all_blocks_of_the_sample_count() -> None:
    """A value in a later block can spoil a guess."""
    blocks = [csv_block(("a",), [["1"]]), csv_block(("a",), [["x"]])]
    assert types_of(blocks[:1], {"a": "a"}, job_of()) == {"a": "integer"}
    assert types_of(blocks, {"a": "a"}, job_of()) == {"a": "string"}
    lines = [ndjson_block(b'{"k":1}\n'), ndjson_block(b'{"k":1.5}\n')]
    assert types_of(lines, {}, job_of()) == {"k": "decimal"}


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
    assert types_of([ndjson_block(lines.encode())], {}, job_of()) == wanted


def test_keys_that_the_job_types_are_not_guessed() -> None:
    """Neither under their own name nor under another."""
    block = ndjson_block(b'{"a":1,"b":2,"c":3}\n[bad\n{"d":{}}\n')
    job = job_of(fields={"a": {"type": "string"}, "x": {"from": "b", "type": "string"}, "c": {}})
    assert types_of([block], {}, job) == {"c": "integer", "d": "json"}


REASON = "its integers pass 32 bits, which Int can't hold"


@pytest.mark.parametrize(
    ("texts", "kind"),
    [
        (["true", "false"], "boolean"),
        (["true", "", "true"], "boolean"),
        (["True", "False"], "boolean"),
        (["TRUE", "FALSE", "TRUE"], "boolean"),
        (["true", "False"], "string"),
        (["true", "TRUE"], "string"),
        (["true"] * 100 + ["yes"], "string"),
        (["true", " false"], "string"),
        (["t", "f"], "string"),
        (["Y", "N"], "string"),
        (["1", "0"], "integer"),
        (["true", "1"], "string"),
    ],
)
def test_truth_in_one_spelling(texts: list[str], kind: FieldType) -> None:
    """Where the service has columns for it; elsewhere the words stay text."""
    assert strictly(texts) == Guessed({"v": kind}, {})
    lenient = strictly(texts, LENIENT).types["v"]
    assert lenient == ("string" if kind == "boolean" else kind)


def test_truth_words_stay_text_where_the_job_wants_another_column() -> None:
    """A type for the column that was written down is not guessed away."""
    assert strictly(["true"], target_type="String").types == {"v": "string"}
    assert strictly(["true"], target_type="Boolean").types == {"v": "boolean"}


@pytest.mark.parametrize(
    ("texts", "kind", "reason"),
    [
        (["2147483647", "-2147483648"], "integer", ""),
        (["2147483648"], "string", REASON),
        (["1"] * 100 + ["-2147483649"], "string", REASON),
        (["", "9999999999"], "string", REASON),
        (["9999999999", "1.5"], "decimal", ""),
        (["9999999999", "x"], "string", ""),
        (["9999999999", "x" * 300], "text", ""),
        (["9" * 19], "string", ""),
    ],
)
def test_integers_that_the_column_would_not_hold_are_text(
    texts: list[str], kind: FieldType, reason: str
) -> None:
    """And it is said why, but only where they alone are the reason."""
    assert strictly(texts) == Guessed({"v": kind}, {"v": reason} if reason else {})
    assert strictly(texts, LENIENT).reasons == {}


def test_a_wide_value_in_any_block_counts() -> None:
    """The first blocks can't say that all are narrow."""
    for texts in (["1", "9999999999", "2"], ["9999999999", "1", "1"], ["1", "1", "9999999999"]):
        blocks = [csv_block(("v",), [[text]]) for text in texts]
        assert guess_types(blocks, {"v": "v"}, job_of(), STRICT) == Guessed(
            {"v": "string"}, {"v": REASON}
        )


def test_a_wider_column_that_the_job_wants_holds_them() -> None:
    """The type that the column will have counts, not the usual one."""
    assert strictly(["9999999999"], target_type="Long") == Guessed({"v": "integer"}, {})
    narrow = strictly(["9999999999"], column={"type": "Int"})
    assert narrow == Guessed({"v": "string"}, {"v": REASON})


def test_a_range_that_is_no_number_of_bits_is_named_by_its_ends() -> None:
    """For services of other widths."""
    odd = ServiceTypes(STRICT.column_type, STRICT.field_type, lambda _: (-5, 12))
    assert strictly(["13"], odd).reasons == {
        "v": "its integers pass the range -5 to 12, which Int can't hold"
    }


@given(
    st.lists(
        st.one_of(
            integers_around(-(2**31), 2**31, 0),
            st.sampled_from(["true", "false", "TRUE", "1", "2024-01-05"]),
            numbers_and_noise(),
        ),
        min_size=1,
        max_size=6,
    ).filter(lambda texts: "".join(texts) != "")
)
@settings(max_examples=200)
def test_a_strict_guess_refuses_none_of_its_values(texts: list[str]) -> None:
    """Whatever is guessed, the rule with its column's bounds takes every value seen."""
    (kind,) = strictly(texts, nulls=[]).types.values()
    made = FieldSettings(type=kind)
    integers = Meeting(job_of(), None, STRICT).integers("v", made) if kind == "integer" else None
    rule = rule_for("v", kind, made, None, integers)
    for text in texts:
        rule.scalar(text)


@pytest.mark.parametrize(
    ("members", "named", "kind"),
    [
        (["2147483647", "-2147483648"], False, "integer"),
        (["2147483648"], False, "decimal"),
        (["2147483648"], True, "string"),
        (["-2147483649", "null"], False, "decimal"),
        ([str(2**53)], False, "decimal"),
        ([str(2**53 + 1)], False, "json"),
        (["-" + "9" * 5000], False, "json"),
        (["9" * 5000], True, "string"),
    ],
)
def test_wide_integers_of_json(members: list[str], named: bool, kind: FieldType) -> None:
    """A field can make text of them; what travels as it came goes where no digit is lost."""
    lines = "".join(f'{{"k": {member}}}\n' for member in members)
    job = job_of(fields={"x": {"from": "k"}} if named else {})
    found = guess_types([ndjson_block(lines.encode())], {}, job, STRICT)
    assert found == Guessed({"k": kind}, {} if kind == "integer" else {"k": REASON})


def test_wide_integers_among_others_of_json() -> None:
    """Where integers are not alone, their width is not the reason."""
    expected: list[tuple[str, FieldType]] = [("1.5", "decimal"), ('"x"', "json")]
    for other, kind in expected:
        lines = b'{"k":9999999999}\n{"k":%s}\n' % other.encode()
        assert guess_types([ndjson_block(lines)], {}, job_of(), STRICT) == Guessed({"k": kind}, {})


MEMBERS = st.dictionaries(
    st.sampled_from("abc"),
    st.sampled_from(
        ["1", "-3000000000", "1.5", "1e3", '"x"', '"x\\ny"', "true", "{}", "[1]", "null"]
    ),
)


@given(st.lists(MEMBERS, min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_how_records_stand_together_changes_no_guess(records: Any, draw: Any) -> None:
    """All in one block or each in its own, in any order; built alike or not."""
    lines = [
        ("{" + ",".join(f'"{key}":{value}' for key, value in record.items()) + "}\n").encode()
        for record in records
    ]
    shuffled = draw.sample(lines, len(lines))
    one = types_of([ndjson_block(b"".join(lines))], {}, job_of())
    each = types_of([ndjson_block(line) for line in shuffled], {}, job_of())
    assert one == each
    kinds = {value[0] for record in records for value in record.values() if value != "null"}
    assert bool(one) is bool(kinds)
