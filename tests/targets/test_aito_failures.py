"""Failing rows found again in the spool: by value, each place once, in bounded memory."""

from __future__ import annotations

import gzip
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.targets.aito_failures import (
    DEFAULT_WORDS,
    MOST_ROWS,
    Found,
    assigned,
    canonical,
    locate,
    read_rows,
)

ROWS = [{"id": n, "name": f"name {n}", "x": None if n % 2 else n / 2} for n in range(100)]


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    """A file of `ROWS`."""
    return spooled(tmp_path, ROWS)


def spooled(tmp_path: Path, rows: Sequence[Any]) -> Path:
    """A spool of these rows; bytes stand in it as they are."""
    path = tmp_path / "spool.gz"
    lines = [row if isinstance(row, bytes) else orjson.dumps(row) for row in rows]
    path.write_bytes(gzip.compress(b"".join(line + b"\n" for line in lines), 1))
    return path


def indexes(found: Found) -> list[int]:
    """Where they were found."""
    return [refusal.index for refusal in found.refused]


@pytest.mark.parametrize("wanted", [[], [0], [99], [3, 4], list(range(50, 100))])
def test_rows_are_found_by_their_content(spool, wanted):
    """None, the first, the last, a full list; the words are ours where there are none."""
    found = locate(spool, [ROWS[n] for n in wanted], 100)
    assert indexes(found) == wanted
    assert (found.lost, found.trouble) == (0, "")
    assert {refusal.words for refusal in found.refused} <= {DEFAULT_WORDS}


@pytest.mark.parametrize(
    "row",
    [
        {"name": "name 4", "id": 4, "x": 2.0},
        {"name": "name 4", "id": 4, "x": 2},
        {"name": "name 4", "id": 4.0, "x": 2, "more": None},
        '{"id": 4, "name": "name 4", "x": 2.0}',
        {"row": {"id": 4, "name": "name 4", "x": 2}},
        {"element": '{"x": 2, "id": 4, "name": "name 4"}', "error": "bad"},
    ],
)
def test_equal_is_what_is_equal_by_value(spool, row):
    """Order, spelling of numbers, nulls or absent keys, text or object, wrapped or not."""
    assert indexes(locate(spool, [row], 100)) == [4]


@pytest.mark.parametrize(
    "row",
    [
        {"id": 4, "name": "name 4"},
        {"id": 4, "name": "name 4", "x": 2, "more": 1},
        {"id": "4", "name": "name 4", "x": 2},
        {"id": 4, "name": "name 4 ", "x": 2},
        {},
        "no JSON at all",
        "7",
        7,
        None,
        ["id", 4],
        {"row": None, "message": "the gzip breaks off"},
    ],
)
def test_what_is_not_in_the_file_is_lost_and_no_refusal(spool, row):
    """Which record failed is not known then."""
    found = locate(spool, [row, ROWS[5]], 100)
    assert indexes(found) == [5]
    assert found.lost == 1


def test_equal_rows_get_a_place_each_in_order(tmp_path):
    """As many as are listed; one more than there are is lost."""
    path = spooled(tmp_path, [{"a": 1}, {"a": 2}, {"a": 1}, {"a": 1}, {"a": 2}])
    assert indexes(locate(path, [{"a": 1}], 5)) == [0]
    assert indexes(locate(path, [{"a": 1}, {"a": 1}], 5)) == [0, 2]
    found = locate(path, [{"a": 2}] * 3 + [{"a": 1}], 5)
    assert indexes(found) == [0, 1, 4]
    assert found.lost == 1


@pytest.mark.parametrize(
    ("number", "place"),
    [
        ({"line": 4}, 3),
        ({"line": 3}, 2),
        ({"lineNumber": 1}, 0),
        ({"index": 3}, 3),
        ({"offset": 2}, 2),
        ({"index": 1}, 0),  # the second is another row, the first one fits
        ({"line": 2}, 2),  # so do those of somebody who counts lines from 0
        ({"line": 77}, 0),
        ({"line": -1}, 0),
        ({"line": True}, 0),
    ],
)
def test_a_number_chooses_among_equal_rows(tmp_path, number, place):
    """Lines count from 1, indexes from 0; content goes before numbers."""
    path = spooled(tmp_path, [{"a": 1}, {"a": 2}, {"a": 1}, {"a": 1}])
    assert indexes(locate(path, [{"row": {"a": 1}, "message": "m", **number}], 4)) == [place]


def test_those_with_a_number_choose_first(tmp_path):
    """The others take what is left."""
    path = spooled(tmp_path, [{"a": 1}, {"a": 1}])
    rows = [{"row": {"a": 1}, "message": "any"}, {"row": {"a": 1}, "line": 1, "message": "first"}]
    refused = locate(path, rows, 2).refused
    assert [(one.index, one.words) for one in refused] == [(0, "first"), (1, "any")]


@pytest.mark.parametrize(
    ("row", "place"),
    [
        ({"line": 3, "message": "bad"}, 2),
        ({"row": 3, "message": "bad"}, 2),
        ({"index": 3, "error": "bad"}, 3),
        ({"line": 100, "message": "bad"}, 99),
        ({"line": 101, "message": "bad"}, None),
        ({"line": 0, "message": "bad"}, None),
        ({"offset": 3, "message": "bad"}, None),
        ({"line": 3}, None),
    ],
)
def test_a_number_without_content_is_believed_if_it_is_a_line_or_an_index(spool, row, place):
    """Within the file; an offset may count bytes."""
    found = locate(spool, [row], 100)
    assert indexes(found) == ([] if place is None else [place])
    assert found.lost == (place is None)


def test_a_row_with_columns_of_such_names_is_a_row(tmp_path):
    """`row`, `message` and `line` are good column names."""
    rows = [{"row": {"a": 1}, "message": "hello", "line": 9}, {"a": 1}, {"message": "x", "line": 2}]
    path = spooled(tmp_path, rows)
    assert indexes(locate(path, [rows[0]], 3)) == [0]
    assert indexes(locate(path, [rows[2]], 3)) == [2]


@pytest.mark.parametrize(
    ("wrapper", "words"),
    [
        ({"message": "not an Int"}, "not an Int"),
        ({"error": {"message": "not an Int", "code": 7}}, "not an Int"),
        ({"reason": "not\x1b[31m an\nInt"}, "not an Int"),
        ({"error": ["a", 1]}, '["a",1]'),
        ({"message": ""}, DEFAULT_WORDS),
        ({}, DEFAULT_WORDS),
    ],
)
def test_the_services_words_go_with_the_refusal(spool, wrapper, words):
    """Cleaned, from wherever they stand."""
    assert locate(spool, [{"row": ROWS[7], **wrapper}], 100).refused[0].words == words


def test_a_text_that_was_cut_is_found_by_its_beginning(tmp_path):
    """Long rows are not repeated whole; a character may be cut in two."""
    long = {"id": 1, "text": "ü" * 50_000}
    path = spooled(tmp_path, [{"id": 0}, long, {"id": 2}])
    cut = orjson.dumps(long)[:65_536].decode(errors="replace")
    assert cut.endswith("\ufffd") or len(cut.encode()) == 65_536
    assert indexes(locate(path, [{"row": cut, "message": "too long"}], 3)) == [1]


def test_lines_that_are_no_objects_are_passed_over(tmp_path):
    """A spool holds none; a broken one must not break this."""
    path = spooled(tmp_path, [b"", b"[1]", b"{broken", b'"text"', {"a": 1}])
    assert indexes(locate(path, [{"a": 1}], 5)) == [4]


@pytest.mark.parametrize("how", ["gone", "cut", "no gzip"])
def test_a_spool_that_can_not_be_read_is_said(tmp_path, spool, how):
    """What was found before stays found."""
    if how == "gone":
        spool = tmp_path / "gone"
    elif how == "cut":
        rows = [{"n": n, "t": str(n * 7919 % 10_007) * 20} for n in range(100_000)]
        spool = spooled(tmp_path, rows)
        spool.write_bytes(spool.read_bytes()[:-1000])
        assert indexes(locate(spool, [rows[5]], 100)) == [5]
    else:
        spool.write_bytes(b"hello")
    found = locate(spool, [{"no": "where"}], 100)
    assert (found.refused, found.lost) == ((), 1)
    assert "spool can't be read" in found.trouble


@pytest.mark.parametrize("more", [0, 1, 2])
def test_a_list_of_any_length_is_bounded(spool, more):
    """The rest is lost, which makes it doubtful."""
    rows = [{"not": "there"}] * MOST_ROWS + [ROWS[0]] * more
    assert locate(spool, rows, 100).lost == MOST_ROWS + more


def test_memory_is_bounded(tmp_path):
    """20,000 equal rows of 40 MB: what is kept does not grow with them."""
    row = {"n": 1, "text": "x" * 2_000}
    path = spooled(tmp_path, [row] * 20_000)
    tracemalloc.start()
    try:
        found = locate(path, [row, {"n": 1, "text": "y"}], 20_000)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (indexes(found), found.lost) == ([0], 1)
    assert peak_bytes < 6_000_000


def test_reading_ends_with_the_last_row_found(tmp_path):
    """The rest of a gigabyte is not unpacked: damage behind it is not even seen."""
    rows = [{"n": n, "t": str(n * 7919 % 10_007) * 20} for n in range(100_000)]
    path = spooled(tmp_path, rows)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    found = locate(path, rows[10:20], 100_000)
    assert indexes(found) == list(range(10, 20))
    assert found.trouble == ""


def test_a_row_too_deep_to_compare_is_no_match():
    """No recursion error, whatever is in a Json column."""
    deep: Any = 1
    for _ in range(2_000):
        deep = [deep]
    assert canonical({"a": deep}) is None
    assert canonical({"a": 1}) == canonical({"a": 1.0, "b": None})
    assert canonical({"a": {"b": None}}) != canonical({"a": {}})


def test_places_are_only_given_out_once():
    """Also to rows that name the same line."""
    rows = read_rows([{"line": 2, "message": "a"}, {"line": 2, "message": "b"}])
    assert [(one.index, one.words) for one in assigned(rows, {}, 5)] == [(1, "a")]


RECORDS = st.dictionaries(
    st.sampled_from("abc"), st.none() | st.booleans() | st.integers(-2, 2) | st.text(max_size=2),
    max_size=3,
)  # fmt: skip


@settings(max_examples=60)
@given(st.lists(RECORDS, min_size=1, max_size=12), st.data())
def test_rows_taken_from_the_file_are_all_found(tmp_path_factory, records, data):
    """Each at a place of its own that holds an equal row; in whatever shape they are listed."""
    path = spooled(tmp_path_factory.mktemp("s"), records)
    chosen = data.draw(st.sets(st.integers(0, len(records) - 1)))
    shapes = [
        lambda row, n: row,
        lambda row, n: orjson.dumps(row).decode(),
        lambda row, n: {"row": row, "message": "m"},
        lambda row, n: {"record": orjson.dumps(row).decode(), "line": n + 1},
        lambda row, n: {k: v for k, v in row.items() if v is not None},
    ]
    listed = [data.draw(st.sampled_from(shapes))(records[n], n) for n in sorted(chosen)]
    found = locate(path, listed, len(records))
    assert found.lost == 0
    places = indexes(found)
    assert len(set(places)) == len(chosen)
    values = [canonical(record) for record in records]
    assert sorted(map(str, (values[n] for n in places))) == sorted(
        map(str, (values[n] for n in chosen))
    )
