"""One question to a whole block says what the columns one by one would say."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ingest.grammar import pcre2
from ingest.grammar.pcre2 import runs_of
from ingest.model import Block, Dialect, FileInfo, Form, Layout, Segment, Shaped
from ingest.shape.csv_read import read_csv
from ingest.shape.csv_shape import CsvShaper
from ingest.shape.service import ServiceTypes
from ingest.shape.spelled import column_pattern, pattern_of, read_spelled
from ingest.sources.cutter import CsvCutter
from tests.shape.helpers import (
    LENIENT,
    STRICT,
    any_text,
    integers_around,
    job_of,
    numbers_and_noise,
    plan_of,
)

pytestmark = pytest.mark.usefixtures("either_engine")

COLUMNS = ("day", "n", "x", "s")
FIELDS: dict[str, Any] = {
    "day": {"type": "date"},
    "n": {"type": "integer"},
    "x": {"type": "decimal", "nulls": ["", "NA", r"\N"]},
    "s": {"type": "string"},
}


def blocks_of(text: str, dialect: Dialect) -> list[Block]:
    """The blocks that the cutter makes of a text."""
    layout = Layout("csv", COLUMNS, dialect)
    cutter = CsvCutter(layout, 1 << 20, 1 << 20)
    cuts = [*cutter.feed(text.encode()), *cutter.finish()]
    return [
        Block(
            number,
            cut.data,
            layout,
            (Segment(FileInfo(0, "f"), 0, len(cut.data), cut.byte),),
            cut.form,
            cut.oversize,
        )
        for number, cut in enumerate(cuts)
    ]


ALIKE = {name: {"type": of["type"]} for name, of in FIELDS.items()}  # one word for null: ""


def shaped(
    block: Block, types: ServiceTypes = LENIENT, nulls: str = "send", fields: Any = FIELDS
) -> Shaped:
    """The block shaped by the plan of the four fields."""
    job = job_of(fields=fields, target={"nulls": nulls})
    plan = plan_of(block.layout, job, types=types)
    return CsvShaper({block.layout: plan}, b"\n", 10_000)(block)


def what_is_shaped(block: Block, *service: Any) -> tuple[bytes, Any]:
    """The encoded records and the segments, with their rejects."""
    result = shaped(block, *service)
    return result.buffer, result.segments


DAY = st.sampled_from(["2024-01-31", "2023-02-28", "2024-02-29", "2024-02-30", "", "x"])
NUMBER = st.one_of(
    st.sampled_from(["0", "7", "-12", "12345.0", "00", "+1", "", "1e3", "1.5", "1700000000"]),
    integers_around(2**31, -(2**31), 10**9, 2 * 10**9),
)
DECIMAL = st.sampled_from(["0.10", "-3", "1e5", "NA", r"\N", "", "1e400", ".5"])
CLEAN = st.tuples(
    st.just("2024-01-31"), st.integers(0, 99).map(str), st.just("1.50"), st.sampled_from("abc")
)
MIXED = st.tuples(DAY, NUMBER, DECIMAL, any_text())
NOISE = st.tuples(*[numbers_and_noise()] * 4)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.one_of(CLEAN, MIXED, NOISE), min_size=1, max_size=8),
    st.sampled_from(",;\t|-"),
    st.sampled_from(["\n", "\r\n"]),
    st.tuples(
        st.sampled_from([LENIENT, STRICT]),
        st.sampled_from(["send", "omit"]),
        st.sampled_from([FIELDS, ALIKE]),
    ),
)
def test_what_is_read_at_once_is_what_is_read_with_care(
    rows: list[tuple[str, ...]], delimiter: str, end: str, service: tuple[ServiceTypes, str, Any]
):
    """Shaping with the block's pattern and without it give the same records and rejects."""
    text = "".join(delimiter.join(row) + end for row in rows)
    for block in blocks_of(text, Dialect(delimiter)):
        odd = replace(block, form=Form.ODD)
        assert what_is_shaped(block, *service) == what_is_shaped(odd, *service)


TEXTS = st.sampled_from(["a\nb", 'say ""hi""', "a,b", "", "\r\n", "é", "\\", "NA", "'"])
QUOTED = st.tuples(
    st.just("2024-01-31"), st.sampled_from(["1", "22", ""]), st.sampled_from(["1.5", "NA"]), TEXTS
)


def quoted(text: str, delimiter: str, quote: str, always: bool) -> str:
    """A field as it may stand in a file."""
    plain = not {delimiter, quote, "\n", "\r"} & set(text)
    return text if plain and not always else quote + text.replace(quote, quote * 2) + quote


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.one_of(CLEAN, QUOTED, QUOTED, MIXED, NOISE),
            st.tuples(*[st.booleans()] * 4),
        ),
        min_size=1,
        max_size=8,
    ),
    st.tuples(st.sampled_from(",;\t|-"), st.sampled_from("\"'"), st.sampled_from(["\n", "\r\n"])),
    st.tuples(
        st.sampled_from([LENIENT, STRICT]),
        st.sampled_from(["send", "omit"]),
        st.sampled_from([FIELDS, ALIKE]),
    ),
)
def test_quoted_texts_are_what_is_read_with_care(
    rows: list[tuple[tuple[str, ...], tuple[bool, ...]]],
    marks: tuple[str, str, str],
    service: Any,
) -> None:
    """Shaping with the pattern and without it give the same records and rejects."""
    delimiter, quote, end = marks
    text = "".join(
        delimiter.join(quoted(t, delimiter, quote, a) for t, a in zip(row, always, strict=True))
        + end
        for row, always in rows
    )
    for block in blocks_of(text, Dialect(delimiter, quote)):
        odd = replace(block, form=Form.ODD)
        assert what_is_shaped(block, *service) == what_is_shaped(odd, *service)


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("2024-01-31,1,1.5,a\n2024-01-31,,NA,\n", {0, 1, 2, 3}),
        ("2024-01-31,1.0,1.5,a\n2024-01-31,2.0,1e3,b\n", {0, 1, 2, 3}),
        (",1,1.5,a\n2024-01-31,2,1,b\n", {0, 1, 2, 3}),
        ("soon,1,1.5,a\nlater,2,1,b\n", {1, 2, 3}),
        ("2024-01-31,1,\\N,a\n", {0, 1, 2, 3}),
    ],
)
def test_what_is_known_of_a_block(text: str, fields: set[int]):
    """Every column that is spelt as its first value; null words stand in none's way."""
    (block,) = blocks_of(text, Dialect())
    spelled = read_spelled(block, plan_of(block.layout, job_of(fields=FIELDS)))
    assert spelled is not None
    assert set(spelled.known.spellings) == fields
    assert spelled.frame.equals(read_csv(replace(block, form=Form.ODD)).frame)


@pytest.mark.parametrize(
    ("lines", "odd"),
    [
        (["2024-01-31,1,1.5,a", "2024-01-31,-999999999,1,a"], []),
        (["2024-01-31,1700000000,1.5,a", "2024-01-31,5,1,a"], []),
        (["2024-01-31,1,1.5,a", "2024-01-31,2147483647,1,a"], [1]),
        (["2024-01-31,1,1.5,a", "2024-01-31,1.0,1.5,a"], [1]),
        (["2024-01-31,1,1.5,a", "2023-02-29,1,1.5,a", "2024-02-29,1,1.5,a"], [1]),
        (["2024-01-31,1,1.5,a", "2024-01-31,x,1.5,a", "2024-01-31,1,1.5,a\\b"], [1, 2]),
    ],
)
def test_odd_lines_are_told_apart(lines: list[str], odd: list[int]):
    """Nine digits, and seconds since 1970, are known from the pattern; a value near the end of the
    range is asked for in its column, like any other that is not surely spelt as the first one."""
    (block,) = blocks_of("".join(line + "\n" for line in lines), Dialect())
    spelled = read_spelled(block, plan_of(block.layout, job_of(fields=FIELDS), types=STRICT))
    assert spelled is not None
    assert spelled.odd.to_list() == odd


@pytest.mark.parametrize("line", ["2024-01-31,1,1.5", "2024-01-31,1,1.5,a,b", ""])
def test_a_line_that_lacks_a_field_is_left_to_others(line: str):
    """Nothing is known then of where a value stands."""
    (block,) = blocks_of(f"2024-01-31,1,1.5,a\n{line}\n2024-01-31,1,1.5,a\n", Dialect())
    assert read_spelled(block, plan_of(block.layout, job_of(fields=FIELDS))) is None


@pytest.mark.skipif(pcre2.version() is None, reason="this machine has no PCRE2")
@pytest.mark.parametrize("columns", [1, 40, 199])
def test_many_empty_texts_before_an_odd_value_are_tried_once(columns: int) -> None:
    """If each were matched as a text and as a word for null, too, it would take 2^columns steps."""
    names = [f"s{n}" for n in range(columns)]
    layout = Layout("csv", (*names, "n"), Dialect())
    fields = {name: {"type": "string"} for name in names} | {"n": {"type": "integer"}}
    plan = plan_of(layout, job_of(fields=fields))
    line, _ = pattern_of(plan, ["a"] * columns + ["1"], ",", partial(column_pattern, ","))
    usual, odd = b"a," * columns + b"1\n", b"," * columns + b"x\n"
    runs, ends = runs_of(rf"(?:{line})\n"), len(usual) + len(odd) * 5
    assert runs is not None
    found = runs.odd_lines(usual + odd * 5 + usual, 5)
    assert found == [(at, at + len(odd)) for at in range(len(usual), ends, len(odd))]


def test_a_delimiter_that_values_use_is_left_to_the_columns():
    """`2024-01-31` under `-` is three fields, and no pattern may reach over them."""
    (block,) = blocks_of("2024-01-31-5\n", Dialect("-"))
    assert read_spelled(block, plan_of(block.layout, job_of(fields=FIELDS))) is None


def test_two_fields_of_one_column_are_not_known():
    """Each field has a rule of its own; they are asked one by one."""
    job = job_of(fields={**FIELDS, "copy": {"from": "n", "type": "string"}})
    (block,) = blocks_of("2024-01-31,1,1.5,a\n", Dialect())
    spelled = read_spelled(block, plan_of(block.layout, job))
    assert spelled is not None
    assert set(spelled.known.spellings) == {0, 2, 3}


@pytest.mark.parametrize(
    ("columns", "text", "without"),
    [
        (3, "1,2,3\n", set()),
        (4, "1,2,3,4\n5,6,7,8\n", {0, 1, 2, 3}),
        (4, "1,2,3,4\n5,6,7,\n", set()),
        (4, "1,2,3,4\n,6,7,8\n", set()),
        (4, "1,2,3,NA\n5,6,7,8\n", {0, 1, 2, 3}),
        (5, "1,2,3,4,5\n", {0, 1, 2, 3, 4}),
    ],
)
def test_columns_without_a_word_for_null(columns: int, text: str, without: set[int]):
    """One question to all values, where there are enough columns to make it worth while."""
    fields = {f"f{i}": {"type": "string"} for i in range(columns)}
    layout = Layout("csv", tuple(fields), Dialect())
    block = replace(blocks_of(text, Dialect())[0], layout=layout)
    spelled = read_spelled(block, plan_of(layout, job_of(fields=fields)))
    assert spelled is not None
    assert spelled.known.without_nulls == without


def test_each_column_has_its_own_words_for_null():
    """A word that stands somewhere is asked for in the columns that have it, and in no other."""
    fields = {f"f{i}": {"type": "string", "nulls": ["", "-"] if i < 4 else [""]} for i in range(8)}
    layout = Layout("csv", tuple(fields), Dialect())
    block = replace(blocks_of("1,2,3,4,5,6,7,-\n", Dialect())[0], layout=layout)
    spelled = read_spelled(block, plan_of(layout, job_of(fields=fields)))
    assert spelled is not None
    assert spelled.known.without_nulls == {4, 5, 6, 7}
