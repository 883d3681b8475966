"""SQL behind its fence: what may be asked, what may not, and how much comes back."""

import pytest

from ingest.sandbox.query import ROWS
from tests.sandbox.conftest import API, Running

AGE = {"name": "age", "type": "Integer"}
NOTE = {"name": "note", "type": "Text"}


@pytest.fixture
def table(sandbox: Running) -> str:
    """A table with three rows."""
    name = sandbox.make(AGE, NOTE, skip_audit_fields=True)
    sandbox.insert(name, *({"id": n, "age": n * 10, "note": f"n{n}"} for n in (1, 2, 3)))
    return name


@pytest.mark.parametrize(
    ("statement", "rows"),
    [
        ("select age from {t} where id = 2", [{"age": 20}]),
        ("  -- words\n /* more */ SELECT count(*) as n FROM {t}", [{"n": 3}]),
        ("with a as (select * from {t}) select max(age) m from a", [{"m": 30}]),
        ("select a.age x from {t} a join {t} b on a.id = b.id + 2", [{"x": 30}]),
        ("select upper(note) u from {t} order by id limit 1;", [{"u": "N1"}]),
        ("select note from {t} where age > 100", []),
        ("with a as (select * from {t}) select count(*) n from a", [{"n": 3}]),
        ("select id, id from {t} where id = 1", [{"id": 1, "id:1": 1}]),
        ("select age from {t} where note in ('n1', 'n3') union select 5", [{"age": 5}, {"age": 10},
                                                                         {"age": 30}]),
    ],
)  # fmt: skip
def test_selects(sandbox: Running, table: str, statement: str, rows: list[object]) -> None:
    """Joins, common table expressions, aggregates: anything that reads the tables."""
    answer = sandbox.sql(statement.replace("{t}", table))
    assert answer.json()["rows"] == rows
    assert answer.json()["truncated"] is False


def test_columns_are_named_without_rows(sandbox: Running, table: str) -> None:
    """In the order of the statement."""
    answer = sandbox.sql(f"select note, age, id from {table} where 0").json()
    assert answer == {"columns": ["note", "age", "id"], "rows": [], "truncated": False}


REFUSED = [
    "attach database 'x.sqlite' as x",
    "select 1; attach database 'x.sqlite' as x",
    "pragma table_info({t})",
    "select * from pragma_table_info('{t}')",
    "select load_extension('x')",
    "select 1; select 2",
    "select * from {t}; drop table {t}",
    "select * from sqlite_master",
    "select name from sqlite_schema",
    "select * from _sandbox_tables",
    "with a as (select * from _sandbox_tables) select * from a",
    "select (select count(*) from sqlite_master)",
    "select count(*) from sqlite_master",
    "select * from dbstat",
    "select 1 from dbstat",
    "select 1 from pragma_table_info('{t}')",
    "select 1 from json_each('[1]')",
    "select 1 from SQLITE_master",
    "select 1 from _sandbox_tables",
    "select * from sqlite_stmt",
    "insert into {t} (age) values (1)",
    "update {t} set age = 1",
    "delete from {t}",
    "drop table {t}",
    "create table x (a)",
    "create temp table x (a)",
    "with a as (select 1) insert into {t} (age) select * from a",
    "with a as (select 1) delete from {t}",
    "vacuum into 'x.sqlite'",
    "begin",
    "explain select 1",
    "values (1)",
    "select randomblob(100000000)",
    "select hex(zeroblob(1000000000))",
    "select x'00'",
    "selectx",
    "select * from nowhere",
    "select \x00",
    "",
    "   ",
    ";",
]


@pytest.mark.parametrize("statement", REFUSED)
def test_what_is_refused(sandbox: Running, table: str, statement: str) -> None:
    """400 with words; the rows are as they were."""
    answer = sandbox.sql(statement.replace("{t}", table))
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["message"]
    assert len(sandbox.rows(table)) == 3


@pytest.mark.parametrize("statement", [5, None, ["select 1"], {"a": 1}])
def test_a_statement_is_a_text(sandbox: Running, statement: object) -> None:
    """Anything else is a 400."""
    answer = sandbox.http.post(f"{API}/query", json={"statement": statement})
    assert answer.status_code == 400


def test_an_endless_statement_is_interrupted(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """After the time limit, with words."""
    from ingest.sandbox import query  # noqa: PLC0415 - to set its limit
    from ingest.sandbox.refusal import Refused  # noqa: PLC0415
    from ingest.sandbox.store import Store  # noqa: PLC0415

    monkeypatch.setattr(query, "SECONDS", 0.01)
    store = Store(tmp_path_factory.mktemp("store"))
    endless = "with recursive n(i) as (select 1 union all select i + 1 from n) select max(i) from n"
    with pytest.raises(Refused, match=r"longer than 0\.01 s"):
        store.select(endless)
    assert store.select("select 1 as one")["rows"] == [{"one": 1}]
    store.close()


@pytest.mark.parametrize("number", [ROWS - 1, ROWS, ROWS + 1])
def test_rows_are_bounded(sandbox: Running, number: int) -> None:
    """And the answer says when there were more."""
    numbers = f"select 1 as i union all select i + 1 from n limit {number}"
    answer = sandbox.sql(f"with recursive n(i) as ({numbers}) select i from n").json()
    assert len(answer["rows"]) == min(number, ROWS)
    assert answer["truncated"] is (number > ROWS)


def test_bytes_are_bounded(sandbox: Running) -> None:
    """A few rows of large values fill an answer too."""
    large = "printf('%5000000d', 1)"
    numbers = "select 1 as i union all select i + 1 from n limit 100"
    answer = sandbox.sql(f"with recursive n(i) as ({numbers}) select {large} as x from n").json()
    assert 12 <= len(answer["rows"]) < 20
    assert answer["truncated"] is True


def delete(sandbox: Running, table: str, condition: str | None) -> int:
    """Delete by a condition; the status."""
    params = {} if condition is None else {"q": condition}
    path = f"{API}/tables/{table}/delete-by-query"
    return sandbox.http.delete(path, params=params).status_code


def test_delete_by_query(sandbox: Running, table: str) -> None:
    """The rows for which it holds, and how many they were."""
    path = f"{API}/tables/{table}/delete-by-query"
    answer = sandbox.http.delete(path, params={"q": "age >= 20 and note <> 'n3' -- words"})
    assert answer.json() == {"deleted": 1}
    assert [row["id"] for row in sandbox.rows(table)] == [1, 3]


@pytest.mark.parametrize(
    "condition",
    [None, "", "  \n", "-- nothing", "1); drop table {t}", "1; select 1", "1) ; --",
     "id in (select 1)", "id in (select id from {other})", "exists (select 1 from sqlite_master)",
     "load_extension('x')", "nothing = 1", "age = ", "1) returning (select 1 from {other}",
     "\x00", "randomblob(5)"],
)  # fmt: skip
def test_conditions_that_are_refused(sandbox: Running, table: str, condition: str | None) -> None:
    """Empty ones, other tables, second statements: 400, and no row is gone."""
    other = sandbox.make(AGE)
    if condition is not None:
        condition = condition.replace("{t}", table).replace("{other}", other)
    assert delete(sandbox, table, condition) == 400
    assert len(sandbox.rows(table)) == 3
    assert sandbox.insert(table, {"age": 1}).status_code == 200
