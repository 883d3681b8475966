"""The API over real sockets: schema, inserts, upserts, deletes, and how it says no."""

import sqlite3
from contextlib import closing
from typing import Any

import httpx
import pytest

from ingest.sandbox.store import FILE_NAME
from tests.sandbox.conftest import API, Running, Start

TEXT = {"name": "name", "type": "Text"}
AGE = {"name": "age", "type": "Integer"}
EMAIL = {"name": "email", "type": "Email", "indexed": True, "unique": True}


def error(answer: httpx.Response, status: int = 400) -> dict[str, Any]:
    """The error of an answer that must have that status."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    body: dict[str, Any] = answer.json()["error"]
    assert body["status"] == status
    assert "Traceback" not in answer.text
    return body


def test_the_current_user(sandbox: Running) -> None:
    """The first call of the service's page."""
    answer = sandbox.http.get(f"{API}/users/current")
    assert answer.status_code == 200
    assert {"name", "email"} <= answer.json().keys()


def test_the_pages_own_table(sandbox: Running) -> None:
    """Create, describe, widen, list and drop, as the page's examples do."""
    columns: list[dict[str, Any]] = [
        AGE,
        {"name": "gender", "type": "Picklist", "picklist_items": ["Male", "Other"]},
    ]
    table = sandbox.make(*columns, label="Users", skip_audit_fields=True)
    widened = sandbox.http.post(f"{API}/schema/tables/{table}/columns", json={"columns": [EMAIL]})
    described = sandbox.http.get(f"{API}/schema/describe-table/{table}").json()
    assert widened.json() == described
    assert described["columns"][:3] == [*columns, EMAIL]
    assert described["label"] == "Users"
    listed = sandbox.http.get(f"{API}/schema/tables").json()["tables"]
    assert {"name": table, "label": "Users", "skip_audit_fields": True} in listed
    dropped = sandbox.http.delete(f"{API}/schema/drop-table/{table}")
    assert dropped.json() == {"name": table, "dropped": True}
    error(sandbox.http.get(f"{API}/schema/describe-table/{table}"), 404)


def test_creating_again_keeps_columns_and_rows(sandbox: Running) -> None:
    """And a new column is null in old rows."""
    table = sandbox.make(AGE, skip_audit_fields=True)
    sandbox.insert(table, {"age": 1})
    payload = {"name": table, "columns": [TEXT]}
    assert sandbox.http.post(f"{API}/schema/tables", json=payload).status_code == 200
    assert sandbox.rows(table, "age, name") == [{"age": 1, "name": None}]


def test_a_changed_column_type_is_a_400(sandbox: Running) -> None:
    """By both ways to define a column."""
    table = sandbox.make(AGE)
    changed = {"columns": [{"name": "age", "type": "Bigint"}]}
    for path in (f"{API}/schema/tables", f"{API}/schema/tables/{table}/columns"):
        extra = {"name": table} if path.endswith("tables") else {}
        words = error(sandbox.http.post(path, json=extra | changed))["message"]
        assert "is Integer and can't change to Bigint" in words


def test_a_table_that_differs_only_by_case(sandbox: Running) -> None:
    """Is refused at creation and unknown at lookup."""
    table = sandbox.make(AGE)
    twin = {"name": table.upper(), "columns": []}
    error(sandbox.http.post(f"{API}/schema/tables", json=twin))
    error(sandbox.insert(table.upper(), {}), 404)


def test_names_of_any_kind(sandbox: Running) -> None:
    """Quotes, keywords and other alphabets are names like all others."""
    name = 'größe "1" select; --'
    column = {"name": 'x"); drop', "type": "Text", "unique": True}
    made = sandbox.http.post(f"{API}/schema/tables", json={"name": name, "columns": [column]})
    assert made.status_code == 200
    assert sandbox.http.post(
        f"{API}/tables/" + httpx.URL("http://h/" + name).raw_path.decode()[1:],
        json={"records": [{'x"); drop': "a"}]},
    ).json() == {"count": 1}
    answer = sandbox.sql('select * from "größe ""1"" select; --"').json()
    assert answer["rows"][0]['x"); drop'] == "a"


@pytest.mark.parametrize("number", [0, 1, 2, 100])
def test_inserts_of_n(sandbox: Running, number: int) -> None:
    """Every record is a row with an id of its own."""
    table = sandbox.make(AGE, skip_audit_fields=True)
    answer = sandbox.insert(table, *({"age": i} for i in range(number)))
    assert answer.json() == {"count": number}
    rows = sandbox.rows(table)
    assert [row["age"] for row in rows] == list(range(number))
    assert len({row["id"] for row in rows}) == number


def test_absent_and_null_are_null_in_an_insert(sandbox: Running) -> None:
    """Records may name different columns."""
    table = sandbox.make(AGE, TEXT, skip_audit_fields=True)
    assert sandbox.insert(table, {"age": 1}, {}, {"name": "x"}, {"age": None}).status_code == 200
    pairs = [(row["age"], row["name"]) for row in sandbox.rows(table)]
    assert pairs == [(1, None), (None, None), (None, "x"), (None, None)]


def test_audit_fields(sandbox: Running) -> None:
    """Set at insert; `updated_at` alone moves at an update; a record must not name them."""
    table = sandbox.make(AGE)
    sandbox.insert(table, {"id": 1, "age": 1})
    (first,) = sandbox.rows(table)
    sandbox.insert(table, {"id": 1, "age": 2})
    (second,) = sandbox.rows(table)
    assert first["created_at"] == first["updated_at"] == second["created_at"]
    assert second["updated_at"] >= second["created_at"]
    words = error(sandbox.insert(table, {"created_at": "2020-01-01T00:00:00Z"}))["message"]
    assert "is kept by the server" in words


def test_a_wrong_value_is_named_and_nothing_lands(sandbox: Running) -> None:
    """Record, column and value; the first wrong record in order; all or nothing."""
    table = sandbox.make(AGE, TEXT)
    answer = sandbox.insert(table, {"age": 1}, {"name": "x", "age": "12345.0"}, {"name": 5})
    body = error(answer)
    assert (body["record"], body["column"], body["value"]) == (1, "age", '"12345.0"')
    assert "record 1 (from 0)" in body["message"]
    assert sandbox.rows(table) == []


def test_a_long_wrong_value_is_cut(sandbox: Running) -> None:
    """A refusal of a large value is small."""
    table = sandbox.make(AGE)
    for value in ("x" * 100_000, ["y" * 100_000], {"k": "z" * 100_000}):
        answer = sandbox.insert(table, {"age": value})
        assert len(error(answer)["value"]) <= 80
        assert len(answer.content) < 1000


def test_an_unknown_column_is_named(sandbox: Running) -> None:
    """With the index of the record."""
    table = sandbox.make(AGE)
    body = error(sandbox.insert(table, {"age": 1}, {"agee": 2}))
    assert (body["record"], body["column"]) == (1, "agee")
    assert "does not exist" in body["message"]


def test_required(sandbox: Running) -> None:
    """Absent in one, null in one, absent in all: each is refused."""
    table = sandbox.make({**AGE, "required": True}, TEXT)
    groups: list[list[dict[str, Any]]]
    groups = [[{"age": 1}, {"name": "x"}], [{"age": 1}, {"age": None}], [{}, {}]]
    for records in groups:
        body = error(sandbox.insert(table, *records))
        assert body["column"] == "age"
        assert "is required" in body["message"]
    assert sandbox.insert(table).json() == {"count": 0}


def test_unique(sandbox: Running) -> None:
    """Within a request and against rows; the record and the column are named; null is free."""
    table = sandbox.make(EMAIL, AGE, skip_audit_fields=True)
    assert sandbox.insert(table, {"email": "a@b.org"}, {}, {"email": None}).status_code == 200
    body = error(sandbox.insert(table, {"email": "c@b.org"}, {"email": "a@b.org"}, {}))
    assert (body["record"], body["column"]) == (1, "email")
    body = error(sandbox.insert(table, {}, {"email": "d@b.org"}, {"email": "d@b.org"}))
    assert (body["record"], body["column"]) == (2, "email")
    assert len(sandbox.rows(table)) == 3


def test_a_column_with_doubles_can_not_become_unique(sandbox: Running) -> None:
    """The change is refused and leaves everything as it was."""
    table = sandbox.make(TEXT)
    sandbox.insert(table, {"name": "x"}, {"name": "x"})
    path = f"{API}/schema/tables/{table}/columns"
    change = {"columns": [{"name": "name", "unique": True}, AGE]}
    assert "rows share a value" in error(sandbox.http.post(path, json=change))["message"]
    described = sandbox.http.get(f"{API}/schema/describe-table/{table}").json()
    assert TEXT in described["columns"]
    error(sandbox.insert(table, {"age": 1}))


def test_uniqueness_can_be_taken_back(sandbox: Running) -> None:
    """And given again."""
    table = sandbox.make(EMAIL)
    path = f"{API}/schema/tables/{table}/columns"
    for unique, status in ((False, 200), (True, 400)):
        change = {"columns": [{"name": "email", "unique": unique}]}
        assert sandbox.http.post(path, json=change).status_code == 200
        answer = sandbox.insert(table, {"email": "a@b.org"}, {"email": "a@b.org"})
        assert answer.status_code == status
        sandbox.http.delete(f"{API}/tables/{table}/delete-by-query", params={"q": "1"})


def test_a_given_id_overwrites(sandbox: Running) -> None:
    """Sending a request with ids twice is as sending it once; columns not named are kept."""
    table = sandbox.make(AGE, TEXT, skip_audit_fields=True)
    for _ in range(2):
        sandbox.insert(table, {"id": 7, "age": 1, "name": "x"}, {"id": 2**63 - 1, "age": 2})
    sandbox.insert(table, {"id": 7, "age": 3})
    assert sandbox.rows(table, "id, age, name") == [
        {"id": 7, "age": 3, "name": "x"},
        {"id": 2**63 - 1, "age": 2, "name": None},
    ]


@pytest.mark.parametrize("bad", ["7", 7.0, True, 2**63, -(2**63) - 1])
def test_an_id_must_be_a_bigint(sandbox: Running, bad: object) -> None:
    """As the page says."""
    table = sandbox.make(AGE)
    assert error(sandbox.insert(table, {"id": bad}))["column"] == "id"


def test_upsert_updates_or_inserts(sandbox: Running) -> None:
    """Found by key: updated, other columns kept; else inserted; a null key always inserts."""
    table = sandbox.make(EMAIL, AGE, TEXT, skip_audit_fields=True)
    sandbox.insert(table, {"email": "a@b.org", "age": 1, "name": "A"})
    records = [{"email": "a@b.org", "age": 2}, {"email": "c@b.org", "name": "C"}, {"age": 9}]
    assert sandbox.insert(table, *records, upsert_key="email").json() == {"count": 3}
    assert sandbox.rows(table, "email, age, name") == [
        {"email": "a@b.org", "age": 2, "name": "A"},
        {"email": "c@b.org", "age": None, "name": "C"},
        {"email": None, "age": 9, "name": None},
    ]


def test_of_two_records_with_one_key_the_later_wins(sandbox: Running) -> None:
    """By upsert key and by id, with equal and with different columns named."""
    table = sandbox.make(EMAIL, AGE, TEXT, skip_audit_fields=True)
    key = {"email": "a@b.org"}
    sandbox.insert(table, key | {"age": 1}, key | {"age": 2}, upsert_key="email")
    sandbox.insert(table, key | {"age": 3}, key | {"name": "N"}, upsert_key="email")
    sandbox.insert(table, {"id": 99, "age": 1}, {"id": 99, "age": 2})
    assert sandbox.rows(table, "email, age, name") == [
        {"email": "a@b.org", "age": 3, "name": "N"},
        {"email": None, "age": 2, "name": None},
    ]


def test_an_id_takes_precedence_over_the_upsert_key(sandbox: Running) -> None:
    """The row with the id is changed, its key too; a key of another row is a broken unique."""
    table = sandbox.make(EMAIL, AGE, skip_audit_fields=True)
    sandbox.insert(table, {"id": 1, "email": "a@b.org"}, {"id": 2, "email": "c@b.org"})
    record = {"id": 1, "email": "new@b.org", "age": 5}
    other = {"email": "c@b.org", "age": 6}
    assert sandbox.insert(table, record, other, upsert_key="email").status_code == 200
    assert sandbox.rows(table) == [record, {"id": 2, "email": "c@b.org", "age": 6}]
    body = error(sandbox.insert(table, {"id": 1, "email": "c@b.org"}, upsert_key="email"))
    assert (body["record"], body["column"]) == (0, "email")


@pytest.mark.parametrize("key", ["name", "only_unique", "only_indexed", "nothing", "", 5, ["a"]])
def test_an_upsert_key_must_be_indexed_and_unique(sandbox: Running, key: object) -> None:
    """As the page says; 400 else, whatever the records."""
    more = [{"name": f"only_{p}", "type": "Text", p: True} for p in ("unique", "indexed")]
    table = sandbox.make(TEXT, *more)
    assert "upsert_key" in error(sandbox.insert(table, {"name": "x"}, upsert_key=key))["message"]


def test_deleting_a_row(sandbox: Running) -> None:
    """By its id, once."""
    table = sandbox.make(AGE)
    sandbox.insert(table, {"id": 5, "age": 1}, {"id": -5, "age": 2})
    path = f"{API}/tables/{table}"
    assert sandbox.http.delete(f"{path}/5").json() == {"id": 5, "deleted": 1}
    assert sandbox.http.delete(f"{path}/-5").json() == {"id": -5, "deleted": 1}
    error(sandbox.http.delete(f"{path}/5"), 404)
    for text in ("x", "1.0", "9223372036854775808", "٥"):
        error(sandbox.http.delete(f"{path}/{text}"))


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/schema/describe-table/nowhere"),
        ("POST", "/schema/tables/nowhere/columns"),
        ("DELETE", "/schema/drop-table/nowhere"),
        ("POST", "/tables/nowhere"),
        ("DELETE", "/tables/nowhere/1"),
        ("DELETE", "/tables/nowhere/delete-by-query?q=1"),
    ],
)
def test_an_unknown_table_is_a_404_that_names_it(sandbox: Running, method: str, path: str) -> None:
    """On every endpoint that takes a table."""
    body: object = {"records": []} if path.startswith("/tables") else {"columns": []}
    answer = sandbox.http.request(method, API + path, json=body)
    assert '"nowhere"' in error(answer, 404)["message"]


@pytest.mark.parametrize("path", ["/", "/api/v1/nothing", "/api/v2/query", "/_sandbox/", API + "/"])
def test_an_unknown_path_is_a_404_in_json(sandbox: Running, path: str) -> None:
    """And a known one with another method a 405; a slash too many redirects nowhere."""
    assert path in error(sandbox.http.get(path), 404)["message"]
    assert "no method PUT" in error(sandbox.http.put(f"{API}/query"), 405)["message"]
    error(sandbox.http.get(f"{API}/users/current/"), 404)


def test_a_crash_shows_no_traceback(start: Start) -> None:
    """A table gone behind the sandbox's back is a 500 in JSON; the sandbox goes on."""
    sandbox = start()
    table = sandbox.make(AGE)
    with closing(sqlite3.connect(sandbox.data_dir / FILE_NAME)) as database:
        database.execute(f"DROP TABLE {table}")
    body = error(sandbox.insert(table, {"age": 1}), 500)
    assert body["message"] == "the sandbox failed: its log on standard error says why"
    assert sandbox.insert(sandbox.make(AGE), {"age": 1}).status_code == 200


def test_other_content_types(sandbox: Running) -> None:
    """JSON with a charset or no Content-Type is fine; a form is a 415."""
    table = sandbox.make(AGE)
    for kind, status in (("application/json; charset=utf-8", 200), ("text/csv", 415), (None, 200)):
        headers = {"content-type": kind} if kind else {}
        path = f"{API}/tables/{table}"
        answer = sandbox.http.post(path, content=b'{"records": []}', headers=headers)
        assert answer.status_code == status


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/schema/tables", {}),
        ("/schema/tables", {"name": ["t"]}),
        ("/schema/tables", {"name": "sqlite_master"}),
        ("/schema/tables", {"name": "_sandbox_tables"}),
        ("/schema/tables", {"name": "t", "colums": []}),
        ("/schema/tables/t/columns", {"columns": [], "name": "t"}),
        ("/query", {"statement": "select 1", "limit": 5}),
        ("/query", {"statement": None}),
        ("/query", []),
    ],
)
def test_requests_that_are_refused(sandbox: Running, path: str, body: object) -> None:
    """Missing, wrong and unknown keys are 400s."""
    error(sandbox.http.post(API + path, json=body))
