"""What a session says of itself: the documented object, the last fifty, the fault."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from msgspec.structs import replace

from ingest.sandbox.aito_file_status import (
    FINISHED,
    ROW_BYTES,
    RUNNING,
    Backwards,
    Session,
    failing_row,
)

NEW = Session("an-id", "a_table", "v1")
STARTED_S = 1532960553.473  # 2018-07-30 14:22:33.473 UTC


def said(session: Session, now_s: float = STARTED_S) -> dict[str, Any]:
    """The status, as a client parses it."""
    parsed: dict[str, Any] = orjson.loads(orjson.dumps(session.as_json(now_s)))
    return parsed


def test_before_the_trigger() -> None:
    """Nothing done, nothing failed."""
    assert said(NEW) == {
        "status": {
            "finished": False,
            "completedCount": 0,
            "lastSuccessfulElement": None,
            "startedAt": None,
            "throughput": 0.0,
        },
        "errors": {"message": "Last 0 failing rows", "rows": None},
    }


def test_the_documented_form_of_the_start() -> None:
    """As 20180730T172233.473+0300, here in UTC."""
    session = replace(NEW, state=RUNNING, started_s=STARTED_S)
    assert said(session)["status"]["startedAt"] == "20180730T142233.473+0000"


def test_throughput_is_rows_a_second() -> None:
    """Until now while it runs, until its end once it ended."""
    session = replace(NEW, state=RUNNING, started_s=STARTED_S, completed=100)
    assert said(session, STARTED_S)["status"]["throughput"] == 0
    assert said(session, STARTED_S + 8)["status"]["throughput"] == 12.5
    ended = replace(session, state=FINISHED, ended_s=STARTED_S + 4)
    assert said(ended, STARTED_S + 9999)["status"]["throughput"] == 25
    assert said(ended)["status"]["finished"] is True


@pytest.mark.parametrize("bad", [[], [0], [2], [0, 2], [1], [0, 1, 2]])
def test_after_a_chunk(bad: list[int]) -> None:
    """Counts, the last good line, and the failing rows as they stood."""
    lines = [b'{"n": 1.0}', b'{"n": 12345678901234567890123}', b"no json \xff"]
    session = NEW.after(lines, [(index, f"wrong {index}") for index in bad])
    good = [line for n, line in enumerate(lines) if n not in bad]
    assert (session.read, session.completed) == (3, len(good))
    assert session.last == (good[-1] if good else b"")
    shown = [b'{"n": 1.0}', b'{"n": 12345678901234567890123}', '"no json \ufffd"'.encode()]
    assert list(session.failing) == [
        b'{"row":%b,"message":"wrong %d"}' % (shown[index], index) for index in bad
    ]


@pytest.mark.parametrize("count", [0, 1, 2, 49, 50, 51, 120])
def test_the_last_fifty_failing_rows(count: int) -> None:
    """Across chunks; the message counts what is listed."""
    session = NEW
    for start in range(0, count, 30):
        rows = [b"%d" % n for n in range(start, min(start + 30, count))]
        session = session.after(rows, [(n, "wrong") for n in range(len(rows))])
    errors = said(session)["errors"]
    listed = [{"row": n, "message": "wrong"} for n in range(max(0, count - 50), count)]
    assert errors == {"message": f"Last {len(listed)} failing rows", "rows": listed or None}
    assert (session.read, session.completed) == (count, 0)


@pytest.mark.parametrize("more", [-1, 0, 1])
def test_a_long_failing_row_is_cut(more: int) -> None:
    """An element of up to the bound is shown whole, a longer one as the start of its text."""
    line = b'"' + b"x" * (ROW_BYTES - 2 + more) + b'"'
    row = orjson.loads(failing_row(line, "wrong"))["row"]
    assert row == (line[1:-1].decode() if more <= 0 else line[:ROW_BYTES].decode())


def test_a_file_that_could_not_be_read_on_has_no_row() -> None:
    """But a message."""
    assert failing_row(None, "cut short") == b'{"row":null,"message":"cut short"}'


def test_backwards() -> None:
    """A hit shows the truth but unfinished, then fewer, then the truth."""
    ended = replace(NEW, state=FINISHED, completed=9)
    backwards = Backwards()
    shown = [backwards.shown(ended, hit=hit) for hit in (False, True, False, False)]
    assert [(s.completed, s.state) for s in shown] == [
        (9, FINISHED),
        (9, RUNNING),
        (4, RUNNING),
        (9, FINISHED),
    ]


def test_backwards_waits_until_there_is_something_to_go_back_from() -> None:
    """And concerns the session that was asked for, alone."""
    backwards = Backwards()
    assert backwards.shown(NEW, hit=True) == NEW
    other = replace(NEW, id="another", state=FINISHED, completed=1)
    assert backwards.shown(other, hit=False) == other
    one = replace(NEW, state=FINISHED, completed=1)
    assert [backwards.shown(one, hit=False).completed for _ in range(3)] == [1, 0, 1]
