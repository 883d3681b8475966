"""A journal that is not as it was left: an earlier state that was true, or a refusal."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from ingest.errors import IngestError, SettingsError
from ingest.journal import Journal
from ingest.journal.place import sides
from ingest.journal.room import DiskFull
from ingest.journal.schema import VERSION, as_refusal
from tests.journal.helpers import (
    JOB,
    Wall,
    begun,
    body,
    intend,
    opened,
    part_of,
    place,
    settle,
    taken_up,
)

Facts = tuple[list[tuple[int, int]], list[int]] | None
FRAME = 24 + 4096  # of the log, whose head has 32 bytes
BATCHES = 12


def facts(folder: Path) -> Facts:
    """What is settled, and which bodies are open; None if no run is recorded."""
    with opened(folder) as journal:
        if journal.unfinished() is None:
            return None
        run = taken_up(journal)
        files = journal.settled(run).files
        return list(files.get(0, ())), [one.number for one in journal.open_intents(run)]


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Facts]]:
    """A run of batches, each intended and settled, as a kill would leave its files; and what was
    true after each commit."""
    folder = tmp_path_factory.mktemp("grown")
    states: list[Facts] = [None, ([], [])]
    done: list[tuple[int, int]] = []
    with opened(folder) as journal:
        run = begun(journal)
        for number in range(1, BATCHES + 1):
            batch = body(number, part_of(10 * number - 9, 10))
            journal.write(run, [intend(batch)])
            states.append((done, [number]))
            journal.write(run, [settle(batch)])
            done = [(1, 10 * number)]
            states.append((done, []))
        copy(folder, folder / "killed")
    return folder / "killed", states


def copy(folder: Path, to: Path) -> Path:
    """The journal and its log, elsewhere."""
    path = place(to)
    path.parent.mkdir(parents=True)
    for one in (place(folder), sides(place(folder))[0]):
        if one.exists():
            shutil.copy(one, path.parent / one.name)
    return path


def test_a_log_that_was_cut_gives_an_earlier_state(
    tmp_path: Path, grown: tuple[Path, list[Facts]]
) -> None:
    """Cut within each of its frames, and all over the last one: what was true after some commit,
    the later the less was cut."""
    killed, states = grown
    log = sides(place(killed))[0].read_bytes()
    last = len(log) - FRAME
    cuts = {*range(0, last, FRAME - 100), *range(last, last + 24), *range(last, len(log) + 1, 97)}
    seen = []
    for cut in sorted(cuts | {len(log)}):
        path = copy(killed, tmp_path / str(cut))
        sides(path)[0].write_bytes(log[:cut])
        seen.append(states.index(facts(tmp_path / str(cut))))
    assert seen == sorted(seen)
    assert seen[0] == 0
    assert seen[-1] == len(states) - 1
    assert len(set(seen)) > BATCHES


def test_a_file_that_was_cut_is_refused_or_whole(
    tmp_path: Path, grown: tuple[Path, list[Facts]]
) -> None:
    """Cut at every page and all over the last one: never another account than the last."""
    killed, states = grown
    closed = tmp_path / "closed"
    copy(killed, closed)
    opened(closed).close()
    data = place(closed).read_bytes()
    last = len(data) - 4096
    cuts = {*range(0, last, 4096), *range(100, last, 3001), *range(last, len(data), 37)}
    for cut in sorted(cuts):
        path = copy(closed, tmp_path / str(cut))
        path.write_bytes(data[:cut])
        with pytest.raises(SettingsError, match="journal is damaged") as caught:
            facts(tmp_path / str(cut))
        assert str(path) in caught.value.message
        assert "--restart" in caught.value.hint
    assert facts(closed) == states[-1]


def test_a_file_that_was_cut_beside_its_log(
    tmp_path: Path, grown: tuple[Path, list[Facts]]
) -> None:
    """After the log was brought in and begun again: it no longer has the pages that are gone."""
    killed, _ = grown
    kept = tmp_path / "kept"
    copy(killed, kept)
    with opened(kept) as journal:
        run = taken_up(journal)
        connection: sqlite3.Connection = vars(journal)["_connection"]
        connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
        batch = body(BATCHES + 1, part_of(10 * BATCHES + 1, 10))
        journal.write(run, [intend(batch)])
        copy(kept, tmp_path / "again")
    wanted = facts(copy(tmp_path / "again", tmp_path / "whole").parents[2])
    assert wanted == ([(1, 10 * BATCHES)], [BATCHES + 1])
    data = place(tmp_path / "again").read_bytes()
    cuts = {*range(4096, len(data), 4096), *range(len(data) - 4096, len(data), 97)}
    refused = 0
    for cut in sorted(cuts):
        path = copy(tmp_path / "again", tmp_path / str(cut))
        path.write_bytes(data[:cut])
        try:
            assert facts(tmp_path / str(cut)) == wanted
        except SettingsError:
            refused += 1
    assert refused > len(cuts) // 2


@pytest.mark.parametrize("data", [b"", b"x", b"no database " * 1000])
def test_what_is_no_database_is_refused(tmp_path: Path, data: bytes) -> None:
    """An empty file, too: a journal comes into being whole."""
    opened(tmp_path).close()
    place(tmp_path).write_bytes(data)
    with pytest.raises(SettingsError, match="journal is damaged"):
        opened(tmp_path)


def changed(folder: Path, statement: str) -> None:
    """Change a journal behind the program's back."""
    connection = sqlite3.connect(place(folder), isolation_level=None)
    connection.execute(statement)
    connection.close()


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        (f"PRAGMA user_version={VERSION + 1}", "a later version"),
        ("PRAGMA application_id=1", "no journal of this program"),
        ("UPDATE meta SET value = 'other'", "belongs to the job 'other'"),
        ("DELETE FROM meta", "names no job"),
        ("DROP TABLE meta", "no such table"),
        ("PRAGMA journal_mode=DELETE", "its journal mode is delete"),
    ],
)
def test_a_journal_of_somebody_else_is_refused(tmp_path: Path, statement: str, words: str) -> None:
    """Another version's, program's or job's."""
    opened(tmp_path).close()
    changed(tmp_path, statement)
    with pytest.raises(SettingsError, match=words) as caught:
        opened(tmp_path)
    assert caught.value.exit_code == 2
    assert "--restart" in caught.value.hint


def test_a_broken_page_is_refused(tmp_path: Path) -> None:
    """A page of zeros in the middle."""
    with opened(tmp_path) as journal:
        begun(journal)
    data = bytearray(place(tmp_path).read_bytes())
    data[8 * 4096 : 9 * 4096] = bytes(4096)
    place(tmp_path).write_bytes(data)
    with pytest.raises(SettingsError, match="journal is damaged"):
        opened(tmp_path)


def test_commits_go_to_a_log(tmp_path: Path) -> None:
    """WAL, which SQLite syncs before it brings it in; `test_log` has the others."""
    with opened(tmp_path) as journal:
        connection: sqlite3.Connection = vars(journal)["_connection"]
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (1,)


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        (sqlite3.SQLITE_FULL, DiskFull, "the disk is full: /x/journal.sqlite can't"),
        (sqlite3.SQLITE_IOERR, DiskFull, "the journal can't be written: /x"),
        (sqlite3.SQLITE_IOERR | 4 << 8, DiskFull, "the journal can't be written: /x"),
        (sqlite3.SQLITE_READONLY, SettingsError, "can't be kept"),
        (sqlite3.SQLITE_CANTOPEN, SettingsError, "can't be kept"),
        (sqlite3.SQLITE_BUSY, SettingsError, "another program holds"),
        (sqlite3.SQLITE_CORRUPT, SettingsError, "is damaged"),
        (None, SettingsError, "is damaged"),
    ],
)
def test_what_an_error_means(code: int | None, kind: type[IngestError], words: str) -> None:
    """The disk's trouble stops a run; a place or a file that is no good is a matter of settings."""
    exc = sqlite3.OperationalError("disk words")
    if code is not None:
        exc.sqlite_errorcode = code
    error = as_refusal(exc, Path("/x/journal.sqlite"))
    assert type(error) is kind
    assert words in error.message
    assert "/x/journal.sqlite" in error.message


def test_what_cannot_be_made(tmp_path: Path) -> None:
    """A directory in the way of the new file."""
    place(tmp_path).with_name("journal.sqlite.new").mkdir(parents=True)
    with pytest.raises(SettingsError, match="can't be kept"):
        Journal.open(place(tmp_path), JOB, Wall())
