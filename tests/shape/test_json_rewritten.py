"""Lines that are written anew are what they would be if each member were taken out."""

from __future__ import annotations

import json
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.model import Layout
from ingest.shape.json_alike import Members, Rewritten, read_alike
from ingest.shape.json_pattern import build_of
from ingest.shape.json_rewritten import Rewriting, rewriting_of
from ingest.shape.json_shape import JsonShaper
from ingest.shape.service import ServiceTypes
from tests.shape.helpers import LENIENT, STRICT, job_of, ndjson_block, plan_of

pytestmark = pytest.mark.usefixtures("either_engine")
LAYOUT = Layout("ndjson")
STYLES = st.sampled_from([(",", ":"), (", ", ": ")])
# What a member's values look like, and what may stand among them.
VALUES: dict[str, list[str]] = {
    "text": ['"a"', '""', '"a,"', '","', '"}"', '":"', '"é\u2028"', '"\\""', "null", "1"],
    "number": ["1", "-2.50", "1e3", "null", '"1"', "true", "1e400", "9999999999999999999"],
    "quoted": ['"1"', '"-2"', '""', '"1,"', "null", "1", '"0"'],
    "day": ['"2024-02-29"', '"2023-02-29"', "null", '"2024-01-31"', "20240131"],
    "truth": ["true", "false", "null", '"true"'],
    "raw": ["1", '"a\\u0000,"', "null", '"\\","', "1e999", '"x"'],
}
TYPES: dict[str, dict[str, Any]] = {
    "text": {"type": "string"},
    "number": {"type": "decimal"},
    "quoted": {"type": "integer"},
    "day": {"type": "date"},
    "truth": {"type": "boolean"},
    "raw": {},
}
DEFAULTS = {"text": "-", "number": 1, "quoted": 2, "day": "2024-01-01", "truth": True, "raw": "-"}
KEYS = {
    "text": "te,xt",
    "number": "A Number",
    "quoted": "q",
    "day": "day",
    "truth": "t",
    "raw": "r",
}


def job_for(kinds: list[str], more: dict[str, Any], **settings: Any) -> Any:
    """Fields for these members, with other names."""
    fields = {
        f"f_{kind}": {"from": KEYS[kind]}
        | TYPES[kind]
        | ({"default": DEFAULTS[kind]} if "default" in more else more)
        for kind in kinds
    }
    source = {"rest": settings.pop("rest", "keep")}
    return job_of(fields=fields | settings.pop("made", {}), source=source, target=settings)


def shaper_for(job: Any, types: ServiceTypes = LENIENT) -> JsonShaper:
    """A shaper by these settings, of records that are not long."""
    return JsonShaper({LAYOUT: plan_of(LAYOUT, job, types=types)}, b"\n", 1000)


def outcomes(shaper: JsonShaper, *files: bytes) -> tuple[Any, Any, Any]:
    """What is read of a block; what becomes of it that way, and one by one."""
    block, plan = ndjson_block(*files), shaper.plans[LAYOUT]
    alike = None if plan.passthrough else read_alike(block, plan)
    at_once = None if alike is None else shaper._at_once(block, plan, alike)
    each = shaper._one_by_one(block, plan)
    first, second = ((one and (one.buffer, one.segments)) for one in (at_once, each))
    return alike, first, second


@settings(max_examples=400)
@given(
    st.permutations(list(VALUES)).flatmap(lambda k: st.integers(1, len(k)).map(lambda n: k[:n])),
    st.integers(0, 6),
    STYLES,
    st.sampled_from(
        [{}, {}, {"default": None}, {"required": True}]
        + [
            {"nulls": nulls}
            for nulls in (["a"], [""], ["", "7"], ["true", "2024-02-29", "\\", '"'])
        ]
    ),
    st.sampled_from(["send", "omit"]),
    st.sampled_from(["keep", "drop"]),
    st.data(),
)
def test_rewriting_is_one_by_one(
    kinds: list[str],
    mapped: int,
    style: tuple[str, str],
    more: dict[str, Any],
    nulls: str,
    rest: str,
    data: st.DataObject,
) -> None:
    """Whatever stands among the values, and whether it fits the rest or not."""
    comma, colon = style
    made = data.draw(st.sampled_from([{}, {"c": {"value": "x"}}, {"c": {"value": 1}}]))
    job = job_for(kinds[:mapped], more, rest=rest, nulls=nulls, made=made)
    if not kinds[:mapped] and not made and rest == "drop":
        return
    rows = data.draw(
        st.lists(st.sampled_from(kinds).flatmap(lambda k: st.tuples(st.just(k), values(k))))
    )
    lines = []
    for kind, value in [("", "")] * 100 + rows:  # mostly usual ones, so that a few are odd
        texts = {k: value if k == kind else VALUES[k][0] for k in kinds}
        members = comma.join(f"{json.dumps(KEYS[k])}{colon}{text}" for k, text in texts.items())
        lines.append("{" + members + "}\n")
    shaper = shaper_for(job, data.draw(st.sampled_from([LENIENT, STRICT])))
    half = data.draw(st.integers(0, len(lines)))
    files = ["".join(part).encode() for part in (lines[:half], lines[half:])]
    _, at_once, each = outcomes(shaper, *files)
    assert at_once in (None, each)
    for _ in range(2):  # by itself, and behind a block that was like it
        shaped = shaper(ndjson_block(*files))
        assert (shaped.buffer, shaped.segments) == each


def values(kind: str) -> st.SearchStrategy[str]:
    """A value that may stand in such a member."""
    return st.sampled_from(VALUES[kind])


ALL = list(VALUES)


def usual(count: int, comma: str = ",", colon: str = ":") -> bytes:
    """Lines with all members, each usual."""
    members = (f"{json.dumps(KEYS[k])}{colon}{VALUES[k][0]}" for k in ALL)
    return ("{" + comma.join(members) + "}\n").encode() * count


@pytest.mark.parametrize("count", [1, 2, 30])
@pytest.mark.parametrize("mapped", [1, 2, len(ALL)])
@pytest.mark.parametrize("style", [(",", ":"), (", ", ": ")])
def test_usual_lines_are_rewritten(count: int, mapped: int, style: tuple[str, str]) -> None:
    """So that the law above is about something."""
    shaper = shaper_for(job_for(ALL[:mapped], {}, made={"c": {"value": "x"}}))
    alike, at_once, each = outcomes(shaper, usual(count, *style))
    (part,) = alike.parts
    assert isinstance(part, Rewritten)
    assert len(part.lines) == count
    assert at_once == each


def test_names_quotes_and_constants_change_and_nothing_else() -> None:
    """Digits, escapes and blanks within texts stay."""
    line = b'{"te,xt": "a, b", "A Number": 1.50, "q": "7", "r": "\\u00e9", "z": "\\""}\n'
    fields = {
        "s": {"from": "te,xt", "type": "string"},
        "one": {"value": 1},
        "n": {"from": "A Number", "type": "string"},
        "q": {"type": "integer"},
        "two": {"value": "x"},
    }
    shaper = shaper_for(job_of(fields=fields))
    alike, at_once, each = outcomes(shaper, line)
    assert isinstance(alike.parts[0], Rewritten)
    wanted = b'{"s":"a, b","one":1,"n":"1.50","q":7,"two":"x","r":"\\u00e9","z":"\\""}\n'
    assert at_once == each
    assert at_once[0] == wanted


@pytest.mark.parametrize("odd", [b'"a,"', b'","', b"null", b"7"])
def test_a_few_odd_lines_are_taken_apart(odd: bytes) -> None:
    """A text that ends with a comma looks like two members; it is none of the others'."""
    lines = b'{"a":"x","b":1}\n' * 70 + b'{"a":%b,"b":1}\n' % odd + b'{"a":"y","b":2}\n' * 30
    shaper = shaper_for(job_of(fields={"A": {"from": "a", "type": "string", "required": True}}))
    alike, at_once, each = outcomes(shaper, lines)
    first, second = alike.parts
    assert isinstance(first, Rewritten)
    assert isinstance(second, Members)
    assert second.rows is not None
    assert second.rows.to_list() == [70]
    assert at_once == each


def test_a_record_that_got_too_long_is_rejected() -> None:
    """By its length as it is sent."""
    lines = b'{"a":"%b"}\n{"a":"%b"}\n' % (b"x" * 985, b"x" * 986)
    shaper = shaper_for(job_of(fields={"long name": {"from": "a", "type": "string"}}))
    short = shaper_for(job_of(fields={"A": {"from": "a", "type": "string"}}))
    for one, rejected in ((shaper, 2), (short, 0)):
        alike, at_once, each = outcomes(one, lines)
        assert isinstance(alike.parts[0], Rewritten)
        assert at_once == each
        assert [r.reason for r in at_once[1][0].rejects] == ["record_too_large"] * rejected


def rewriting(lines: list[str], fields: dict[str, Any], **settings: Any) -> Rewriting | None:
    """How such lines are rewritten, if at all."""
    job = job_of(fields=fields, **settings)
    return rewriting_of(build_of([line.encode() for line in lines]), plan_of(LAYOUT, job))


@pytest.mark.parametrize(
    ("lines", "fields"),
    [
        (['{"a":1,"b":2}'], {"b": {}, "a": {}}),  # in another order
        (['{"a":1,"b":2}'], {"b": {}}),  # not the first ones
        (['{"a":1}'], {"b": {"from": "a"}, "c": {"from": "a"}}),  # read twice
        (['{"a":1}', '{"a":1,"b":2}'], {"a": {}}),  # a member of some only
        (['{"a":[1]}'], {"b": {"from": "a"}}),  # a mark may stand in it
        (['{"a":1,"b":{"c":1,"d":2}}'], {"a": {}}),
        (['{"é":1}'], {"a": {"from": "é"}}),  # a key with two spellings
        (['{"a,":1}'], {"a": {"from": "a,"}}),  # the mark is in the key
        (['{"a, ": 1}'], {"a": {"from": "a, "}}),
        (['{"a":1}'], {"a": {}, "p": {"from": "@stem"}}),
        (['{"a":1}'], {"a": {}, "s": {"sql": "a"}}),
        (['{"a":"NA"}'], {"a": {"nulls": ["NA"]}}),
        (['{"a":"x"}'], {"a": {"type": "string", "nulls": ["NA"]}}),  # some text but that one
        (['{"a":""}', '{"a":"x"}'], {"a": {"type": "string", "nulls": [""]}}),  # a null was seen
        (['{"a":7}'], {"a": {"type": "integer", "nulls": ["0"]}}),  # a number means null
        (['{"a":"x"}'], {"a": {"type": "string", "column": {"max_length": 3}}}),
        (['{"a":"\\n"}'], {"a": {"type": "string"}}),  # spelt in another way
        (['{"a":"yes"}'], {"a": {"type": "boolean"}}),
        (['{"a":true}'], {"a": {"type": "boolean", "true": ["yes"], "false": ["no"]}}),
        (['{"a":"12345.0"}'], {"a": {"type": "integer"}}),  # it loses its end
        (['{"a":20240131}'], {"a": {"type": "date"}}),
        (['{"a":true}'], {"a": {"type": "string"}}),
        (['{"a":"x"}', '{"a":1}'], {"a": {"type": "string"}}),
        (['{"a":null}'], {"a": {"type": "string"}}),  # nothing was seen
        (['{"a":1}'], {"a": {"type": "json"}}),  # a value is looked at
    ],
)
def test_lines_that_need_more_are_not_rewritten(lines: list[str], fields: dict[str, Any]) -> None:
    """Their members are taken out, or each is read by itself."""
    assert rewriting(lines, fields) is None


def test_members_that_are_dropped_need_more() -> None:
    """Their values are not known, so they can't be searched for."""
    assert rewriting(['{"a":1,"b":2}'], {"a": {}}) is not None
    assert rewriting(['{"a":1,"b":2}'], {"a": {}}, source={"rest": "drop"}) is None


def test_the_upsert_key_has_to_be_known() -> None:
    """So its member is taken out."""
    target = {"mode": "upsert", "upsert_key": "a"}
    assert rewriting(['{"a":1}'], {"a": {"type": "integer"}}, target=target) is None


@pytest.mark.parametrize(
    ("settings", "is_odd"),
    [({}, False), ({"required": True}, True), ({"default": "x"}, True)],
)
def test_a_null_stays_where_it_may(settings: dict[str, Any], is_odd: bool) -> None:
    """Elsewhere the line is odd."""
    found = rewriting(['{"a":"x"}'], {"b": {"from": "a", "type": "string"} | settings})
    assert found is not None
    lines = pl.Series("line", ['{"a":"y"}', '{"a":null}'])
    matches = lines.str.contains(rf"\A(?:{found.line})\z").to_list()
    assert matches == [True, not is_odd]
    rewritten = found(lines.head(2 - is_odd))
    assert rewritten is not None
    assert rewritten.to_list() == ['{"b":"y"}', '{"b":null}'][: 2 - is_odd]


def test_words_for_null_that_no_value_can_be_are_no_matter() -> None:
    """No number and no day is an empty text; and no text may be."""
    fields = {
        "n": {"from": "N", "type": "integer"},
        "d": {"from": "D", "type": "date"},
        "s": {"from": "S", "type": "string"},
    }
    shaper = shaper_for(job_of(fields=fields, source={"nulls": ["", "-"]}))
    line = b'{"N":"7","D":"2024-02-29","S":"x"}\n'
    assert outcomes(shaper, line)[0] is None or not isinstance(
        outcomes(shaper, line)[0].parts[0], Rewritten
    )  # a text may be "-"
    shaper = shaper_for(job_of(fields=fields, source={"nulls": [""]}))
    empty = b'{"N":"8","D":"2024-02-29","S":""}\n'
    alike, at_once, each = outcomes(shaper, line * 80 + empty)
    usual, odd = alike.parts
    assert isinstance(usual, Rewritten)
    assert isinstance(odd, Members)
    assert at_once == each
    assert at_once[0].endswith(b'"s":"x"}\n{"n":8,"d":"2024-02-29","s":null}\n')


@pytest.mark.parametrize("last", [b"}\n", b'"}\n', b',""}\n', b"}\n\n"])
def test_an_odd_last_line_is_no_usual_one(last: bytes) -> None:
    """Its end looks like another's."""
    shaper = shaper_for(job_of(fields={"A": {"from": "a", "type": "string"}}))
    lines = b'{"a":"x","b":"y"}\n' * 3 + b'{"a":"x","b":"y"' + last
    _, at_once, each = outcomes(shaper, lines)
    assert at_once in (None, each)
    shaped = shaper(ndjson_block(lines))
    assert (shaped.buffer, shaped.segments) == each
