"""CSV blocks to records: the whole shape stage of a CSV, quick path and careful path."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ingest.job import Job
from ingest.model import Block, Dialect, Form, Layout, Shaped
from ingest.shape.csv_shape import CsvShaper
from ingest.shape.values import BadValue
from tests.shape.helpers import (
    LENIENT,
    ODD_TEXTS,
    STRICT,
    any_text,
    block_of,
    csv_block,
    job_of,
    plan_of,
    records_of,
)

pytestmark = pytest.mark.usefixtures("either_engine")

NO_LIMIT = 10**9


def shaper_of(columns: Sequence[str], job: Job, *others: Layout) -> CsvShaper:
    """A shaper for files of these columns."""
    layouts = (Layout("csv", tuple(columns)), *others)
    plans = {layout: plan_of(layout, job) for layout in layouts}
    return CsvShaper(plans, b"\n", NO_LIMIT)


def rejects_of(shaped: Shaped) -> list[list[tuple[int, int, str]]]:
    """Record, line and reason of each reject, by segment."""
    return [[(r.record, r.line, r.reason) for r in part.rejects] for part in shaped.segments]


CELL = st.one_of(
    any_text(), st.sampled_from([t for t in ODD_TEXTS if t]), st.sampled_from(["", "1", "2.0"])
)


@given(st.lists(st.lists(st.tuples(CELL, CELL), max_size=5), min_size=1, max_size=3))
@settings(max_examples=150)
def test_rows_become_records_or_rejects(files: Sequence[Sequence[tuple[str, str]]]) -> None:
    """Quotes, line ends, any text: each cell by its rule, each bad row with its own bytes."""
    files = [[row for row in rows if "".join(row)] for rows in files]
    job = job_of(fields={"n": {"from": "number", "type": "integer"}})
    shaper = shaper_of(("number", "text"), job)
    integer = next(iter(shaper.plans.values())).fields[0].rule
    assert integer is not None
    shaped = shaper(csv_block(("number", "text"), *files))
    for index, rows in enumerate(files):
        good, bad = [], []
        for number, (cell, text) in enumerate(rows, 1):
            try:
                value = None if cell == "" else int(integer.scalar(cell))
                good.append({"n": value, "text": text or None})
            except BadValue as exc:
                bad.append((number, exc.reason, (cell, text)))
        assert records_of(shaped)[index] == good
        rejects = shaped.segments[index].rejects
        assert [(r.record, r.reason) for r in rejects] == [(n, reason) for n, reason, _ in bad]
        for reject, (_, _, row) in zip(rejects, bad, strict=True):
            source = io.StringIO(reject.raw.decode(), newline="")
            assert next(csv.reader(source)) == list(row)
            assert (reject.column, reject.field) == ("number", "n")


PLAIN_CELL = st.one_of(
    st.sampled_from(
        ["", "NA", "0", "7", "-5", "12345.0", "1E5", "00100", "+5", "1_000", "2024-01-05"]
    ),
    st.sampled_from(
        ["2024-02-29", "2023-02-29", "a\\b", "\x01", "é", "\u2028", " 7", "\0", "9" * 20]
    ),
    st.text(st.characters(codec="utf-8", exclude_characters=',"\r\n'), max_size=4),
)
PLAIN_FIELDS: Mapping[str, Mapping[str, Any]] = {
    "i": {"type": "integer"},
    "d": {"type": "decimal", "nulls": ["NA", ""]},
    "day": {"type": "date", "nulls": ["NA"]},
    "s": {"type": "string"},
    "again": {"from": "s", "type": "string", "default": "none"},
    "must": {"type": "string", "required": True},
}


@st.composite
def plain_blocks(draw: st.DrawFn) -> Block:
    """A block without quotes as the cutter makes them; rows may be short, long or blank."""
    columns = ("i", "d", "day", "s", "must", "free")
    uniform = ["7", "1.5", "2024-01-05", "x", "y", "z"]
    ends = draw(st.sampled_from(["\n", "\r\n"]))
    segments = []
    for _ in range(draw(st.integers(1, 3))):
        rows = []
        for _ in range(draw(st.integers(0, 5))):
            row = list(uniform)
            for place in draw(st.lists(st.integers(0, 5), max_size=2)):
                row[place] = draw(PLAIN_CELL)
            cut = draw(st.sampled_from([None] * 12 + [3, 0]))
            rows.append(",".join(row[:cut] if cut is not None else row))
        segments.append("".join(row + ends for row in rows).encode())
    return block_of(Layout("csv", columns), *segments, form=Form.PLAIN)


@given(plain_blocks(), st.booleans())
@settings(max_examples=150)
def test_leaving_nulls_out_is_sending_the_others(block: Block, strict: bool) -> None:
    """The records are the same but for their null members; so are the rejects."""
    types = STRICT if strict else LENIENT
    made = []
    for nulls in ("send", "omit"):
        job = job_of(fields=PLAIN_FIELDS, target={"nulls": nulls})
        plan = plan_of(block.layout, job, types=types)
        made.append(CsvShaper({block.layout: plan}, b"\n", NO_LIMIT)(block))
    sent, omitted = made
    assert [part.rejects for part in omitted.segments] == [p.rejects for p in sent.segments]
    less = [
        [{k: v for k, v in record.items() if v is not None} for record in records]
        for records in records_of(sent)
    ]
    assert records_of(omitted) == less


@given(plain_blocks())
@settings(max_examples=250)
def test_the_quick_path_is_the_careful_path(block: Block) -> None:
    """What the cutter found out about a block changes the cost, never the result."""
    shaper = shaper_of(block.layout.columns, job_of(fields=PLAIN_FIELDS))
    quick, careful = shaper(block), shaper(replace(block, form=Form.ODD))
    assert quick.buffer == careful.buffer
    assert quick.segments == careful.segments


def test_quick_blocks_of_all_delimiters_and_quotes() -> None:
    """The delimiter may be one that numbers use, and a quote that is no mark is text."""
    for delimiter in ",;\t|. 0-":
        for quote in ('"', "'", None):
            layout = Layout("csv", ("i", "s"), Dialect(delimiter=delimiter, quote=quote))
            texts = ['a"b' if quote != '"' else "ab", "x\\y"]
            lines = "".join(f"{n}{delimiter}{text}\n" for n, text in enumerate(texts, 7))
            block = block_of(layout, lines.encode(), form=Form.PLAIN)
            shaper = CsvShaper(
                {layout: plan_of(layout, job_of(fields={"i": {"type": "integer"}}))},
                b"\n",
                NO_LIMIT,
            )
            wanted = [{"i": n, "s": text} for n, text in enumerate(texts, 7)]
            assert records_of(shaper(block))[0] == wanted
            assert shaper(block).segments == shaper(replace(block, form=Form.ODD)).segments


def test_a_decimal_comma_between_commas() -> None:
    """A comma can't be both mark and delimiter without quotes; with them it can."""
    job = job_of(fields={"d": {"type": "decimal", "decimal": ","}})
    block = csv_block(("d", "s"), [["1,5", "x"], ["2", "y"], ["1.5", "z"]])
    shaped = shaper_of(("d", "s"), job)(block)
    assert records_of(shaped)[0] == [{"d": 1.5, "s": "x"}, {"d": 2, "s": "y"}]
    layout = Layout("csv", ("d", "s"), Dialect(delimiter=";"))
    plain = block_of(layout, b"1,5;x\n2;y\n", form=Form.PLAIN)
    assert records_of(shaper_of(("d", "s"), job, layout)(plain))[0] == records_of(shaped)[0]


def test_files_with_their_columns_in_another_order() -> None:
    """Each layout has its plan; the records are the same."""
    fields = {"a": {"type": "integer"}, "c": {"type": "date"}, "b": {}}
    other = Layout("csv", ("c", "b", "a"))
    shaper = shaper_of(("a", "b", "c"), job_of(fields=fields), other)
    one = shaper(csv_block(("a", "b", "c"), [["1", "x", "2024-01-05"], ["2", "", ""]]))
    two = shaper(csv_block(other.columns, [["2024-01-05", "x", "1"], ["", "", "2"]]))
    assert one.buffer == two.buffer != b""


def test_names_that_need_escapes() -> None:
    """Quotes, backslashes, control characters and other letters, in columns and in fields."""
    columns = ('q"', "b\\s", "ä", "t\tb", "c0", "line", "")
    fields = {f"f{name}": {"from": name} for name in columns if name}
    shaper = shaper_of(columns, job_of(source={"rest": "drop"}, fields=fields))
    shaped = shaper(csv_block(columns, [list("1234567")]))
    assert records_of(shaped)[0] == [
        {f"f{name}": value for name, value in zip(columns, "1234567", strict=True) if name}
    ]


def test_pseudo_columns_constants_and_sql() -> None:
    """What no column gives: the file's name, the line, a constant, an expression."""
    fields = {
        "symbol": {"from": "@stem"},
        "line": {"from": "@line"},
        "kind": {"value": "daily"},
        "v": {"type": "integer"},
        "label": {"sql": "lower(symbol) || '-' || kind"},
        "twice": {"sql": "v * 2"},
    }
    shaper = shaper_of(("v",), job_of(fields=fields))
    shaped = shaper(csv_block(("v",), [["1"], ["x"], ["2"]], [], [["a"], ["3"]]))
    made = [
        [
            {"symbol": f"f{index}", "line": line, "kind": "daily", "v": v}
            | {"label": f"f{index}-daily", "twice": 2 * v}
            for line, v in rows
        ]
        for index, rows in enumerate([[(1, 1), (3, 2)], [], [(2, 3)]])
    ]
    assert records_of(shaped) == made
    assert rejects_of(shaped) == [
        [(2, 2, "not_an_integer")],
        [],
        [(1, 1, "not_an_integer")],
    ]


def test_integers_beyond_the_column_are_rejects() -> None:
    """Before anything is sent, with the column, its type and the way on; the others travel."""
    layout = Layout("csv", ("n", "s"))
    job = job_of(fields={"count": {"from": "n", "type": "integer"}})
    shaper = CsvShaper({layout: plan_of(layout, job, types=STRICT)}, b"\n", NO_LIMIT)
    text = b"1,a\n2147483648,b\n2147483647,c\n-2147483649.0,d\n"
    for form in (Form.PLAIN, Form.ODD):
        shaped = shaper(block_of(layout, text, form=form))
        assert records_of(shaped)[0] == [{"count": 1, "s": "a"}, {"count": 2147483647, "s": "c"}]
        assert rejects_of(shaped) == [[(2, 2, "out_of_range"), (4, 4, "out_of_range")]]
        reject = shaped.segments[0].rejects[0]
        assert (reject.stage, reject.column, reject.field) == ("coerce", "n", "count")
        for words in ("'2147483648'", "'count'", "Int", 'type = "string"', 'api = "v2"'):
            assert words in reject.message


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_rows(count: int) -> None:
    """None, one, two: with columns, and with constants only."""
    for fields, made in (({}, {"v": "1"}), ({"c": {"value": 1}}, {"c": 1})):
        job = job_of(source={"rest": "drop" if fields else "keep"}, fields=fields)
        block = csv_block(("v",), [["1"]] * count)
        for form in (Form.ODD, Form.REGULAR):
            shaped = shaper_of(("v",), job)(replace(block, form=form))
            assert records_of(shaped)[0] == [made] * count
            assert shaped.segments[0].records == count


def test_an_upsert_key_of_each_segment() -> None:
    """Keys go with the good records of their segment."""
    job = job_of(fields={"k": {"type": "integer"}}, target={"mode": "upsert", "upsert_key": "k"})
    shaped = shaper_of(("k",), job)(csv_block(("k",), [["1"], ["x"], ["2.0"]], [["3"]]))
    assert [part.keys for part in shaped.segments] == [("1", "2"), ("3",)]


def test_records_are_found_again() -> None:
    """`locate` gives the places of records of a segment, blank lines and rejects counted."""
    data = b'1,a\n\n"2\n2",b\nx\n3,c\n'
    layout = Layout("csv", ("n", "s"))
    block = block_of(layout, b"0,z\n", data, byte=1000)
    shaper = shaper_of(layout.columns, job_of())
    places = shaper.locate(block, 1, [1, 2, 4])
    assert [(p.record, p.line, p.byte - 1000, p.raw) for p in places] == [
        (1, 1, 0, b"1,a"),
        (2, 3, data.index(b'"2'), b'"2\n2",b'),
        (4, 6, data.index(b"3,c"), b"3,c"),
    ]
    assert rejects_of(shaper(block)) == [[], [(3, 5, "too_few_fields")]]


def test_a_line_of_exactly_the_limit() -> None:
    """One byte more is a reject of the whole record."""
    line = orjson.dumps({"v": "éé"})
    shaper = shaper_of(("v",), job_of())
    for most, reasons in ((len(line), []), (len(line) - 1, [(1, 1, "record_too_large")])):
        shaped = replace(shaper, largest_record=most)(csv_block(("v",), [["éé"], ["a"]]))
        assert rejects_of(shaped) == [reasons]


@pytest.mark.parametrize("form", [Form.PLAIN, Form.ODD])
def test_many_threads_shape_at_once(form: Form) -> None:
    """One shaper, several threads, each block as if alone."""
    fields = {
        "i": {"type": "integer"},
        "t": {"from": "s", "type": "timestamp", "timezone": "Europe/Berlin"},
    }
    layout = Layout("csv", ("i", "s"))
    shaper = shaper_of(layout.columns, job_of(fields=fields))
    blocks = [
        block_of(
            layout,
            *[
                "".join(
                    f"{i}{'x' * (i % 11 == 0)},2024-0{1 + i % 9}-05 12:00\n"
                    for i in range(k, k + 400)
                ).encode()
            ]
            * 2,
            form=form,
        )
        for k in range(8)
    ]
    alone = [shaper(block) for block in blocks]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(shaper, blocks * 2))
    assert [s.buffer for s in together] == [s.buffer for s in alone * 2]
    assert [s.segments for s in together] == [s.segments for s in alone * 2]
