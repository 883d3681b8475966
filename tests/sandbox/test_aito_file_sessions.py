"""Sessions in the database: progress and rows are one transaction."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from ingest.sandbox import aito_file_lines
from ingest.sandbox import aito_file_sessions as sessions
from ingest.sandbox.aito_file_status import (
    FINISHED,
    LAST_BYTES,
    ROW_BYTES,
    ROWS_LISTED,
    RUNNING,
    Session,
)
from ingest.sandbox.refusal import Refused
from ingest.sandbox.s3_objects import Objects
from ingest.sandbox.store import Store

NAME = "0b38de74-0694-46ad-b239-1af5626f1fc9"
TABLE = {"columns": {"n": {"type": "Int"}}}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store with the table `t`."""
    one = Store(tmp_path)
    one.aito.catalogue.put("", {"t": TABLE, "u": TABLE}, "v1")
    yield one
    one.close()


@pytest.fixture
def objects(tmp_path: Path) -> Objects:
    """With one body."""
    stored = Objects(tmp_path)
    upload = stored.begin(NAME)
    upload.write(gzip.compress(b"{}"))
    upload.commit()
    return stored


def total(store: Store) -> int:
    """The rows of the table."""
    count: int = store.aito.query("", {"from": "t", "limit": 0}, "v1")["total"]
    return count


def test_a_session_is_kept(store: Store, tmp_path: Path) -> None:
    """With everything in it, for the next process too."""
    sessions.create(store, Session(NAME, "t", "v2"))
    session = sessions.land(store, sessions.find(store, "t", NAME), [b'{"n":1}', b"x", b'{"n":""}'])
    assert session == sessions.find(store, "t", NAME)
    assert (session.api, session.read, session.completed) == ("v2", 3, 1)
    assert len(session.failing) == 2
    store.close()
    again = Store(tmp_path)
    assert sessions.find(again, "t", NAME) == session
    again.close()


def test_no_such_table_or_session(store: Store) -> None:
    """404, also for another table's."""
    with pytest.raises(Refused, match="No such table: v") as error:
        sessions.create(store, Session(NAME, "v", "v1"))
    assert error.value.status == 404
    sessions.create(store, Session(NAME, "t", "v1"))
    for table, name in (("u", NAME), ("t", "x")):
        with pytest.raises(Refused) as error:
            sessions.find(store, table, name)
        assert error.value.status == 404


def test_begin_once(store: Store, objects: Objects) -> None:
    """Of two triggers the second is refused; a body is taken off S3."""
    sessions.create(store, Session(NAME, "t", "v1"))
    session = sessions.begin(store, "t", NAME, objects, 5.0)
    assert (session.state, session.started_s) == (RUNNING, 5.0)
    assert not objects.path(NAME).exists()
    with pytest.raises(Refused, match="already"):
        sessions.begin(store, "t", NAME, objects, 6.0)
    assert sessions.unfinished(store) == [session]
    ended = sessions.finished(store, session, 7.0, "cut short")
    assert (ended.state, ended.ended_s) == (FINISHED, 7.0)
    assert orjson.loads(ended.failing[0]) == {"row": None, "message": "cut short"}
    assert sessions.unfinished(store) == []


def test_begin_needs_the_body(store: Store, tmp_path: Path) -> None:
    """And changes nothing without it."""
    sessions.create(store, Session(NAME, "t", "v1"))
    with pytest.raises(Refused, match="Nothing was uploaded"):
        sessions.begin(store, "t", NAME, Objects(tmp_path), 5.0)
    assert sessions.unfinished(store) == []


def test_begin_goes_on_where_a_crash_left_it(store: Store, objects: Objects) -> None:
    """Between taking the body and saying so."""
    sessions.create(store, Session(NAME, "t", "v1"))
    objects.take(NAME)
    assert sessions.begin(store, "t", NAME, objects, 5.0).state == RUNNING


def test_rows_and_progress_are_one(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the progress can't be kept, the rows are not either."""
    session = Session(NAME, "t", "v1")
    sessions.create(store, session)
    with monkeypatch.context() as patch:
        patch.setattr(Session, "after", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            sessions.land(store, session, [b'{"n":1}'])
    assert total(store) == 0
    assert sessions.find(store, "t", NAME) == session
    sessions.land(store, session, [b'{"n":1}'])
    assert total(store) == 1


@pytest.mark.parametrize("length", [19, 20, 21])
def test_a_line_that_is_too_long_fails(
    store: Store, monkeypatch: pytest.MonkeyPatch, length: int
) -> None:
    """By itself, in its place among the others."""
    monkeypatch.setattr(sessions, "LINE_BYTES", 20)
    monkeypatch.setattr(aito_file_lines, "LINE_BYTES", 20)
    sessions.create(store, Session(NAME, "t", "v1"))
    long = b'{"n":1' + b" " * (length - 7) + b"}"
    session = sessions.land(store, Session(NAME, "t", "v1"), [b"[]", long, b'{"n":2}', b"null"])
    rows = [orjson.loads(row)["row"] for row in session.failing]
    messages = [orjson.loads(row)["message"] for row in session.failing]
    if length <= 20:
        assert rows == [[], None]
    else:
        assert rows == [[], {"n": 1}, None]
        assert messages[1] == "the row is longer than 20 bytes"
    assert total(store) == session.completed == 4 - len(rows)
    assert session.last == b'{"n":2}'


def test_the_largest_session_can_be_kept(store: Store) -> None:
    """Fifty failing rows that are longer escaped than raw, and the longest last row."""
    sessions.create(store, Session(NAME, "t", "v1"))
    good = b'{"n":1' + b" " * (LAST_BYTES - 7) + b"}"
    session = sessions.land(store, Session(NAME, "t", "v1"), [b"\x01" * 99_999] * 60 + [good])
    assert sessions.find(store, "t", NAME) == session
    assert (len(session.failing), session.last) == (ROWS_LISTED, good)
    assert orjson.loads(session.failing[0])["row"] == "\x01" * ROW_BYTES
    session = sessions.land(store, session, [good[:-1] + b" }"])
    assert (session.completed, session.last) == (2, b"")
