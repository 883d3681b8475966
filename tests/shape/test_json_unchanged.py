"""NDJSON with nothing to map: what travels as it came, by PCRE2 and without it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.model import Layout, Shaped
from ingest.shape import json_pattern
from ingest.shape.json_alike import LOOKED_AT
from ingest.shape.json_shape import JsonShaper
from tests.shape.helpers import any_text, job_of, ndjson_block, plan_of

pytestmark = pytest.mark.usefixtures("either_engine")

LAYOUT = Layout("ndjson")
LARGEST = 60
USUAL = b'{"id":1,"name":"one"}\n'
ODD = [
    b"\n",
    b" \n",
    b"\r\n",
    b"[]\n",
    b"null\n",
    b'{"id":1,"name":"one"},\n',
    b'{"id":1,"name":"one"}{"id":1,"name":"one"}\n',
    b' {"id":1,"name":"one"}\n',
    b'{"id":1,"name":"\xff"}\n',
    b'{"id":1,"name":"\xed\xa0\x80"}\n',
    b'{"id":1,"name":"\t"}\n',
    b'{"id":1,"name":"\\ud800"}\n',
    b'{"id":01,"name":"one"}\n',
    b'{"id":1,"id":1,"name":"one"}\n',
    b'{"name":"one","id":1}\n',
    b'{"id":1,"name":"one"\n',
    LACKING := b'{"id":1}\n',
    NESTED := b'{"id":1,"name":{"first":"one"}}\n',
]


def shaper_for(end: bytes = b",\n", largest: int = LARGEST) -> JsonShaper:
    """A shaper of records that are not mapped."""
    return JsonShaper({LAYOUT: plan_of(LAYOUT, job_of())}, end, largest)


def seen(shaped: Shaped | None) -> Any:
    """What there is to compare."""
    return shaped and (shaped.buffer, shaped.segments)


def both(shaper: JsonShaper, *files: bytes) -> tuple[Any, Any]:
    """What becomes of a block as it came, and one by one."""
    block = ndjson_block(*files)
    each = shaper._one_by_one(block, shaper.plans[LAYOUT])
    return seen(shaper._as_it_came(block)), seen(each)


RECORDS = st.lists(
    st.fixed_dictionaries(
        {"id": st.integers(0, 10**6)}, optional={"s": any_text(), "l": st.lists(st.integers())}
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=200)
@given(
    st.lists(RECORDS, min_size=1, max_size=3),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
    st.sampled_from([b"\n", b",\n"]),
    st.sampled_from([20, LARGEST, 10_000]),
)
def test_as_it_came_is_one_by_one(
    files: list[Any], line_end: str, ascii_only: bool, end: bytes, largest: int
) -> None:
    """Bytes, segments and rejects, wherever a block can travel so; and the block behind it, too."""
    texts = []
    for records in files:
        lines = (
            json.dumps(r, ensure_ascii=ascii_only, separators=(",", ":")) + line_end
            for r in records
        )
        texts.append("".join(lines).encode())
    shaper = shaper_for(end, largest)
    for _ in range(2):
        found, each = both(shaper, *texts)
        assert found in (None, each)
        assert seen(shaper(ndjson_block(*texts))) == each


@pytest.mark.parametrize("end", [b"\n", b",\n"])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("files", [(1,), (2,), (50,), (1, 2), (0, 3, 0, 1, 0)])
def test_records_of_one_build_travel_as_they_came(
    files: tuple[int, ...], line_end: bytes, end: bytes
) -> None:
    """So that the law above is about something: any number of them, in any number of files."""
    line = USUAL.replace(b"\n", line_end)
    found, each = both(shaper_for(end), *[line * count for count in files])
    assert found == each
    assert found[0] == USUAL.replace(b"\n", end) * sum(files)
    assert [segment.records for segment in found[1]] == list(files)


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("at", [0, 1, 70])
def test_no_odd_line_travels_with_the_others(odd: bytes, at: int) -> None:
    """Wherever it stands, in a first block or in a later one; and what follows it is not slower."""
    shaper = shaper_for()
    for _ in range(2):
        lines = [USUAL] * 70
        lines.insert(at, odd)
        found, each = both(shaper, b"".join(lines))
        assert found is None or found == each
        may_be_of_a_build = at < LOOKED_AT and odd in (LACKING, NESTED)
        assert (found is None) == (not may_be_of_a_build)
        assert seen(shaper(ndjson_block(b"".join(lines)))) == each
        assert both(shaper, USUAL * 3)[0] is not None


def test_lines_that_go_on_as_they_were_are_not_looked_at_again() -> None:
    """Their pattern is kept, until others come."""
    shaper = shaper_for()
    assert both(shaper, USUAL * 3)[0] is not None
    first = shaper.lines[LAYOUT]
    assert both(shaper, USUAL * 2)[0] is not None
    assert shaper.lines[LAYOUT] is first
    assert both(shaper, b'{"name":"one","id":1}\n')[0] is not None
    assert shaper.lines[LAYOUT] != first


def test_a_record_may_be_as_long_as_a_body_holds() -> None:
    """In a block that is longer; of one byte more it is a reject, its neighbours travel."""
    longest = b'{"id":1,"name":"%b"}\n' % (b"x" * (LARGEST - len(USUAL) + len("one\n")))
    assert len(longest) == LARGEST + 1
    shaper = shaper_for()
    found, each = both(shaper, longest * 3)
    assert found == each
    assert found[0] == longest.replace(b"\n", b",\n") * 3
    found, each = both(shaper, USUAL + longest.replace(b"x", b"xx", 1) + USUAL)
    assert found is None
    assert [reject.reason for reject in each[1][0].rejects] == ["record_too_large"]
    assert each[0] == USUAL.replace(b"\n", b",\n") * 2


def test_very_short_lines_travel_as_well() -> None:
    """PCRE2 has no room for so many ends; Polars is asked."""
    found, each = both(shaper_for(), b'{"":1}\n' * 100)
    assert found == each
    assert found[0] == b'{"":1},\n' * 100


def test_a_pattern_that_nobody_takes_is_not_asked() -> None:
    """PCRE2 refuses large ones, Polars still larger ones: each record is looked at by itself."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_pattern, "MOST_CHARACTERS", 10**7)
        numbers = {f"n{at}": at for at in range(10)}
        record = {f"k{at}": {f"o{of}": numbers for of in range(20)} for at in range(20)}
        found, each = both(shaper_for(largest=10**6), json.dumps(record).encode() + b"\n")
    assert found is None
    assert each[1][0].records == 1
