"""NDJSON lines to records: the grammar, and what it alone does not refuse."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.shape import json_read
from ingest.shape.json_read import json_value, read_records, split_lines
from ingest.shape.values import BadValue

GOOD = b'{"a":1}'
BAD_LINES = [
    (b"[1]", "not_an_object"),
    (b"5", "not_an_object"),
    (b"null", "not_an_object"),
    (b'"x"', "not_an_object"),
    (b"", "not_json"),
    (b"{", "not_json"),
    (b"}", "not_json"),
    (b'{"a":1},', "not_json"),
    (b'{"a":1,}', "not_json"),
    (b'{"a":[1,]}', "not_json"),
    (b'{"a":1} {"b":2}', "not_json"),
    (b'{"a":1}{"b":2}', "not_json"),
    (b'{"a":NaN}', "not_json"),
    (b'{"a":Infinity}', "not_json"),
    (b'{"a":-Infinity}', "not_json"),
    (b"{'a':1}", "not_json"),
    (b"{a:1}", "not_json"),
    (b'{"a":01}', "not_json"),
    (b'{"a":+1}', "not_json"),
    (b'{"a":.5}', "not_json"),
    (b'{"a":"\t"}', "not_json"),
    (b'{"a":"\x00"}', "not_json"),
    (b'{"a":"\\x41"}', "not_json"),
    (b'{"a":1}\x00', "not_json"),
    (b'{"a":1}\x0b', "not_json"),
    (b"\xef\xbb\xbf{}", "not_json"),
    (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "not_json"),
    (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "not_json"),
    (b'{"a":"\xff"}', "not_utf8"),
    (b'{"\xc3\x28":1}', "not_utf8"),
    (b'{"a":"\xed\xa0\x80"}', "not_utf8"),
    (b'{"a":1,"a":2}', "duplicate_key"),
    (b'{"a" :1,"a":2}', "duplicate_key"),
    (b'{"a":1,"a"\t:2}', "duplicate_key"),
    (b'{"a":1,"\\u0061":2}', "duplicate_key"),
    (b'{"a":{"b":1,"b":1}}', "duplicate_key"),
    (b'{"a":[{"b" :1,"b":1}],"c":"\\":"}', "duplicate_key"),
    (b'{"a":{"":1,"":1}}', "duplicate_key"),
    (b'{"a":"\\ud800"}', "lone_surrogate"),
    (b'{"a":"\\uDC00x"}', "lone_surrogate"),
    (b'{"a":"\\ud800\\u0041"}', "lone_surrogate"),
    (b'{"a":"\\ude00\\ud83d"}', "lone_surrogate"),
    (b'{"\\ud800":1}', "lone_surrogate"),
    (b'{"n":1e400,"a":"\\ud800"}', "lone_surrogate"),
]
GOOD_LINES = [
    b"{}",
    b'{ "a" : 1 }',
    b'\t {"a":1} \r',
    b'{"a":1e400,"b":123456789012345678901234567890,"c":0.1234567890123456789}',
    b'{"a":' + b"1" * 5000 + b"}",
    b'{"a":"\\ud83d\\ude00 \\\\ud800 \\/ \\u0000"}',
    '{"a":"\u2028\u2029é"}'.encode(),
    b'{"a":{"b":1},"b":{"b":1}}',
    b'{"a":"\\":","b":"a\\" :"}',
    b'{"":0}',
    b'{"a":"{\\"b\\":1,\\"b\\":2}"}',
]


@pytest.mark.parametrize(("line", "reason"), BAD_LINES, ids=lambda v: str(v)[:40])
def test_bad_lines_are_refused(line: bytes, reason: str) -> None:
    """Alone and among good lines: the others are read, in order."""
    for before, behind in ((0, 0), (1, 1), (2, 3)):
        texts = [GOOD] * before + [line] + [GOOD] * behind
        records, bad = read_records(texts)
        assert {index: t.reason for index, t in bad.items()} == {before: reason}
        assert len(records) == before + behind
        assert bad[before].message


@pytest.mark.parametrize("line", GOOD_LINES, ids=lambda v: str(v)[:40])
def test_good_lines_are_read(line: bytes) -> None:
    """Every member with its own spelling, digits and all."""
    for lines in ([line], [GOOD, line, GOOD], [line] * 3):
        records, bad = read_records(lines)
        assert bad == {}
        for record, text in zip(records, lines, strict=True):
            members = {
                key: json.loads(bytes(raw), parse_float=str, parse_int=str)
                for key, raw in record.items()
            }
            assert members == json.loads(text, parse_float=str, parse_int=str)


@pytest.mark.parametrize(
    "lines",
    [
        [b'{"a":1}{"b":2}', b'{"c":', b"3}"],
        [b'{"a":1} {"b":2}', b'{"c":3', b"}"],
        [b"{}{}{}", b'{"c":', b'"x"', b"}"],
        [b'{"a":1}', b'{"b":[{},', b"{}]}", b"{}{}"],
    ],
)
def test_records_that_go_over_lines_are_no_records(lines: Sequence[bytes]) -> None:
    """As many objects as lines is not yet one object a line."""
    records, bad = read_records(lines)
    alone = [i for i, line in enumerate(lines) if len(read_records([line])[0]) == 1]
    assert sorted(bad) == [i for i in range(len(lines)) if i not in alone]
    assert len(records) == len(alone)


def test_no_lines_are_no_records() -> None:
    """Nothing in, nothing out."""
    assert read_records([]) == ([], {})


KEYS = st.sampled_from(["a", "b", "", 'q"', "é", "a:", '":'])
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=4), KEYS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=6,
)


@st.composite
def spelt_objects(draw: st.DrawFn) -> tuple[str, bool]:
    """An object spelt in some way, and whether a key stands twice in it, at any depth."""
    blank = st.sampled_from(["", "", "", " ", "\t"])

    def spell(value: Any) -> tuple[str, bool]:
        if isinstance(value, list):
            parts = [spell(item) for item in value]
            return "[" + ",".join(t for t, _ in parts) + "]", any(d for _, d in parts)
        if not isinstance(value, dict):
            return json.dumps(value, ensure_ascii=draw(st.booleans())), False
        members = list(value.items())
        twice = bool(members) and draw(st.integers(0, 9)) == 0
        if twice:
            members.append((members[0][0], 0))
        spelt = []
        for key, item in members:
            text, deep = spell(item)
            twice = twice or deep
            spelt.append(
                json.dumps(key, ensure_ascii=draw(st.booleans()))
                + draw(blank)
                + ":"
                + draw(blank)
                + text
            )
        return "{" + ",".join(spelt) + draw(blank) + "}", twice

    return spell(draw(st.dictionaries(KEYS, VALUES, max_size=4)))


@given(st.lists(spelt_objects(), max_size=6))
@settings(max_examples=200)
def test_doubled_keys_are_found_wherever_they_stand(lines: list[tuple[str, bool]]) -> None:
    """Blanks before colons, colons in texts, escaped keys: a line is bad if a key stands twice."""
    records, bad = read_records([text.encode() for text, _ in lines])
    assert sorted(bad) == [i for i, (_, twice) in enumerate(lines) if twice]
    assert all(trouble.reason == "duplicate_key" for trouble in bad.values())
    good = [json.loads(text) for text, twice in lines if not twice]
    assert [{k: json.loads(bytes(v)) for k, v in r.items()} for r in records] == good


@given(st.lists(st.binary(max_size=12), max_size=5))
@settings(max_examples=200)
def test_any_bytes_are_read_like_line_by_line(lines: list[bytes]) -> None:
    """A block is read like its lines one at a time."""
    lines = [line.replace(b"\n", b"") for line in lines]
    records, bad = read_records(lines)
    assert len(records) + len(bad) == len(lines)
    for index, line in enumerate(lines):
        assert (index in bad) == bool(read_records([line])[1])


SURROGATES = st.lists(
    st.sampled_from(
        ["\\ud83d", "\\ude00", "\\uD800", "\\uDFFF", "\\u0041", "x", "\\\\", '\\"', "é", " "]
    ),
    max_size=6,
)


@given(SURROGATES)
@settings(max_examples=300)
def test_lone_surrogates_are_those_that_have_no_utf8(parts: list[str]) -> None:
    """Against Python: a text is good if it can be written as UTF-8."""
    line = '{"a":"' + "".join(parts) + '"}'
    try:
        json.loads(line)["a"].encode()
    except UnicodeEncodeError:
        assert read_records([line.encode()])[1][0].reason == "lone_surrogate"
    else:
        assert read_records([line.encode()])[1] == {}


def test_good_lines_are_not_read_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The usual needs no Python a line: nesting, CRLF, escaped pairs, colons in texts."""

    def fail(texts: Sequence[bytes]) -> Any:
        raise AssertionError(texts)

    monkeypatch.setattr(json_read, "_read_one_by_one", fail)
    usual = [b'{"a":{"b":[1,{"c":"\\ud83d\\ude00"}]},"d":"he said \\"no\\": "}'] * 3
    assert len(read_records(usual)[0]) == 3
    assert len(read_records([line + b"\r" for line in usual])[0]) == 3


@pytest.mark.parametrize(
    ("data", "texts", "numbers"),
    [
        (b"", [], []),
        (b"\n", [], []),
        (b"{}\n", [b"{}"], [1]),
        (b"{}", [b"{}"], [1]),
        (b"{}\r\n\r\n \t\n{}\r\n", [b"{}\r", b"{}\r"], [1, 4]),
        ("{}\u2028{}\n".encode(), ["{}\u2028{}".encode()], [1]),
        (b"a\rb\n", [b"a\rb"], [1]),
    ],
)
def test_lines_end_at_newline_bytes_only(
    data: bytes, texts: list[bytes], numbers: list[int]
) -> None:
    """Blank lines are passed over but counted."""
    lines = split_lines(data)
    assert (list(lines.texts), list(lines.numbers)) == (texts, numbers)
    assert lines.count == data.count(b"\n") + (data != b"" and not data.endswith(b"\n"))


def test_a_blank_line_may_be_kept() -> None:
    """The head of a record that was cut may be blank, and is a line nevertheless."""
    lines = split_lines(b"{}\n  \n\n", keep={2})
    assert (list(lines.texts), list(lines.numbers), lines.count) == ([b"{}", b"  "], [1, 2], 3)


@pytest.mark.parametrize(
    ("text", "spelt"),
    [
        ("5", "5"),
        (' {"a" : 1} ', '{"a" : 1}'),
        ('{"a":\n 1,\r\n"b":2}\n', '{"a":  1,  "b":2}'),
        ('"\\ud83d\\ude00"', '"\\ud83d\\ude00"'),
        ("12345678901234567890123", "12345678901234567890123"),
        ("null", "null"),
    ],
)
def test_a_json_value_travels_as_written(text: str, spelt: str) -> None:
    """Digits, order and blanks stay; only line breaks between tokens go."""
    assert json_value(text) == spelt


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not_json"),
        ("x", "not_json"),
        ("NaN", "not_json"),
        ("{'a':1}", "not_json"),
        ("1 2", "not_json"),
        ('"a\nb"', "not_json"),
        ("[" * 100_000 + "]" * 100_000, "not_json"),
        ('{"a":1,"a":2}', "duplicate_key"),
        ('[{"a":{"b":1,"b":2}}]', "duplicate_key"),
        ('"\\ud800"', "lone_surrogate"),
    ],
)
def test_what_is_no_json_value_is_refused(text: str, reason: str) -> None:
    """The same rules as for a whole record."""
    with pytest.raises(BadValue) as caught:
        json_value(text)
    assert caught.value.reason == reason
    assert len(caught.value.message) < 300
