"""NDJSON blocks to records: passthrough, named fields, and what becomes a reject."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ingest.job import Job
from ingest.model import Block, Column, Layout, Oversize, Reject, Schema, Segment, Shaped
from ingest.shape.json_shape import JsonShaper
from tests.shape.helpers import (
    STRICT,
    job_of,
    make_file,
    ndjson_block,
    plan_of,
    records_of,
    texts_of,
)

pytestmark = pytest.mark.usefixtures("either_engine")

LAYOUT = Layout("ndjson")
NO_LIMIT = 10**9


def shaper_of(job: Job, most: int = NO_LIMIT, end: bytes = b"\n", **guessed: Any) -> JsonShaper:
    """A shaper with the job's plan."""
    return JsonShaper({LAYOUT: plan_of(LAYOUT, job, **guessed)}, end, most)


PASS = shaper_of(job_of())


def mapping(rest: str = "keep", **fields: Mapping[str, Any]) -> JsonShaper:
    """A shaper of these fields."""
    return shaper_of(job_of(source={"rest": rest}, fields=fields))


def one(shaper: JsonShaper, *lines: str) -> list[Any]:
    """The records that come of these lines, in one segment, parsed."""
    block = ndjson_block("".join(line + "\n" for line in lines).encode())
    return records_of(shaper(block))[0]


def rejects_of(shaped: Shaped) -> list[tuple[int, int, str]]:
    """Record, line and reason of each reject of the first segment."""
    return [(r.record, r.line, r.reason) for r in shaped.segments[0].rejects]


def exactly(data: bytes) -> Any:
    """JSON with its numbers as the texts they are."""
    return json.loads(data, parse_float=str, parse_int=str)


@pytest.mark.parametrize(
    "line",
    [
        "{}",
        "{ }",
        '{ "a" : 1 }',
        '{"b":1,"a":{"z":[1,2,{"y":null}]}}',
        '{"n":12345678901234567890123,"d":0.1234567890123456789,"e":1e400,"f":1.50,"g":-0}',
        '{"t":"\u2028é😀\\ud83d\\ude00\\/\\u0000"}',
        '{"a":\r1}',
    ],
)
def test_a_line_travels_as_it_came(line: str) -> None:
    """Byte for byte, but for white space around it."""
    block = ndjson_block(f" \t{line}\t \r\n{line}".encode())
    shaped = PASS(
        replace(
            block,
            data=block.data + b"\n",
            segments=(replace(block.segments[0], end=len(block.data) + 1),),
        )
    )
    assert texts_of(shaped, 0) == [line.encode()] * 2


JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=5),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)
OBJECTS = st.lists(st.dictionaries(st.text(max_size=3), JSON, max_size=4), max_size=6)
STYLES = st.sampled_from(
    [
        {"separators": (",", ":")},
        {"separators": (" , ", " : ")},
        {"separators": (", ", ": "), "ensure_ascii": False},
    ]
)


@given(st.lists(OBJECTS, min_size=1, max_size=3), STYLES, st.sampled_from(["\n", "\r\n", "\n \n"]))
@settings(max_examples=150)
def test_passthrough_changes_nothing(
    files: list[list[Any]], style: dict[str, Any], end: str
) -> None:
    """Any objects in any spelling: what comes out is equal, numbers by their digits."""
    texts = [[json.dumps(record, **style) for record in records] for records in files]
    block = ndjson_block(*["".join(t + end for t in lines).encode() for lines in texts])
    shaped = PASS(block)
    for index, lines in enumerate(texts):
        assert texts_of(shaped, index) == [line.encode() for line in lines]
        assert [exactly(t) for t in texts_of(shaped, index)] == [exactly(t.encode()) for t in lines]
        assert shaped.segments[index].records == len(lines)
        assert shaped.segments[index].rejects == ()


@given(OBJECTS, st.sampled_from(["keep", "drop"]))
@settings(max_examples=150)
def test_unmapped_members_are_untouched(records: list[dict[str, Any]], rest: str) -> None:
    """Fields without a type travel raw; the rest is kept or dropped, and nothing is added."""
    shaper = mapping(rest, x={"from": "a"}, b={})
    found = one(shaper, *[json.dumps(r) for r in records if "x" not in r])
    wanted = []
    for record in records:
        if "x" in record:
            continue
        made = {name: record[key] for name, key in (("x", "a"), ("b", "b")) if key in record}
        if rest == "keep":
            made |= {k: v for k, v in record.items() if k not in ("a", "b")}
        wanted.append(made)
    assert found == wanted


def test_fields_stand_first_and_the_rest_keeps_its_order() -> None:
    """Digits, nesting and order of what nobody names stay as they were."""
    shaper = mapping(n={"type": "integer"})
    block = ndjson_block(b'{"z":1.50,"n":"12345.0","a":{"k":[1, 2]},"big":12345678901234567890}\n')
    assert texts_of(shaper(block), 0) == [
        b'{"n":12345,"z":1.50,"a":{"k":[1, 2]},"big":12345678901234567890}'
    ]


@pytest.mark.parametrize(
    ("field", "line", "wanted"),
    [
        ({"type": "integer"}, '{"v":1.5E3}', {"v": 1500}),
        ({"type": "integer"}, '{"v":" 7 "}', {"v": 7}),
        ({"type": "integer"}, '{"v":null}', {"v": None}),
        ({"type": "integer"}, "{}", {}),
        ({"type": "integer", "default": 3}, "{}", {"v": 3}),
        ({"type": "integer", "default": 3}, '{"v":null}', {"v": 3}),
        ({"type": "decimal"}, '{"v":"1.50"}', {"v": 1.5}),
        ({"type": "boolean"}, '{"v":true}', {"v": True}),
        ({"type": "boolean"}, '{"v":"0"}', {"v": False}),
        ({"type": "string"}, '{"v":"a\\"\\u00e9\\n"}', {"v": 'a"é\n'}),
        ({"type": "string"}, '{"v":5}', {"v": "5"}),
        ({"type": "string"}, '{"v":"null"}', {"v": "null"}),
        ({"type": "string"}, '{"v":""}', {"v": ""}),
        ({"type": "string", "nulls": ["", "NA"]}, '{"v":"NA"}', {"v": None}),
        ({"nulls": ["NA"]}, '{"v":"NA"}', {"v": None}),
        ({"nulls": ["N\u00c4"]}, '{"v":"N\\u00c4"}', {"v": None}),
        ({"nulls": ["-1"]}, '{"v":-1}', {"v": None}),
        ({"nulls": ["NA"], "default": "x"}, '{"v":"NA"}', {"v": "x"}),
        ({"type": "date"}, '{"v":"2024-02-29"}', {"v": "2024-02-29"}),
        ({"type": "json"}, '{"v":{"a" : [1]}}', {"v": {"a": [1]}}),
        ({"type": "json"}, '{"v":"x"}', {"v": "x"}),
        ({}, '{"v":{"a":1e400}}', {"v": {"a": float("inf")}}),
    ],
)
def test_members_are_coerced_like_columns(field: dict[str, Any], line: str, wanted: Any) -> None:
    """A member's text goes through its type's rule; null and absent are told apart."""
    shaped = mapping(v=field)(ndjson_block(line.encode() + b"\n"))
    assert [json.loads(text) for text in texts_of(shaped, 0)] == [wanted]


@pytest.mark.parametrize(
    ("field", "line", "reason"),
    [
        ({"type": "integer"}, '{"v":1.5}', "not_whole"),
        ({"type": "integer"}, '{"v":12345678901234567890}', "out_of_range"),
        ({"type": "integer"}, '{"v":""}', "not_an_integer"),
        ({"type": "integer"}, '{"v":[1]}', "not_an_integer"),
        ({"type": "decimal"}, '{"v":1e400}', "out_of_range"),
        ({"type": "date"}, '{"v":20240229}', "not_a_date"),
        ({"type": "integer", "required": True}, '{"v":null}', "missing_value"),
        ({"type": "integer", "required": True}, "{}", "missing_value"),
        ({"required": True}, "{}", "missing_value"),
    ],
)
def test_members_that_do_not_fit_are_rejects(field: dict[str, Any], line: str, reason: str) -> None:
    """With the field, the key and the line as it came."""
    shaped = mapping(f={"from": "v", **field})(ndjson_block(line.encode() + b"\r\n"))
    (reject,) = shaped.segments[0].rejects
    assert (reject.reason, reject.field, reject.column) == (reason, "f", "v")
    assert (reject.raw, reject.record, reject.line) == (line.encode(), 1, 1)
    assert shaped.buffer == b""


NULLABLE = st.sampled_from(["null", "1", '"x"', '"NA"', "[null]", '""'])
MEMBERS = st.lists(
    st.tuples(st.sampled_from("abcxy"), NULLABLE), max_size=5, unique_by=lambda m: m[0]
)


@given(
    st.lists(MEMBERS, max_size=6),
    st.dictionaries(
        st.sampled_from("abc"),
        st.sampled_from(
            [
                {},
                {"nulls": ["NA", ""]},
                {"required": True},
                {"type": "integer"},
                {"type": "string", "nulls": "x"},
                {"default": "d"},
                {"type": "json", "nulls": "NA"},
            ]
        ),
    ),
    st.sampled_from(["keep", "drop"]),
    st.booleans(),
)
@settings(max_examples=300)
def test_leaving_nulls_out_is_sending_the_others(
    records: list[list[tuple[str, str]]], fields: dict[str, Any], rest: str, constant: bool
) -> None:
    """What a field makes null is left out; what travels as it came keeps its nulls."""
    lines = ["{" + ",".join(f'"{k}":{v}' for k, v in members) + "}" for members in records]
    block = ndjson_block("".join(line + "\n" for line in lines).encode())
    fields = {**fields, **({"n": {"value": "null", "type": "json"}} if constant else {})}
    if not fields and rest == "drop":
        return
    sent, omitted = (
        shaper_of(job_of(source={"rest": rest}, fields=fields, target={"nulls": nulls}))(block)
        for nulls in ("send", "omit")
    )
    assert [part.rejects for part in omitted.segments] == [p.rejects for p in sent.segments]
    less = [
        [{k: v for k, v in r.items() if v is not None or k not in fields} for r in records]
        for records in records_of(sent)
    ]
    assert records_of(omitted) == less


def test_nulls_that_no_field_reads_stay() -> None:
    """With nothing to map, and beside fields."""
    job = job_of(target={"nulls": "omit"})
    assert one(shaper_of(job), '{"a":null}') == [{"a": None}]
    job = job_of(fields={"b": {}}, target={"nulls": "omit"})
    assert one(shaper_of(job), '{"a":null,"b":null}', '{"b":null}') == [{"a": None}, {}]


def strict_of(job: Job, *live: Column) -> JsonShaper:
    """A shaper for a strict service whose live table has these columns."""
    schema = Schema("t", live) if live else None
    return JsonShaper({LAYOUT: plan_of(LAYOUT, job, schema, STRICT)}, b"\n", NO_LIMIT)


def test_members_that_the_table_requires() -> None:
    """A record without one, or with null for it, is a reject where fields are named; the rest of
    the members stay where they stood."""
    live = [Column(name, "String", required=name != "free") for name in ("a", "must", "free")]
    shaper = strict_of(job_of(fields={"a": {}}), *live)
    lines = [
        '{"must":"x","a":"1"}',
        '{"a":"2"}',
        '{"must":null,"a":"3"}',
        '{"must": "y", "free":null}',
        '{"free":1,"must":"null","a":"5"}',
    ]
    shaped = shaper(ndjson_block("".join(line + "\n" for line in lines).encode()))
    assert texts_of(shaped, 0) == [
        b'{"a":"1","must":"x"}',
        b'{"a":"5","free":1,"must":"null"}',
    ]
    rejects = shaped.segments[0].rejects
    assert [(r.record, r.stage, r.reason, r.field, r.column) for r in rejects] == [
        (2, "map", "missing_value", "must", "must"),
        (3, "map", "missing_value", "must", "must"),
        (4, "map", "missing_value", "a", "a"),
    ]
    assert all("is required" in reject.message for reject in rejects)


def test_with_nothing_to_map_nothing_is_asked_of_a_record() -> None:
    """It travels as it came into a typed table, and the service judges."""
    live = (Column("n", "Int", required=True), Column("must", "String", required=True))
    lines = ['{"n":"no number"}', '{"n": 9999999999 , "other":null}']
    shaped = strict_of(job_of(), *live)(ndjson_block("\n".join([*lines, ""]).encode()))
    assert texts_of(shaped, 0) == [line.encode() for line in lines]


def test_integers_beyond_the_column_are_rejects() -> None:
    """In a number or in a text, of a field with a type or with a live column's."""
    shaper = strict_of(job_of(fields={"n": {}, "m": {"type": "integer"}}), Column("n", "Int"), M)
    good = '{"n":2147483647,"m":9999999999}'
    lines = [good, '{"n":2147483648}', '{"n":"-2147483649"}', '{"n":1e10}', '{"m":1e19}']
    shaped = shaper(ndjson_block("".join(line + "\n" for line in lines).encode()))
    assert texts_of(shaped, 0) == [good.encode()]
    assert rejects_of(shaped) == [(n, n, "out_of_range") for n in (2, 3, 4, 5)]
    assert "'n' of type Int" in shaped.segments[0].rejects[0].message
    assert "64 bits" in shaped.segments[0].rejects[3].message


M = Column("m", "Long")


def test_a_key_under_a_name_that_a_field_makes() -> None:
    """Such a record would hold the name twice; two fields that swap names don't clash."""
    shaper = mapping(a={"from": "b"}, c={"value": 1})
    block = ndjson_block(b'{"b":1}\n{"a":5,"b":1}\n{"c":2}\n{"b":2}\n')
    shaped = shaper(block)
    assert rejects_of(shaped) == [(2, 2, "name_taken"), (3, 3, "name_taken")]
    assert records_of(shaped)[0] == [{"a": 1, "c": 1}, {"a": 2, "c": 1}]
    assert one(mapping(a={"from": "b"}, b={"from": "a"}), '{"a":1,"b":2}') == [{"a": 2, "b": 1}]
    assert one(mapping("drop", a={"from": "b"}), '{"a":5,"b":1}') == [{"a": 1}]


def test_names_that_need_escapes() -> None:
    """Quotes, backslashes and other letters in keys and in field names."""
    shaper = shaper_of(job_of(fields={'f"ü\\': {"from": 'k"ü\\\n', "type": "integer"}}))
    line = json.dumps({'k"ü\\\n': "5", 'r"\t': 1})
    assert one(shaper, line) == [{'f"ü\\': 5, 'r"\t': 1}]


def test_pseudo_columns_and_sql() -> None:
    """Names come from the file, line numbers count blank lines, SQL sees the fields."""
    shaper = mapping(
        stem={"from": "@stem"},
        line={"from": "@line"},
        v={"type": "integer"},
        twice={"sql": "v * 2"},
    )
    shaped = shaper(ndjson_block(b'\n{"v":1}\n\n{"v":2}\n', b"", b'{"v":"x"}\n{"v":3}\n'))
    assert records_of(shaped) == [
        [
            {"stem": "f0", "line": 2, "v": 1, "twice": 2},
            {"stem": "f0", "line": 4, "v": 2, "twice": 4},
        ],
        [],
        [{"stem": "f2", "line": 2, "v": 3, "twice": 6}],
    ]
    assert [s.lines for s in shaped.segments] == [4, 0, 2]


def test_an_upsert_key_that_nobody_named() -> None:
    """The key is read and must be there; all else travels on."""
    job = job_of(target={"mode": "upsert", "upsert_key": "id"})
    shaped = shaper_of(job)(ndjson_block(b'{"v":1,"id":5}\n{"v":2}\n{"id":"x"}\n{"id":null}\n'))
    assert records_of(shaped)[0] == [{"id": 5, "v": 1}, {"id": "x"}]
    assert shaped.segments[0].keys == ("5", '"x"')
    assert rejects_of(shaped) == [(2, 2, "missing_value"), (4, 4, "missing_value")]


@pytest.mark.parametrize("size", [0, 1, 2])
@pytest.mark.parametrize(
    "shaper", [PASS, mapping(v={}), mapping(c={"value": 1})], ids=["pass", "field", "constant"]
)
def test_few_records(shaper: JsonShaper, size: int) -> None:
    """None, one, two; an empty object is a record."""
    shaped = shaper(ndjson_block(b"{}\n" * size))
    assert len(texts_of(shaped, 0)) == shaped.segments[0].records == size
    assert shaped.segments[0].rejects == ()


@pytest.mark.parametrize("shaper", [PASS, mapping(v={})], ids=["pass", "field"])
def test_a_line_of_exactly_the_limit(shaper: JsonShaper) -> None:
    """One byte more is a reject of the whole record, with its place."""
    line = b'{"v":"' + "é".encode() * 5 + b'"}'
    for most, kept in ((len(line), 1), (len(line) - 1, 0)):
        shaped = replace(shaper, largest_record=most)(ndjson_block(b"{}\n" + line + b"\n"))
        assert len(texts_of(shaped, 0)) == 1 + kept
        assert rejects_of(shaped) == [(2, 2, "record_too_large")] * (1 - kept)
        for reject in shaped.segments[0].rejects:
            assert (reject.stage, reject.field, reject.column) == ("limit", None, None)
            assert (reject.raw, reject.byte) == (line, 3)


def test_places_of_rejects() -> None:
    """Record, line and byte count blank lines as lines, and what blank lines hold as bytes."""
    lines = [b'{"a":1}\r', b"  \r", "é".encode(), b"", b'{"a":2}', b"[", b'{"a":1,"a":2}\r']
    data = b"".join(line + b"\n" for line in lines)
    block = ndjson_block(b'{"x":1}\n', data)
    first, second = block.segments
    block = replace(block, segments=(first, replace(second, byte=1000)))
    for shaper in (PASS, mapping(a={})):
        rejects = shaper(block).segments[1].rejects
        assert [(r.record, r.line, r.byte - 1000, r.raw) for r in rejects] == [
            (2, 3, data.index("é".encode()), "é".encode()),
            (4, 6, data.index(b"["), b"["),
            (5, 7, data.index(b'{"a":1,"a"'), b'{"a":1,"a":2}'),
        ]
        assert {r.file for r in rejects} == {second.file.shown}
        places = shaper.locate(block, 1, [1, 3, 5])
        assert [(p.record, p.line, p.byte, p.raw) for p in places] == [
            (1, 1, 1000, b'{"a":1}'),
            (3, 5, 1000 + data.index(b'{"a":2}'), b'{"a":2}'),
            (5, 7, 1000 + data.index(b'{"a":1,"a"'), b'{"a":1,"a":2}'),
        ]


@pytest.mark.parametrize("encoding", ["utf-16-le", "cp1252"])
def test_bytes_are_those_of_the_original(encoding: str) -> None:
    """Offsets are given in the file's own encoding."""
    lines = ['{"a":"é"}', "", "é", '{"a":1,"a":2}']
    text = "\n".join(lines) + "\n"
    block = ndjson_block(text.encode())
    block = replace(block, segments=(replace(block.segments[0], byte=2, encoding=encoding),))
    original = b"\xff\xfe"[:2] + text.encode(encoding)
    for reject in PASS(block).segments[0].rejects:
        assert original[reject.byte :].decode(encoding).startswith(reject.raw.decode())


def oversize_block(head: bytes) -> Block:
    """A file's segment with nothing but the head of a record that was cut, between two others."""
    segments, start, data = [], 0, b""
    for index, part in enumerate((b'{"a":1}\n', head + b"\n", b'{"a":3}\n')):
        segments.append(Segment(make_file(index), start, start + len(part), 0))
        start += len(part)
        data += part
    return Block(0, data, LAYOUT, tuple(segments), oversize=(Oversize(8, 5000, 0),))


@pytest.mark.parametrize("head", [b'{"a":"' + b"x" * 50, b'{"a":2}', b"   ", b"["])
@pytest.mark.parametrize("shaper", [PASS, mapping(a={})], ids=["pass", "field"])
def test_a_record_of_which_only_the_head_is_left(shaper: JsonShaper, head: bytes) -> None:
    """It is one reject, whatever its head looks like; the others are untouched."""
    shaped = shaper(oversize_block(head))
    assert records_of(shaped) == [[{"a": 1}], [], [{"a": 3}]]
    (reject,) = shaped.segments[1].rejects
    assert (reject.reason, reject.record, reject.line) == ("record_too_long", 1, 1)
    assert reject.raw_truncated
    assert f"{len(head) + 5000:,}" in reject.message


@given(
    st.lists(
        st.lists(
            st.sampled_from(["{}", "[", "", '{"a":"x"}', '{"a":5}', '{"f":0}', " "]), max_size=6
        ),
        max_size=4,
    )
)
@settings(max_examples=150)
def test_every_record_is_out_or_a_reject(files: Sequence[Sequence[str]]) -> None:
    """Segments keep their own: records found are lines that hold something, each with one end."""
    block = ndjson_block(*["".join(line + "\n" for line in lines).encode() for lines in files])
    shaped = mapping(f={"from": "a", "type": "integer"})(block)
    assert len(shaped.segments) == len(files)
    for index, (lines, part) in enumerate(zip(files, shaped.segments, strict=True)):
        held = [(n, line) for n, line in enumerate(lines, 1) if line.strip()]
        good = {"{}": {}, '{"a":5}': {"f": 5}}
        assert records_of(shaped)[index] == [good[line] for _, line in held if line in good]
        bad = [(r, n, line) for r, (n, line) in enumerate(held, 1) if line not in good]
        assert [(r.record, r.line, r.raw.decode()) for r in part.rejects] == bad
        assert (part.records, part.lines) == (len(held), len(lines))


def test_many_rejects_cost_little() -> None:
    """Twenty thousand bad lines are told at once, each with its place."""
    count = 20_000
    block = ndjson_block(b"x\n" * count)
    rejects: Sequence[Reject] = PASS(block).segments[0].rejects
    assert [rejects[i].byte for i in (0, 1, count - 1)] == [0, 2, 2 * count - 2]


def test_many_threads_shape_at_once() -> None:
    """One shaper, several threads, each block as if alone."""
    shaper = mapping(v={"type": "integer"})
    blocks = [
        ndjson_block(b"".join(b'{"v":"%d%s"}\n' % (i * k, b"x" * (i % 9 == 0)) for i in range(300)))
        for k in range(1, 9)
    ]
    alone = [shaper(block) for block in blocks]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(shaper, blocks * 2)) == alone * 2
