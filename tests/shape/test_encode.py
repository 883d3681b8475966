"""Columns to lines: against an oracle that does one value after the other in plain Python."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import orjson
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ingest.model import Layout
from ingest.shape.encode import BadCell, Encoded, Extras, encode
from ingest.shape.encode_check import HEAD_ROWS
from ingest.shape.plan import FieldPlan, ShapePlan
from ingest.shape.values import BadValue, quoted
from tests.shape.helpers import (
    LENIENT,
    ODD_TEXTS,
    STRICT,
    any_text,
    integers_around,
    job_of,
    numbers_and_noise,
    plan_of,
)

ROOMY = replace(STRICT, column_name_problem=lambda _: None)
NAMES = ("a", 'ä "q"', "back\\slash", "c0", "json1", "line", "tab\there", "x y")
NO_LIMIT = 10**9
Row = Sequence[str | None]


@dataclass
class Said:
    """What the oracle says: the good lines and their keys, the first trouble of each bad row."""

    lines: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    bad: dict[int, tuple[str | None, str, str]] = field(default_factory=dict)


SQL_BY_HAND: Mapping[str, Callable[[Any], Any]] = {
    "'<' || {} || '>'": lambda value: None if value is None else f"<{value}>",
    "coalesce({}, '-')": lambda value: "-" if value is None else value,
    "case when {} = 'a' then 1 else 0 end": lambda value: int(value == "a"),
}


def oracle(plan: ShapePlan, rows: Sequence[Row], columns: Mapping[int, int], most: int) -> Said:
    """One value after the other; `columns` says which cell of a row each field reads."""
    said = Said()
    for number, row in enumerate(rows):
        spelt: dict[str, str] = {}
        trouble: tuple[str | None, str, str] | None = None
        in_order = sorted(plan.fields, key=lambda f: f.sql is not None)
        for one in in_order:
            index = plan.fields.index(one)
            cell = row[columns[index]] if index in columns else None
            spelt[one.name], found = by_hand(plan, one, cell, spelt)
            trouble = trouble or found
        sent = [f for f in plan.fields if not (plan.omit_nulls and spelt[f.name] == "null")]
        line = "{" + ",".join(quoted(f.name) + ":" + spelt[f.name] for f in sent) + "}"
        if trouble is None and len(line.encode()) > most:
            trouble = (None, "limit", "record_too_large")
        if trouble is None:
            said.lines.append(line)
            said.keys.append(spelt[plan.key] if plan.key else "")
        else:
            said.bad[number] = trouble
    return said


def by_hand(
    plan: ShapePlan, one: FieldPlan, cell: str | None, spelt: Mapping[str, str]
) -> tuple[str, tuple[str | None, str, str] | None]:
    """The JSON of one field of one record, and what is wrong with it."""
    if one.constant is not None:
        return one.constant, None
    if one.sql is not None:
        for template, work in SQL_BY_HAND.items():
            head, tail = template.split("{}")
            if one.sql.startswith(head) and one.sql.endswith(tail):
                source = one.sql[len(head) + 1 : len(one.sql) - len(tail) - 1].replace('""', '"')
                return json.dumps(work(json.loads(spelt[source])), ensure_ascii=False), None
        raise AssertionError(one.sql)
    if cell is None or cell in one.nulls:
        if one.required or one.name == plan.key:
            return "null", (one.name, "map", "missing_value")
        return one.default or "null", None
    assert one.rule is not None
    try:
        json_text = one.rule.scalar(cell)
    except BadValue as exc:
        return "null", (one.name, "coerce", exc.reason)
    lacks = json_text == "null" and (one.required or one.name == plan.key)
    return json_text, (one.name, "map", "missing_value") if lacks else None


def encoded(plan: ShapePlan, rows: Sequence[Row], most: int = NO_LIMIT) -> Encoded:
    """What `encode` makes of these rows."""
    width = len(plan.layout.columns)
    frame = pl.DataFrame(
        {f"c{i}": pl.Series([row[i] for row in rows], dtype=pl.String) for i in range(width)}
    )
    columns = {i: f"c{f.position}" for i, f in enumerate(plan.fields) if f.position >= 0}
    return encode(frame, plan, columns, most)


def shown(bad: Sequence[BadCell]) -> dict[int, tuple[str | None, str, str]]:
    """Bad cells as the oracle tells them."""
    return {
        cell.row: (cell.field.name if cell.field else None, cell.stage, cell.trouble.reason)
        for cell in bad
    }


def assert_same(plan: ShapePlan, rows: Sequence[Row], most: int = NO_LIMIT) -> Said:
    """`encode` and the oracle agree on every line, key, bad row and reason."""
    columns = {i: f.position for i, f in enumerate(plan.fields) if f.position >= 0}
    said = oracle(plan, rows, columns, most)
    made = encoded(plan, rows, most)
    assert made.lines.to_list() == said.lines
    assert shown(made.bad) == said.bad
    assert [cell.row for cell in made.bad] == sorted(said.bad)
    if plan.key is None:
        assert made.keys is None
    else:
        assert list(made.keys or ()) == said.keys
    for line in said.lines:
        json.loads(line)
    if made.rows is not None:
        assert made.rows.to_list() == [i for i in range(len(rows)) if i not in said.bad]
    return said


def settings_of(name: str) -> st.SearchStrategy[dict[str, Any]]:
    """Settings of one field that reads the column of this name."""
    nulls = st.sampled_from([None, [], [""], ["NA"], ["", "NA", "null"]])
    kinds = ["string", "text", "integer", "decimal", "boolean", "date", "timestamp", "json"]
    plain = st.fixed_dictionaries(
        {"from": st.just(name), "type": st.sampled_from(kinds), "nulls": nulls}
    )
    defaults = st.sampled_from(
        [
            {"type": "string", "default": 'd"q'},
            {"type": "integer", "default": 7},
            {"type": "decimal", "default": "1.50"},
            {"type": "boolean", "default": True},
            {"type": "boolean", "true": ["Y"], "false": ["N"]},
            {"type": "date", "default": "2024-01-05"},
            {"type": "string", "required": True},
            {"type": "integer", "required": True},
            {"type": "json", "required": True},
            {"type": "json", "default": "[0]"},
            {"type": "json", "default": "null"},
            {"type": "decimal", "decimal": ","},
            {"type": "date", "format": ["%d.%m.%Y"]},
            {"type": "string", "column": {"max_length": 3}},
        ]
    )
    with_default = st.builds(lambda d, n: {"from": name, "nulls": n, **d}, defaults, nulls)
    constant = st.sampled_from(
        [{"value": 'c"é'}, {"value": 5}, {"value": False}, {"value": "null", "type": "json"}]
    )
    return st.one_of(plain, with_default, constant)


@st.composite
def tables(draw: st.DrawFn) -> tuple[ShapePlan, list[list[str | None]]]:
    """A plan over a few columns, and rows for it."""
    width = draw(st.integers(1, 4))
    names = draw(st.permutations(NAMES))[:width]
    fields = {f"f{name}": draw(settings_of(name)) for name in names}
    texts = [n for n, f in fields.items() if f.get("type") == "string" and "column" not in f]
    if draw(st.booleans()) and texts:
        template = draw(st.sampled_from(list(SQL_BY_HAND)))
        source = '"' + texts[0].replace('"', '""') + '"'
        fields["sql"] = {"sql": template.format(source)}
    rest = draw(st.sampled_from(["keep", "drop"]))
    job = job_of(
        source={"rest": rest},
        fields=fields,
        target={"nulls": draw(st.sampled_from(["send", "omit"]))},
    )
    types = draw(st.sampled_from([LENIENT, ROOMY]))
    plan = plan_of(Layout("csv", tuple(names)), job, types=types)
    words = st.sampled_from(["NA", "", "Y", "N", "a", "null"])
    cell = st.one_of(numbers_and_noise(), any_text(), words, integers_around(2**31, -(2**31)))
    same = st.sampled_from(["1", "2.5", "-7", "1700000000", "2147483648"])
    uniform = draw(st.sampled_from([cell, same, st.one_of(st.none(), cell), st.none() | same]))
    rows = draw(st.lists(st.lists(uniform, min_size=width, max_size=width), max_size=12))
    return plan, rows


@given(tables())
@settings(max_examples=250)
def test_lines_are_those_of_the_oracle(table: tuple[ShapePlan, list[list[str | None]]]) -> None:
    """Any plan, any rows: the same lines, the same rejects for the same reasons."""
    plan, rows = table
    assert_same(plan, rows)


@given(tables(), st.integers(0, 120))
@settings(max_examples=100)
def test_lines_too_long_are_rejects(
    table: tuple[ShapePlan, list[list[str | None]]], most: int
) -> None:
    """Any limit: longer lines are left out, all others stay."""
    plan, rows = table
    assert_same(plan, rows, most)


def simple(**fields: Mapping[str, Any]) -> ShapePlan:
    """A plan that reads the column `v` by these fields."""
    return plan_of(Layout("csv", ("v",)), job_of(source={"rest": "drop"}, fields=fields))


def omitting(**fields: Mapping[str, Any]) -> ShapePlan:
    """The same plan, but nulls are left out."""
    return replace(simple(**fields), omit_nulls=True)


@pytest.mark.parametrize(
    "kind", ["string", "integer", "decimal", "boolean", "date", "timestamp", "json"]
)
@pytest.mark.parametrize("count", [0, 1, 2, 3 * HEAD_ROWS])
def test_a_column_of_nulls_only(kind: str, count: int) -> None:
    """Nothing is suggested by any value, and every cell is null (or the default)."""
    plan = simple(v={"type": kind}, d={"from": "v", "type": "string", "default": "x"})
    said = assert_same(plan, [[""]] * count)
    assert said.lines == ['{"v":null,"d":"x"}'] * count


@pytest.mark.parametrize("kind", ["string", "integer", "decimal", "date", "timestamp"])
def test_the_first_value_may_come_late(kind: str) -> None:
    """The first rows are null; then stand good values, then bad ones."""
    good = {"string": 'a"b', "integer": "12345.0", "decimal": "1E5", "date": "2024-02-29"}
    text = good.get(kind, "2024-01-05 10:00")
    rows = [[""]] * (HEAD_ROWS + 5) + [[text], [""], ["é"], [text]]
    said = assert_same(simple(v={"type": kind}), rows)
    assert set(said.bad) == (set() if kind == "string" else {HEAD_ROWS + 7})


@pytest.mark.parametrize("count", [0, 1, 2, 100])
def test_a_record_of_constants_only(count: int) -> None:
    """Each row gives one line though no column is read."""
    plan = simple(a={"value": 1}, b={"value": 'q"'})
    assert encoded(plan, [["x"]] * count).lines.to_list() == ['{"a":1,"b":"q\\""}'] * count


@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_constant_may_be_the_key(count: int) -> None:
    """One key a line, whatever made it."""
    job = job_of(
        source={"rest": "drop"},
        fields={"k": {"value": "x"}},
        target={"mode": "upsert", "upsert_key": "k"},
    )
    made = encoded(plan_of(Layout("csv", ("v",)), job), [["1"]] * count)
    assert made.keys == ('"x"',) * count


def test_the_key_must_be_there() -> None:
    """A row without its upsert key is a reject; the keys are those of the good rows."""
    job = job_of(fields={"v": {"type": "integer"}}, target={"mode": "upsert", "upsert_key": "v"})
    said = assert_same(plan_of(Layout("csv", ("v",)), job), [["5"], [""], ["x"], ["7.0"]])
    assert said.keys == ["5", "7"]
    assert said.bad == {1: ("v", "map", "missing_value"), 2: ("v", "coerce", "not_an_integer")}


def test_the_limit_of_a_line_is_exact() -> None:
    """The longest line that may be is one of exactly the limit; bytes count, not characters."""
    line = '{"v":"éé"}'
    size = len(line.encode())
    plan = simple(v={"type": "string"})
    assert encoded(plan, [["éé"]], size).lines.to_list() == [line]
    for rows in ([["éé"]], [["éé"], ["a"]], [["a"], ["éé"]]):
        made = encoded(plan, rows, size - 1)
        assert made.lines.to_list() == ['{"v":"a"}'] * (len(rows) - 1)
        (cell,) = made.bad
        assert (cell.stage, cell.field) == ("limit", None)
        assert str(size) in cell.trouble.message


def test_the_first_trouble_of_a_row_is_told() -> None:
    """A row with two bad values is one reject, for the field that comes first."""
    plan = simple(a={"from": "v", "type": "integer"}, b={"from": "v", "type": "date"})
    said = assert_same(plan, [["x"], ["5"]])
    assert said.bad == {0: ("a", "coerce", "not_an_integer"), 1: ("b", "coerce", "not_a_date")}


def test_a_row_on_which_sql_fails_is_its_reject() -> None:
    """The other rows go through, values too wide for 64 bits are rejects as well."""
    plan = simple(
        v={"type": "string"},
        n={"sql": "cast(v as bigint) * 4"},
    )
    rows = [["1"], ["x"], [str(2**62)], [""], ["5"]] * 50
    made = encoded(plan, rows)
    lines = ['{"v":"1","n":4}', '{"v":null,"n":null}', '{"v":"5","n":20}'] * 50
    assert made.lines.to_list() == lines
    assert {cell.row % 5 for cell in made.bad} == {1, 2}
    assert len(made.bad) == 100


def test_sql_sees_typed_values() -> None:
    """Numbers add up, dates compare, constants are what they are written as."""
    fields: dict[str, dict[str, Any]] = {
        "n": {"from": "v", "type": "integer"},
        "one": {"value": 1},
        "half": {"value": 0.5},
        "yes": {"value": True},
        "day": {"value": "2024-01-05", "type": "date"},
        "sum": {"sql": "n + one", "type": "integer"},
        "product": {"sql": "n * half"},
        "flag": {"sql": "not yes"},
        "year": {"sql": "extract(year from day) + n"},
        "again": {"sql": "sum * 2"},
        "wide": {"sql": "n * 1.5"},
        "next": {"sql": "day + interval '1 day'"},
    }
    made = encoded(simple(**fields), [["3"]])
    record = orjson.loads(made.lines[0])
    assert {k: record[k] for k in list(fields)[5:]} == {
        "sum": 4,
        "product": 1.5,
        "flag": False,
        "year": 2027,
        "again": 8,
        "wide": 4.5,
        "next": "2024-01-06",
    }


@given(st.lists(st.one_of(any_text(), st.sampled_from(ODD_TEXTS)), max_size=10))
@settings(max_examples=100)
def test_texts_pass_through_sql_unharmed(texts: list[str]) -> None:
    """SQL sees the text itself, not its JSON, and what it gives is JSON again."""
    plan = simple(v={"type": "string", "nulls": []}, w={"sql": "v"}, x={"sql": "'é' || v"})
    made = encoded(plan, [[text] for text in texts])
    records = [orjson.loads(line) for line in made.lines]
    assert records == [{"v": text, "w": text, "x": "é" + text} for text in texts]


def test_sql_with_a_type_is_read_by_it() -> None:
    """What the expression gives goes through the type's rule, and may be refused by it."""
    plan = simple(v={"type": "string"}, n={"sql": "v || '0'", "type": "integer"})
    made = encoded(plan, [["5"], ["x"], [""]])
    assert made.lines.to_list() == ['{"v":"5","n":50}', '{"v":null,"n":null}']
    assert shown(made.bad) == {1: ("n", "coerce", "not_an_integer")}


def test_required_sql_must_give_a_value() -> None:
    """Null from an expression is missing where a value is required."""
    plan = simple(v={"type": "string"}, n={"sql": "nullif(v, 'x')", "required": True})
    made = encoded(plan, [["5"], ["x"]])
    assert shown(made.bad) == {1: ("n", "map", "missing_value")}


@given(tables())
@settings(max_examples=250)
def test_leaving_nulls_out_is_sending_the_others(
    table: tuple[ShapePlan, list[list[str | None]]],
) -> None:
    """Records that are sent without nulls are those with nulls, less their null members; rejects
    and keys are the same."""
    plan, rows = table
    with_nulls = encoded(replace(plan, omit_nulls=False), rows)
    without = encoded(replace(plan, omit_nulls=True), rows)
    assert shown(without.bad) == shown(with_nulls.bad)
    assert without.keys == with_nulls.keys
    for left, right in zip(without.lines, with_nulls.lines, strict=True):
        members = [(k, v) for k, v in pairs_of(right) if v is not None]
        assert pairs_of(left) == members


def pairs_of(line: str) -> list[tuple[str, Any]]:
    """The members of a record in their order, numbers as their digits."""
    pairs = json.loads(line, parse_int=str, parse_float=str, object_pairs_hook=list)
    assert isinstance(pairs, list)
    return pairs


@pytest.mark.parametrize(
    ("rows", "lines"),
    [
        ([[""]], ["{}"]),
        ([["1"]], ['{"a":1,"b":1,"c":"1"}']),
        ([["1"], [""]], ['{"a":1,"b":1,"c":"1"}', "{}"]),
        ([], []),
    ],
)
def test_a_record_of_nulls_only_is_empty(rows: list[list[str]], lines: list[str]) -> None:
    """Commas stand between what is left, wherever the nulls are."""
    fields = {"a": {"type": "integer"}, "b": {"type": "decimal"}, "c": {"type": "string"}}
    plan = omitting(**{n: {"from": "v", **f} for n, f in fields.items()})
    assert encoded(plan, rows).lines.to_list() == lines


def test_only_what_has_no_value_is_left_out() -> None:
    """A default is a value, a null of a JSON text is none, and SQL may give none either."""
    plan = omitting(
        a={"from": "v", "type": "string", "default": "-"},
        b={"from": "v", "type": "json"},
        c={"sql": "nullif(a, '1')"},
        d={"value": "null", "type": "json"},
    )
    assert encoded(plan, [["1"], [""], ["null"]]).lines.to_list() == [
        '{"a":"1","b":1}',
        '{"a":"-","c":"-"}',
        '{"a":"null","c":"null"}',
    ]


def test_a_null_within_a_required_json_text_is_missing() -> None:
    """The column would refuse it like any other null."""
    said = assert_same(simple(v={"type": "json", "required": True}), [["null"], ["[null]"], [""]])
    assert set(said.bad) == {0, 2}


JSON_PLAN = ShapePlan(
    Layout("ndjson"),
    (
        FieldPlan("a", column="a"),
        FieldPlan("b", column="b", default="0"),
        FieldPlan("c", column="c"),
    ),
    rest=True,
)


def test_absent_keys_and_the_rest() -> None:
    """A key that is absent stays so; the rest stands behind, with a comma only where it is due."""
    frame = pl.DataFrame(
        {
            "a": ['"x"', None, None, "[1, 2]"],
            "b": ["1", None, None, "2"],
            "c": [None, None, "5", None],
            "na": [False, True, False, False],
            "nc": [True, True, False, False],
            "rest": ["", '"r":1', "", '"r":1,"s":{}'],
        }
    )
    extras = Extras({0: "na", 2: "nc"}, "rest")
    made = encode(frame, JSON_PLAN, {0: "a", 1: "b", 2: "c"}, NO_LIMIT, extras)
    assert made.lines.to_list() == [
        '{"a":"x","b":1}',
        '{"b":0,"r":1}',
        '{"a":null,"b":0,"c":5}',
        '{"a":[1, 2],"b":2,"c":null,"r":1,"s":{}}',
    ]


def test_only_the_rest_and_too_long() -> None:
    """Without any field, a line that is too long is a reject of the whole record."""
    plan = ShapePlan(Layout("ndjson"), (), rest=True)
    frame = pl.DataFrame({"rest": ["", '"a":1', '"a":"123456789"']})
    made = encode(frame, plan, {}, 7, Extras(rest="rest"))
    assert made.lines.to_list() == ["{}", '{"a":1}']
    assert shown(made.bad) == {2: (None, "limit", "record_too_large")}


def test_many_threads_encode_at_once() -> None:
    """One plan, several threads: each block comes out as if it were alone."""
    plan = simple(
        n={"from": "v", "type": "integer"},
        s={"from": "v", "type": "string"},
        t={"sql": "upper(s)"},
    )
    blocks = [[[f"{i}{'x' if i % 7 == 0 else ''}"] for i in range(k, k + 200)] for k in range(8)]
    alone = [encoded(plan, rows) for rows in blocks]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda rows: encoded(plan, rows), blocks * 3))
    for one, many in zip(alone * 3, together, strict=True):
        assert one.lines.to_list() == many.lines.to_list()
        assert shown(one.bad) == shown(many.bad)
