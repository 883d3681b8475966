"""Blocks of records that are built alike give the same, read at once or one by one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ingest.model import Block, Layout, Shaped
from ingest.shape.json_alike import GROUPS_AT_ONCE, LOOKED_AT, Members, expected_of, read_alike
from ingest.shape.json_shape import JsonShaper
from tests.shape.helpers import any_text, job_of, ndjson_block, plan_of

pytestmark = pytest.mark.usefixtures("either_engine")

LAYOUT = Layout("ndjson")
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.sampled_from(["NA", "", "12", "1.50", "2024-02-29", 'a"b', "x\\y", "\u2028", "null"]),
    any_text(),
)
RECORDS = st.lists(
    st.fixed_dictionaries(
        {"id": st.integers(0, 10**6)},
        optional={
            "n": SCALARS,
            "s": SCALARS,
            "o": st.fixed_dictionaries({"p": SCALARS}),
            "l": st.lists(st.integers(), max_size=2),
        },
    ),
    min_size=1,
    max_size=6,
)
FIELDS: list[dict[str, Any]] = [
    {},
    {"n": {"type": "integer"}},
    {"m": {"from": "n", "type": "decimal", "nulls": ["NA"]}, "s": {"type": "string"}},
    {"s": {"nulls": ["NA"]}, "o": {"type": "json"}, "at": {"from": "@line"}},
    {"s": {"default": "-"}, "gone": {"from": "nobody"}, "c": {"value": 1}},
    {"id": {"type": "integer", "required": True}, "l": {"type": "json"}},
]


def outcome(shaper: JsonShaper, block: Block, *, at_once: bool) -> tuple[Any, ...] | None:
    """What the block becomes, in one of the two ways; None if that way can't be gone."""
    plan = shaper.plans[LAYOUT]
    if at_once and plan.passthrough:
        unchanged = shaper._as_it_came(block)
        if unchanged is None:
            return None
        shaped: Shaped = unchanged
    elif at_once:
        alike = read_alike(block, plan)
        if alike is None:
            return None
        shaped = shaper._at_once(block, plan, alike)
    else:
        shaped = shaper._one_by_one(block, plan)
    counts = [(s.start, s.end, s.records, s.lines, s.rejects, s.keys) for s in shaped.segments]
    return shaped.buffer, counts


def shaper_for(fields: dict[str, Any], rest: str = "keep", nulls: str = "send") -> JsonShaper:
    """A shaper by these settings."""
    job = job_of(fields=fields, source={"rest": rest}, target={"nulls": nulls})
    return JsonShaper({LAYOUT: plan_of(LAYOUT, job)}, b"\n", 10_000)


@settings(max_examples=150)
@given(
    st.lists(RECORDS, min_size=1, max_size=3),
    st.sampled_from(FIELDS),
    st.sampled_from(["keep", "drop"]),
    st.sampled_from(["send", "omit"]),
    st.tuples(
        st.booleans(), st.sampled_from([(",", ":"), (", ", ": ")]), st.sampled_from(["\n", "\r\n"])
    ),
)
def test_at_once_is_one_by_one(
    files: list[list[dict[str, Any]]],
    fields: dict[str, Any],
    rest: str,
    nulls: str,
    style: tuple[bool, tuple[str, str], str],
) -> None:
    """Records, rejects and their places are the same wherever both ways can be gone."""
    ascii_only, separators, end = style
    texts = [
        "".join(
            json.dumps(r, ensure_ascii=ascii_only, separators=separators) + end for r in records
        )
        for records in files
    ]
    if not fields and rest == "drop":
        return
    shaper = shaper_for(fields, rest, nulls)
    block = ndjson_block(*[text.encode() for text in texts])
    found = outcome(shaper, block, at_once=True)
    if found is not None:
        assert found == outcome(shaper, block, at_once=False)


USUAL = {"id": 7, "n": "12", "s": "text", "o": {"p": 1}, "l": [1, 2]}
BLOCKS = st.lists(
    st.tuples(
        RECORDS,
        st.integers(0, 40),  # so many usual records among them
        st.tuples(st.booleans(), st.sampled_from([(",", ":"), (", ", ": ")])),
        st.sampled_from(["\n", "\r\n"]),
    ),
    min_size=2,
    max_size=4,
)


@settings(max_examples=200)
@given(
    BLOCKS,
    st.sampled_from(FIELDS),
    st.sampled_from(["keep", "drop"]),
    st.sampled_from(["send", "omit"]),
)
def test_what_was_before_changes_nothing(
    blocks: list[tuple[Any, ...]], fields: dict[str, Any], rest: str, nulls: str
) -> None:
    """A block becomes the same behind any others as by itself; odd lines are many, few or none."""
    if not fields and rest == "drop":
        return
    shaper = shaper_for(fields, rest, nulls)
    for odd, usual, (ascii_only, separators), end in blocks:
        lines = [
            json.dumps(one, ensure_ascii=ascii_only, separators=separators) + end
            for one in [*[USUAL] * (usual // 2), *odd, *[USUAL] * (usual - usual // 2)]
        ]
        half = len(lines) // 2
        block = ndjson_block("".join(lines[:half]).encode(), "".join(lines[half:]).encode())
        alone = shaper_for(fields, rest, nulls)(block)
        for behind in (shaper(block), shaper(block)):
            assert (behind.buffer, behind.segments) == (alone.buffer, alone.segments)


def expecting(shaper: JsonShaper, *lines: bytes) -> Any:
    """What is expected behind a block of these lines."""
    shaper(ndjson_block(b"".join(line + b"\n" for line in lines)))
    return shaper.expected.get(LAYOUT)


def test_lines_that_go_on_as_they_were_are_not_looked_at_again() -> None:
    """Some odd ones among them don't matter."""
    shaper = shaper_for({"n": {"type": "integer"}})
    first = expecting(shaper, *[b'{"id":1,"n":"1"}'] * 20)
    assert first is not None
    assert expecting(shaper, *[b'{"id":2,"n":"23"}'] * 20) is first
    assert expecting(shaper, b'{"id":2,"n":23}', *[b'{"id":2,"n":"23"}'] * 20) is first
    numbers = expecting(shaper, *[b'{"id":2,"n":23}'] * 20)
    assert numbers is not None
    assert numbers is not first


@pytest.mark.parametrize(
    "lines",
    [
        [b'{"id":1,"n":1}'] * 20 + [b"[]"],  # no line of the kind
        [b'{"id":1}'] + [b'{"id":1,"n":1}'] * 20,  # a member of some only
        [b'{"id":1,"n":"\\u0031"}'] + [b'{"id":1,"n":"1"}'] * 20,  # no hope for its values
        [b'{"id":1,"n":1}'] * 64 + [b'{"id":1,"n":"1"}'] * 20,  # a hope that failed for many
    ],
)
def test_what_falls_short_is_expected_of_nobody(lines: list[bytes]) -> None:
    """Else one odd line in a block would make all that follow slow, or each be asked twice."""
    shaper = shaper_for({"n": {"type": "integer"}})
    assert expecting(shaper, *[b'{"id":1,"n":1}'] * 20) is not None
    shaper.expected.clear()
    assert expecting(shaper, *lines) is None
    assert expecting(shaper, *[b'{"id":1,"n":1}'] * 20) is not None


@pytest.mark.parametrize("fields", FIELDS)
def test_records_of_one_build_are_read_at_once(fields: dict[str, Any]) -> None:
    """So that the law above is about something."""
    lines = [
        b'{"id":%d,"n":"%d","s":"t%d","o":{"p":%d},"l":[1,2]}\n' % (n, n, n, n) for n in range(50)
    ]
    shaper = shaper_for(fields)
    block = ndjson_block(b"".join(lines))
    found = outcome(shaper, block, at_once=True)
    assert found is not None
    assert found == outcome(shaper, block, at_once=False)


ODD = [
    "null",
    '"x"',
    "1.5",
    '"1.5"',
    '"\\u00e9"',
    '"NA"',
    "12345678901234567890",
    "[1]",
    "true",
    '"ü"',
]
SPELT: list[dict[str, Any]] = [
    {"n": {"type": "integer"}, "m": {"type": "decimal"}, "d": {"type": "date"}},
    {"n": {"type": "integer", "default": 7}, "s": {"type": "string"}, "at": {"from": "@line"}},
    {"n": {}, "m": {"type": "integer"}, "s": {"nulls": ["NA"]}, "o": {"type": "integer"}},
    {"s": {"type": "string", "nulls": ["NA", "t3"]}, "o": {"required": True}},
    {"s": {"type": "string"}, "twice": {"sql": "s || s"}, "o": {"type": "json"}},
]


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(SPELT),
    st.dictionaries(
        st.integers(0, 39), st.tuples(st.sampled_from("nmdso"), st.sampled_from(ODD)), max_size=12
    ),
    st.sampled_from(["keep", "drop"]),
    st.sampled_from(["send", "omit"]),
    st.integers(0, 100),
)
def test_odd_lines_are_encoded_apart(
    fields: dict[str, Any], odd: dict[int, tuple[str, str]], rest: str, nulls: str, border: int
) -> None:
    """Values that are not like the first ones, few or many, cost nobody else anything."""
    lines = []
    for n in range(100):
        values = {
            "n": f"{n}",
            "m": f'"{n}"',
            "d": '"2024-02-29"',
            "s": f'"t{n}"',
            **({"o": "1"} if n % 3 else {}),
        }
        if n >= LOOKED_AT - 4 and (found := odd.get(n - LOOKED_AT + 4)):
            values[found[0]] = found[1]
        lines.append("{" + ",".join(f'"{key}":{value}' for key, value in values.items()) + "}\n")
    shaper = shaper_for(fields, rest, nulls)
    texts = ["".join(part).encode() for part in (lines[:border], lines[border:])]
    block = ndjson_block(*texts)
    found_at_once = outcome(shaper, block, at_once=True)
    if found_at_once is not None:
        assert found_at_once == outcome(shaper, block, at_once=False)
    assert found_at_once is not None or any(value == "[1]" for _, value in odd.values())


@pytest.mark.parametrize("count", [1, 2, GROUPS_AT_ONCE, GROUPS_AT_ONCE + 1, 3 * GROUPS_AT_ONCE])
def test_many_fields_are_taken_out_a_few_at_a_time(count: int) -> None:
    """None is lost on the way."""
    line = json.dumps({f"k{n}": n for n in range(count)}, separators=(",", ":"))
    fields = {f"f{n}": {"from": f"k{n}", "type": "integer"} for n in range(count)}
    found = outcome(shaper_for(fields), ndjson_block(line.encode() + b"\n"), at_once=True)
    assert found is not None
    assert json.loads(found[0]) == {f"f{n}": n for n in range(count)}


@pytest.mark.parametrize("odd", [0, 1, 10, 11])
def test_few_odd_lines_are_a_part_of_their_own(odd: int) -> None:
    """And many make all of them one that nothing is known of."""
    lines = [b'{"n":%d}\n' % n for n in range(100)]
    lines[100 - odd :] = [b'{"n":"x"}\n'] * odd
    shaper = shaper_for({"n": {"type": "integer"}})
    plan, block = shaper.plans[LAYOUT], ndjson_block(b"".join(lines))
    alike = read_alike(block, plan, replace(expected_of(block.data, plan), rewriting=None))
    alike = alike or read_alike(block, plan)
    assert alike is not None
    taken = [part for part in alike.parts if isinstance(part, Members)]
    parts = [(part.taken["n"].len(), part.wanted["n"].known is not None) for part in taken]
    apart = [(100 - odd, True), (odd, False)]
    assert parts == {0: [(100, True)], 11: [(100, False)]}.get(odd, apart)


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_with_nothing_to_map_the_very_bytes_go_on(end: bytes) -> None:
    """Each with the end that the envelope wants."""
    data = b'{"a":1}' + end + '{"a":"é"}'.encode() + end
    shaper = replace(shaper_for({}), record_end=b",\n")
    wanted = b'{"a":1},\n' + '{"a":"é"},\n'.encode()
    assert shaper(ndjson_block(data)).buffer == wanted
    assert shaper(ndjson_block(data.removesuffix(end))).buffer == wanted


@pytest.mark.parametrize(
    "data",
    [
        b'{"a":1}\n{"a":1,"a":2}\n',
        b'{"a":1}\n{"a":"\\ud800"}\n',
        b'{"a":1}\n\n{"a":2}\n',
        b'{"a":1}\n{"a":1}{"a":2}\n',
        b'{"a":1}\n [1]\n',
        b'{"a":1}\n{"a":\xff}\n',
        b"\n",
        b"",
    ],
)
def test_what_is_not_alike_is_left_to_others(data: bytes) -> None:
    """One odd line, and every record is looked at by itself."""
    shaper = shaper_for({})
    assert read_alike(ndjson_block(data), shaper.plans[LAYOUT]) is None
