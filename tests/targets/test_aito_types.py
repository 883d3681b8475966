"""aito's words for things."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.errors import IngestError, NotFound, Permanent, SettingsError, TargetError
from ingest.job import FieldType
from ingest.model import Column, Schema
from ingest.protocols import TableWish
from ingest.targets.aito_types import (
    QUERY_ROWS,
    as_meant,
    bounded,
    check_added,
    check_name,
    check_wish,
    column_request,
    column_type,
    doubt_about,
    field_type,
    integer_range,
    read_hits,
    read_query,
    read_schema,
    read_total,
    records_taken,
    table_request,
)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [("string", "String"), ("text", "Text"), ("integer", "Int"), ("decimal", "Decimal"),
     ("boolean", "Boolean"), ("date", "String"), ("timestamp", "String"), ("json", "Json")],
)  # fmt: skip
def test_every_type_has_a_column_type(ours, theirs):
    """Dates and timestamps travel as strings; v2 has a wider integer."""
    assert column_type(ours) == theirs
    assert column_type(ours, "v2") == ("Long" if ours == "integer" else theirs)


def test_what_a_created_table_has_is_what_a_described_one_means():
    """But for dates: the service has none."""
    for api in ("v1", "v2"):
        back = {t: field_type(Column("c", column_type(t, api))) for t in get_args(FieldType)}
        assert {t: b for t, b in back.items() if t != b} == {
            "date": "string",
            "timestamp": "string",
        }


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [("Int", "integer"), ("Long", "integer"), ("Int[]", "json"), ("String[]", "json"),
     (" boolean ", "boolean"), ("Json", "json"), ("Vector", "string"), ("", "string")],
)  # fmt: skip
def test_live_types_have_a_field_type(theirs, ours):
    """Arrays pass as JSON; what is not known is a string."""
    assert field_type(Column("c", theirs)) == ours


@pytest.mark.parametrize(
    ("word", "bounds"),
    [("Int", (-(2**31), 2**31 - 1)), ("Long", (-(2**63), 2**63 - 1)),
     ("int", (-(2**31), 2**31 - 1)), ("Decimal", None), ("Int[]", None), ("String", None),
     ("", None)],
)  # fmt: skip
def test_integers_have_a_range(word, bounds):
    """32 bits, 64 on v2; nothing else has one."""
    assert integer_range(word) == bounds


@pytest.mark.parametrize("name", ["", "a/b", 'a"b', "a.b", "$a", "a b", "a\tb", "a\n", "\u00a0"])
def test_a_name_that_the_service_forbids_is_refused(name):
    """Naming what is wrong with it."""
    with pytest.raises(SettingsError, match="aito: the column name"):
        check_name(name, "the column name")


@pytest.mark.parametrize("name", ["a", "A_b-c", "größe", "1", "%41", "a:b", "@id"])
def test_any_other_name_will_do(name):
    """Whatever its letters."""
    check_name(name, "the table name")
    check_wish(TableWish(name, {}, (Column(name, "Int"),)))


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        (TableWish("a.b", {}, ()), "table name"),
        (TableWish("t", {"skip_audit_fields": True}, ()), "skip_audit_fields"),
        (TableWish("t", {}, (Column("a b", "Int"),)), "column name 'a b'"),
        (TableWish("t", {}, (Column("a", "Int", unique=True),)), "fields.a.column: unique"),
        (TableWish("t", {}, (Column("a", "Int", indexed=True),)), "fields.a.column: indexed"),
        (TableWish("t", {}, (Column("a", "Text", properties={"analyser": "x"}),)), "analyser"),
        (TableWish("t", {}, (Column("a", "Text", properties={"nullable": "no"}),)), "nullable"),
        (
            TableWish("t", {}, (Column("a", "Int", required=True, properties={"nullable": True}),)),
            "nullable",
        ),
    ],
)
def test_what_the_service_has_no_word_for_is_refused(wish, words):
    """Before anything is sent, and by its name in the job."""
    with pytest.raises(SettingsError, match=words):
        check_wish(wish)


@pytest.mark.parametrize(
    ("column", "request_"),
    [
        (Column("a", "Int"), {"type": "Int", "nullable": True}),
        (Column("a", "Int", required=True), {"type": "Int", "nullable": False}),
        (Column("a", "Int", properties={"nullable": False}), {"type": "Int", "nullable": False}),
        (
            Column("a", "Text", properties={"analyzer": "english", "link": "u.id", "type": "Int"}),
            {"type": "Text", "nullable": True, "analyzer": "english", "link": "u.id"},
        ),
    ],
)
def test_a_column_is_nullable_unless_it_is_wished_required(column, request_):
    """The service's default is the opposite: one missing value would refuse a whole batch."""
    assert column_request(column) == request_


def test_a_table_is_asked_for_with_its_columns():
    """And nothing else; v2 calls it a collection."""
    wish = TableWish("t", {}, (Column("a", "Int"), Column("b", "String")))
    columns = {n: {"type": t, "nullable": True} for n, t in (("a", "Int"), ("b", "String"))}
    assert table_request(wish) == {"type": "table", "columns": columns}
    assert table_request(wish, "v2") == {"type": "collection", "columns": columns}


def test_a_new_column_of_a_live_table_must_be_nullable():
    """However it was made required."""
    check_added("t", [Column("a", "Int"), Column("b", "Int", properties={"nullable": True})])
    for column in (
        Column("c", "Int", required=True),
        Column("c", "Int", properties={"nullable": False}),
    ):
        with pytest.raises(SettingsError, match="new column 'c' can't be required"):
            check_added("t", [Column("a", "Int"), column])


def test_a_live_table_is_read():
    """Not nullable is required, and it is the default; links and analyzers are properties."""
    answer = {
        "type": "table",
        "columns": {
            "id": {"type": "Int", "nullable": False},
            "name": {"type": "Text", "nullable": True, "analyzer": "english", "link": None},
            "tags": {"type": "String[]"},
        },
    }
    assert read_schema("t", answer) == Schema(
        "t",
        (
            Column("id", "Int", required=True),
            Column("name", "Text", properties={"analyzer": "english"}),
            Column("tags", "String[]", required=True),
        ),
    )


@pytest.mark.parametrize(
    "answer",
    [None, [], {}, "x", {"columns": []}, {"columns": {"a": None}}, {"columns": {"a": {}}},
     {"columns": {"a": {"type": 3}}}],
)  # fmt: skip
def test_a_schema_of_another_shape_is_an_error(answer):
    """Not a table without columns."""
    with pytest.raises(TargetError, match="unknown"):
        read_schema("t", answer)


@pytest.mark.parametrize(
    ("statement", "query"),
    [
        ("{}", {"from": "t", "limit": QUERY_ROWS}),
        ('{"where": {"a": 1}, "limit": 0}', {"from": "t", "where": {"a": 1}, "limit": 0}),
        ('{"from": "u", "offset": 2}', {"from": "u", "offset": 2, "limit": QUERY_ROWS}),
    ],
)
def test_a_query_gets_what_it_leaves_out(statement, query):
    """The table and a limit; what it says stays."""
    assert bounded(read_query(statement), "t") == query


@pytest.mark.parametrize("statement", ["", "select * from t", "[]", '"t"', '{"from": ', "3"])
def test_a_text_that_is_no_query_is_answered_with_one(statement):
    """What a query looks like."""
    with pytest.raises(IngestError, match="the query is no JSON") as caught:
        read_query(statement)
    assert '{"from": "t"' in caught.value.hint


@pytest.mark.parametrize(
    ("answer", "limited", "whole"),
    [
        ({"offset": 0, "total": 2, "hits": [{"a": 1}, {}]}, False, True),
        ({"offset": 5, "total": 7, "hits": [{"a": 1}, {}]}, False, True),
        ({"offset": 0, "total": 3, "hits": [{"a": 1}, {}]}, True, True),
        ({"offset": 0, "total": 3, "hits": [{"a": 1}, {}]}, False, False),
        ({"offset": 0, "total": 0, "hits": []}, False, True),
        ({"hits": [{"a": 1}]}, False, True),
    ],
)
def test_hits_are_all_there_are_or_it_is_said(answer, limited, whole):
    """A limit that the asker did not set must not cut in silence."""
    if whole:
        assert read_hits(answer, limited=limited) == answer["hits"]
    else:
        with pytest.raises(TargetError, match="3 rows match, more than the 2"):
            read_hits(answer, limited=limited)


@pytest.mark.parametrize(
    "answer", [None, [], {}, {"hits": None}, {"hits": [1]}, {"hits": {}}, {"data": {"hits": []}}]
)
def test_hits_of_another_shape_are_an_error(answer):
    """Not an empty answer."""
    with pytest.raises(TargetError, match="unknown shape"):
        read_hits(answer, limited=True)


def test_an_answer_to_another_question_is_an_error():
    """v2 says in its warnings that it left out a condition: the rows and the count are not ours."""
    answer = {"total": 9, "hits": [], "warnings": [{"code": "where.ignored", "message": "no x"}]}
    for read in (read_total, lambda a: read_hits(a, limited=True)):
        with pytest.raises(TargetError, match=r"another query than ours.*where\.ignored"):
            read(answer)
    assert read_total({"total": 9, "warnings": []}) == 9


@pytest.mark.parametrize(
    ("answer", "total"),
    [({"total": 0}, 0), ({"total": 7}, 7), ({"total": "7"}, None), ({"total": True}, None),
     ({"total": -1}, None), ({}, None), (None, None), ([1], None)],
)  # fmt: skip
def test_a_total_is_a_number_or_unknown(answer, total):
    """Never a guess."""
    assert read_total(answer) == total


@pytest.mark.parametrize(
    ("answer", "taken"),
    [({"status": "inserted", "count": 2}, 2), ({"status": "inserted", "count": 0}, 0),
     ({"status": "inserted"}, None), ({"status": "inserted", "count": "2"}, None),
     ({"count": 2}, None), ({"entries": 2}, None), ({}, None), (None, None), ([1, 2], None)],
)  # fmt: skip
def test_only_the_documented_count_is_believed(answer, taken):
    """A number that meant something else would make batches doubtful that landed."""
    assert records_taken(answer) == taken


@pytest.mark.parametrize(
    ("answer", "words"),
    [(None, ""), ({}, ""), ({"status": "inserted", "count": 1}, ""), ([], "no JSON object"),
     ("ok", "no JSON object"), (1, "no JSON object"),
     ({"kind": "error", "data": {"code": "internal", "message": "oops"}}, "oops")],
)  # fmt: skip
def test_a_success_is_an_object_that_is_no_error(answer, words):
    """Everything else is doubtful, with what was seen; 204 says nothing and is whole."""
    assert words in doubt_about(answer)
    assert bool(doubt_about(answer)) == bool(words)


@pytest.mark.parametrize(
    ("status", "message", "missing"),
    [
        (400, "No such table: t", True),
        (400, "no such table: t.", True),
        (400, "failed to open 't'", True),
        (400, "failed to open 't': it is not there", True),
        (404, "No such table: t", False),
        (422, "No such table: t", False),
        (400, "No such table: t2", False),
        (400, "failed to open 't2'", False),
        (400, "No such table: u", False),
        (400, "bad value 'failed to open 't''", False),
        (400, "", False),
    ],
)
def test_a_400_that_means_a_missing_table(status, message, missing):
    """By its first words and by this table's name; a record that quotes them is not enough."""
    trouble = Permanent(message, status=status)
    meant = as_meant(trouble, "t")
    assert isinstance(meant, NotFound) == missing
    assert (meant.message, meant.status) == (message, status)
    assert missing or meant is trouble


@given(st.text(min_size=1, max_size=8))
@settings(max_examples=100, deadline=None)
def test_a_name_is_never_taken_for_a_pattern(name):
    """Whatever characters the table's name is of."""
    trouble = Permanent(f"failed to open '{name}'", status=400)
    assert isinstance(as_meant(trouble, name), NotFound)
    assert as_meant(trouble, name + "x") is trouble
