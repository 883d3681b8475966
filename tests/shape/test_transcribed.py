"""Blocks whose bytes are moved: the same records as by columns, and which blocks go that way."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ingest import kernel
from ingest.model import Block, Dialect, Form, Layout, Oversize, Shaped
from ingest.shape import transcribed
from ingest.shape.csv_shape import CsvShaper
from ingest.shape.odd_records import Ending
from ingest.sources.forms import is_regular
from tests.shape.helpers import STRICT, block_of, job_of, plan_of, records_of

pytestmark = pytest.mark.skipif(not kernel.is_there(), reason="this machine can't have a kernel")

END = b",\n"
NO_LIMIT = 10**9
COLUMNS = ("i", "f", "c", "day", "t", "s", "short", "free")
FIRST = ("7", "1.0", "1,5", "2024-01-05", "2024-01-05 12:00:00", "x", "y", "z")
MAX_LENGTH = {"max_length": 3}
FIELDS: Mapping[str, Any] = {
    "file": {"from": "@stem"},
    "i": {"type": "integer", "nulls": ["NA", ""]},
    "kind": {"value": "daily"},
    "whole": {"from": "f", "type": "integer"},
    "c": {"type": "decimal", "decimal": ",", "default": 0},
    "day": {"type": "date"},
    "t": {"type": "timestamp", "required": True},
    "name": {"from": "s", "type": "string", "nulls": ["a long word for null", '"', 'a "b"', '""']},
    "path": {"from": "@path"},
    "short": {"type": "string", "column": MAX_LENGTH},
    "none": {"value": "last"},
}
CELLS: Sequence[st.SearchStrategy[str]] = (
    st.sampled_from(["0", "-12", "123456789", "NA", "", "5.0", "x", "9" * 20]),
    st.sampled_from(["1.0", "22.0", "-3.0", "", "4", "x", "1.5"]),
    st.sampled_from(["1,5", "2", "-0,25", "", "1.5", "x"]),
    st.sampled_from(["2024-02-29", "2023-02-29", "1999-12-31", "", "soon"]),
    st.sampled_from(["2024-01-31 23:59:59", "2024-01-31T23:59:59Z", "", "soon"]),
    st.sampled_from(["", "a long word for null", "a long word for nulls", "é" * 20, "x" * 40]),
    st.sampled_from(["", "abc", "abcd", "é", "ééé", "éééé"]),
    st.sampled_from(["", "free", "text of twenty bytes"]),
)
QUOTED = st.sampled_from(
    ['a "b"', '""', 'a ""b""', "a\nb", "a\r\nb", "back\\slash", "\t", "\x01", '"', "a;b", "'"]
)


@pytest.fixture(scope="module", autouse=True)
def _however_small() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transcribed, "SMALLEST_BYTES", 0)
        yield


def shaper_for(block: Block, **settings: Any) -> CsvShaper:
    """A shaper of everything that a program has room for, unless told otherwise."""
    largest = settings.pop("largest", NO_LIMIT)
    plan = plan_of(block.layout, job_of(**{"fields": FIELDS} | settings))
    return CsvShaper({block.layout: plan}, END, largest)


def moved(block: Block, shaper: CsvShaper) -> Shaped | None:
    """The block's records by moving bytes, if it goes that way."""
    ending = Ending(END, shaper.largest_record)
    return transcribed.read_transcribed(block, shaper.plans[block.layout], ending)


def text_of(rows: Sequence[Sequence[str]], ends: str, *, quoted: bool) -> bytes:
    """Rows as a file has them."""
    if not quoted:
        return "".join(";".join(row) + ends for row in rows).encode()
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=";", lineterminator=ends).writerows(rows)
    return out.getvalue().encode()


@st.composite
def blocks(draw: st.DrawFn, *, quoted: bool) -> Block:
    """Rows like the first, but for a cell here and there, as the cutter gives them."""
    layout = Layout("csv", COLUMNS, Dialect(delimiter=";"))
    ends = draw(st.sampled_from(["\n", "\r\n"]))
    segments = []
    for _ in range(draw(st.integers(1, 3))):
        rows = []
        for _ in range(draw(st.integers(0, 5))):
            row = list(FIRST)
            for place in draw(st.lists(st.integers(0, len(FIRST) - 1), max_size=3)):
                row[place] = draw(CELLS[place])
            if quoted and draw(st.booleans()):
                row[draw(st.sampled_from([5, 7]))] = draw(QUOTED)
            rows.append(row)
        segments.append(text_of(rows, ends, quoted=quoted))
    block = block_of(layout, *segments, form=Form.PLAIN)
    if b'"' not in block.data:
        return block
    assert is_regular(block.data, layout)
    return replace(block, form=Form.REGULAR)


@given(st.one_of(blocks(quoted=False), blocks(quoted=True)), st.sampled_from(["send", "omit"]))
@settings(max_examples=400)
def test_moved_bytes_are_what_columns_give(block: Block, nulls: str) -> None:
    """Records, rejects and places, byte for byte."""
    shaper = shaper_for(block, target={"nulls": nulls})
    found = moved(block, shaper)
    if found is not None:
        by_columns = shaper._in_columns(block)
        assert found.buffer == by_columns.buffer
        assert found.segments == by_columns.segments


def plain(*rows: Sequence[str], columns: Sequence[str] = ("n", "s"), ends: str = "\n") -> Block:
    """A PLAIN block of these rows."""
    layout = Layout("csv", tuple(columns))
    text = "".join(",".join(row) + ends for row in rows)
    return block_of(layout, text.encode(), form=Form.PLAIN)


NUMBER: Mapping[str, Any] = {"fields": {"n": {"type": "integer"}}}
WAYS: Mapping[str, tuple[bool, Mapping[str, Any]]] = {
    "types and texts": (True, NUMBER),
    "one column read twice": (True, {"fields": {"a": {"from": "s"}, "b": {"from": "s"}}}),
    "all that a program has room for": (True, {"fields": {"p": {"from": "@name"}}}),
    "nothing but a constant": (True, {"fields": {"c": {"value": 1}}, "source": {"rest": "drop"}}),
    "SQL": (False, {"fields": {"n": {"type": "integer"}, "m": {"sql": "n + 1"}}}),
    "lines": (False, {"fields": {"l": {"from": "@line"}}}),
    "JSON": (False, {"fields": {"n": {"type": "json"}}}),
    "truth": (False, {"fields": {"n": {"type": "boolean"}}}),
    "keys": (False, {"target": {"mode": "upsert", "upsert_key": "n"}}),
    "blanks": (False, {"fields": {"n": {"type": "date", "format": "%d.%m.%Y"}}}),
    "a file's name that is no number": (
        False,
        {"fields": {"p": {"from": "@stem", "type": "date"}}},
    ),
}


@pytest.mark.parametrize("case", WAYS)
def test_which_plans_go_this_way(case: str) -> None:
    """Whatever the answer is, the records are the same."""
    goes, settings = WAYS[case]
    block = plain(("1", "a"), ("0", "b"))
    shaper = shaper_for(block, **{"fields": {}, **settings})
    assert (moved(block, shaper) is not None) is goes
    assert shaper(block).segments == shaper._in_columns(block).segments
    assert shaper(block).buffer == shaper._in_columns(block).buffer


def test_which_blocks_go_this_way() -> None:
    """Whole ones, whose structure is known."""
    block = plain(("1", "a"), ("2", "b"))
    shaper = shaper_for(block, **NUMBER)
    assert moved(block, shaper) is not None
    part = replace(block.segments[0], end=4)
    others = (
        replace(block, form=Form.ODD),
        replace(block, oversize=(Oversize(0, 1, 0),)),
        replace(block, segments=(part,)),
        replace(block, segments=(replace(part, start=4, end=8), part)),
        replace(block, data=b"", segments=(replace(part, end=0),)),
        replace(block, data=b"1,a\n2\n\nb"),
    )
    assert [moved(other, shaper) for other in others] == [None] * len(others)


@pytest.mark.parametrize("odd", [0, 1, 2, 256, 257])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_odd_lines_are_shaped_by_themselves(odd: int, ends: str) -> None:
    """Up to so many of a block; then it is a matter for the columns."""
    rows = [("1", "a"), *([("x", "b"), ("+2", 'c"')] * odd)[:odd], ("3", "d")]
    block = plain(*rows, ends=ends)
    shaper = shaper_for(block, **NUMBER)
    found = moved(block, shaper)
    assert (found is None) is (odd > 256)
    by_columns = shaper._in_columns(block)
    assert (found or by_columns).buffer == by_columns.buffer
    assert (found or by_columns).segments == by_columns.segments
    assert len(by_columns.segments[0].rejects) == (odd + 1) // 2


def test_a_line_that_lacks_a_field_spoils_the_block() -> None:
    """What its fields are, only the careful reader says."""
    block = plain(("1", "a"), ("2",), ("3", "c"))
    shaper = shaper_for(block, **NUMBER)
    assert moved(block, shaper) is None
    assert records_of(shaper(block), END)[0] == [{"n": 1, "s": "a"}, {"n": 3, "s": "c"}]


def test_a_null_that_is_required_and_a_text_that_is_too_long() -> None:
    """In texts, of which the pattern asks nothing: the columns say which records they are."""
    fields = {"s": {"type": "string", "required": True, "column": MAX_LENGTH}}
    for rows in ([("1", "a"), ("2", "")], [("1", "a"), ("2", "abcd")]):
        block = plain(*rows)
        shaper = shaper_for(block, fields=fields)
        assert moved(block, shaper) is None
        assert len(shaper(block).segments[0].rejects) == 1
    long = plain(("1", "a"), ("2", "b" * 30))
    shaper = shaper_for(long, fields={}, largest=25)
    assert moved(long, shaper) is None
    assert [r.reason for r in shaper(long).segments[0].rejects] == ["record_too_large"]


def test_an_odd_record_that_is_too_large() -> None:
    """Is refused by itself; the others go their way."""
    block = plain(("1", "a"), ("+2", "b" * 30), ("3", "c"))
    shaper = shaper_for(block, **NUMBER, largest=25)
    found = moved(block, shaper)
    assert found is not None
    assert records_of(found, END)[0] == [{"n": 1, "s": "a"}, {"n": 3, "s": "c"}]
    assert found.segments == shaper._in_columns(block).segments


def test_small_blocks_do_not_load_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """To load it takes longer than they do; once it is there, they go this way, too."""
    block = plain(("1", "a"))
    shaper = shaper_for(block, **NUMBER)
    monkeypatch.setattr(transcribed, "SMALLEST_BYTES", len(block.data) + 1)
    for loaded in (False, True):
        monkeypatch.setattr(kernel, "is_loaded", lambda loaded=loaded: loaded)
        assert (moved(block, shaper) is not None) is loaded


def test_a_quoted_text_of_another_spelling() -> None:
    """A REGULAR block is asked as a whole: one odd value, and it goes by columns."""
    layout = Layout("csv", ("n", "s"))
    texts = (b'1,"a ""b"""\n"2","c\nd"\n', b'1,"a"\nx,"b"\n')
    for text, goes in zip(texts, (True, False), strict=True):
        block = block_of(layout, text, form=Form.REGULAR)
        shaper = shaper_for(block, **NUMBER)
        found = moved(block, shaper)
        assert (found is not None) is goes
        assert (found or shaper(block)).segments == shaper._in_columns(block).segments
        assert (found or shaper(block)).buffer == shaper._in_columns(block).buffer


def test_integers_of_a_narrower_column() -> None:
    """The pattern has the column's bounds; what it is not sure of is asked by itself."""
    block = plain(("1", "a"), ("2147483647", "b"), ("2147483648", "c"))
    plan = plan_of(block.layout, job_of(fields={"n": {"type": "integer"}}), types=STRICT)
    shaper = CsvShaper({block.layout: plan}, END, NO_LIMIT)
    found = moved(block, shaper)
    assert found is not None
    assert [part.get("n") for part in records_of(found, END)[0]] == [1, 2147483647]
    assert found.segments == shaper._in_columns(block).segments


@pytest.mark.parametrize("quote", ['"', "'"])
def test_words_for_null_that_hold_a_quote(quote: str) -> None:
    """They are held against the value, not against how it is written."""
    layout = Layout("csv", ("n", "s"), Dialect(quote=quote))
    values = [quote, 2 * quote, f"a{quote}b", "a", ""]
    rows = (f"1,{quote}{value.replace(quote, 2 * quote)}{quote}\n" for value in values)
    block = block_of(layout, "".join(rows).encode(), form=Form.REGULAR)
    for word in values:
        shaper = shaper_for(block, fields={"n": {"type": "integer"}, "s": {"nulls": [word]}})
        found = moved(block, shaper)
        assert found is not None
        assert found.buffer == shaper._in_columns(block).buffer
        said = [record["s"] for record in records_of(found, END)[0]]
        assert said == [None if value == word else value for value in values]


@pytest.mark.parametrize("copies", [1, 2, 20])
def test_a_column_that_is_written_many_times(copies: int) -> None:
    """There is room for all of them, however many characters take six bytes each."""
    fields = {f"f{n}": {"from": "s"} for n in range(copies)}
    block = plain(*[("1", "\x01" * 300)] * 300)
    shaper = shaper_for(block, fields=fields, source={"rest": "drop"})
    kernel.machine._idle.clear()  # none whose memory is larger from before
    found = moved(block, shaper)
    assert found is not None
    assert found.buffer == shaper._in_columns(block).buffer


def test_a_bound_that_no_text_reaches() -> None:
    """More characters than 32 bits can say."""
    block = plain(("1", "a"))
    long = {"type": "string", "column": {"max_length": 2**32}}
    found = moved(block, shaper_for(block, fields={"s": long}))
    assert found is not None
    assert records_of(found, END)[0] == [{"s": "a", "n": "1"}]


def test_many_files_with_long_names() -> None:
    """What each says of its records is counted once a record, not all of it."""
    layout = Layout("csv", ("n",))
    block = block_of(layout, *[b"1\n" * 60] * 1000, form=Form.PLAIN)
    shaper = shaper_for(block, fields={"path": {"from": "@path"}})
    kernel.machine._idle.clear()
    found = moved(block, shaper)
    assert found is not None
    assert found.segments == shaper._in_columns(block).segments
    (machine,) = kernel.machine._idle
    assert machine._memory.data_len(machine._store) < 2**26
