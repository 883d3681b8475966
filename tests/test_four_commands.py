"""From files to verified rows and back, with four commands and no edit: as a new user would."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from ingest.sandbox.store import FILE_NAME
from tests.end_to_end import done

FILES = {
    "a": "n,Day,price\n1,2024-01-31,1.5\n2,2024-02-01,NA\n",
    "b": "n,Day,price\n3,2024-02-02,2.25\n",
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with a directory of two files; there the commands are run."""
    (tmp_path / "data").mkdir()
    for stem, text in FILES.items():
        (tmp_path / "data" / f"{stem}.csv").write_text(text)
    return tmp_path


def say(folder: Path, *arguments: str) -> tuple[int, str]:
    """A command's exit code, and what it said on both streams."""
    place = [] if arguments[0] == "run" else ["--state-dir", str(folder / "state")]
    code, command = done(folder, *arguments, *place, env={})
    return code, command.stdout.decode() + command.stderr


def rows(folder: Path) -> list[tuple[object, ...]] | None:
    """What is in the sandbox's table, None if there is none."""
    with sqlite3.connect(folder / "state" / "sandbox" / FILE_NAME) as db:
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 't'").fetchone():
            return None
        return db.execute("SELECT n, day, price FROM t ORDER BY n").fetchall()


def test_there_and_back(data):
    """Each command names the next, the rows are there, and then the table is as before."""
    code, said = say(data, "init", "data", "--to", "avalanchio:t", "--base-url", "sandbox")
    assert code == 0, said
    assert "next: ingest plan t.toml" in said
    assert rows(data) is None
    code, said = say(data, "plan", "t.toml")
    assert (code, "would be sent" in said, rows(data)) == (0, True, None)
    code, said = say(data, "run", "t.toml")
    assert code == 0, said
    assert rows(data) == [(1, "2024-01-31", 1.5), (2, "2024-02-01", None), (3, "2024-02-02", 2.25)]
    code, said = say(data, "verify", "--full")
    assert (code, "verified: the service has what the files hold" in said) == (0, True)
    assert "verified on" in say(data, "show")[1]
    (run,) = (path.name for path in (data / "state" / "runs").iterdir())
    code, said = say(data, "undo", run)
    assert (code, "--yes" in said) == (2, True)
    code, said = say(data, "undo", run, "--yes")
    assert (code, "3 rows deleted" in said, rows(data)) == (0, True, [])
    assert f"ingest undo {run} --drop-table" in said
    assert "undone on" in say(data, "show")[1]
    code, said = say(data, "replay")
    assert (code, "was undone on" in said) == (2, True)
    code, said = say(data, "undo", run, "--yes")
    assert (code, "3 rows deleted then" in said) == (0, True)
    assert "the table stays" not in said
    code, said = say(data, "undo", run, "--yes", "--drop-table")
    assert code == 0, said
    assert "0 rows deleted, 3 rows before; the table is dropped" in said
    assert rows(data) is None
