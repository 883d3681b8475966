"""Runs, files, and a disk that fills up."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from ingest.errors import IngestError, SettingsError
from ingest.journal import FileRecord, IntervalSet, Journal, NewRun, WrittenRejects
from ingest.journal.room import DiskFull
from ingest.model import Accounts, Outcome
from tests.journal.helpers import (
    FILES,
    NEW,
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


def test_a_run_from_its_begin_to_its_end(tmp_path: Path) -> None:
    """What was given is what is read, in this process and the next."""
    wall = Wall(500.5)
    new = NewRun("a-run", "digest", '{"a": 1}', "shown", limit=7, nonce="4f2a")
    with opened(tmp_path, wall) as journal:
        assert journal.unfinished() is None
        run = journal.begin(new)
        assert (run.name, run.identity, run.identity_json) == ("a-run", "digest", '{"a": 1}')
        assert (run.target, run.limit, run.nonce) == ("shown", 7, "4f2a")
        assert (run.state, run.started_at, run.finished_at) == ("open", 500.5, None)
        assert (run.highest, run.accounts, run.forgotten) == (0, {}, False)
        assert journal.unfinished() == run
    with opened(tmp_path, wall) as journal:
        assert journal.runs() == [run]
        wall.now = 600.0
        journal.finish(run, "interrupted", Accounts(read=3, accepted=3))
        ended = journal.unfinished()
        assert ended is not None
        assert (ended.state, ended.finished_at, ended.accounts["accepted"]) == (
            "interrupted",
            600.0,
            3,
        )
        again = journal.resume(ended, limit=None)
        assert (again.id, again.state, again.finished_at, again.limit) == (
            run.id,
            "open",
            None,
            None,
        )
        assert journal.last_done() is None
        journal.finish(again, "done", Accounts())
        assert journal.unfinished() is None
        assert [one.name for one in (journal.last_done(),) if one] == ["a-run"]


@pytest.mark.parametrize("state", ["open", "failed", "interrupted"])
def test_only_the_last_run_is_taken_up(tmp_path: Path, state: str) -> None:
    """Whatever kept it from being done; one before it is history."""
    with opened(tmp_path) as journal:
        first = journal.begin(replace(NEW, name="first"))
        journal.finish(first, "failed", Accounts())
        second = journal.begin(replace(NEW, name="second"))
        if state != "open":
            journal.finish(second, "failed" if state == "failed" else "interrupted", Accounts())
        found = journal.unfinished()
        assert found is not None
        assert (found.name, found.state) == ("second", state)


def test_files_keep_what_is_known_of_them(tmp_path: Path) -> None:
    """A name that is no text, an inode of 64 bits; what is learned later replaces it."""
    odd = FileRecord(0, "caf\udce9\n.csv", 10, 1_700_000_000_123_456_789, 2**64 - 1, 2**63, "ab", 5)
    with opened(tmp_path) as journal:
        run = journal.begin(NEW)
        journal.put_files(run, [odd, FileRecord(1, "b.csv")])
        assert journal.files(run) == [odd, FileRecord(1, "b.csv")]
        journal.put_files(run, [replace(odd, sha256="cd", records=6, complete=True)])
        assert journal.files(run)[0] == replace(odd, sha256="cd", records=6, complete=True)
    with opened(tmp_path) as journal:
        assert [file.index for file in journal.files(run)] == [-1, -1]


def test_files_come_before_what_is_settled(tmp_path: Path) -> None:
    """Asked too early, the answer would be that nothing is: an error instead."""
    with opened(tmp_path) as journal:
        run = begun(journal)
        journal.write(run, [intend(body(1, part_of(1, 5)))])
    with opened(tmp_path) as journal:
        for asked in (journal.settled, journal.open_intents):
            with pytest.raises(IngestError, match="before the files were named"):
                asked(run)
        journal.put_files(run, FILES)
        assert len(journal.open_intents(run)) == 1


def test_names_that_are_spelt_alike(tmp_path: Path) -> None:
    """Their rejects could not be told apart: refused before anything is sent."""
    with opened(tmp_path) as journal:
        run = journal.begin(NEW)
        with pytest.raises(SettingsError, match="written alike"):
            journal.put_files(run, [FileRecord(0, "a\udcff"), FileRecord(1, "a\\xff")])
        assert journal.files(run) == []


def test_settled_records_follow_the_file_and_not_its_place(tmp_path: Path) -> None:
    """A file that was added before the others moves their indexes; one that went is left out."""
    with opened(tmp_path) as journal:
        run = begun(journal)
        for number in range(3):
            batch = body(number + 1, part_of(1, 10 * (number + 1), file=number))
            journal.write(run, [intend(batch), settle(batch)])
        doubt = body(4, part_of(11, 2, file=0), part_of(21, 5, file=1))
        journal.write(run, [intend(doubt)])
    now = (FileRecord(0, "f2.csv"), FileRecord(1, "new.csv"), FileRecord(2, "f1.csv"))
    written = WrittenRejects({"f1.csv": IntervalSet([(30, 31)]), "f0.csv": IntervalSet([(40, 40)])})
    with opened(tmp_path) as journal:
        run = taken_up(journal, now)
        settled = journal.settled(run, written)
        assert {file: list(found) for file, found in settled.files.items()} == {
            0: [(1, 30)],
            2: [(1, 20), (30, 31)],
        }
        assert settled.holds(0, 30)
        assert not settled.holds(1, 1)
        assert settled.stretches(1, 5, 9) == [(5, 9, False)]
        assert settled.stretches(2, 20, 21) == [(20, 20, True), (21, 21, False)]
        (intent,) = journal.open_intents(run)
        assert [(span.file, span.first) for span in intent.spans] == [(-1, 11), (2, 21)]
        assert intent.where == "f0.csv, records 11 to 12; f1.csv, records 21 to 25"
        later = body(5, part_of(1, 5, file=1))
        journal.write(run, [intend(later), settle(later)])
        assert list(journal.settled(run).files[1]) == [(1, 5)]


@pytest.mark.parametrize("everything", [True, False])
def test_forgetting(tmp_path: Path, everything: bool) -> None:
    """A forgotten run stays listed, nothing of it is settled, and it is not taken up."""
    with opened(tmp_path) as journal:
        done = journal.begin(replace(NEW, name="done"))
        journal.put_files(done, FILES)
        journal.finish(done, "done", Accounts())
        run = begun(journal)
        batch = body(41, part_of(1, 5))
        journal.write(run, [intend(batch), settle(batch), intend(body(42, part_of(6, 5)))])
        journal.forget(None if everything else run)
        assert [one.forgotten for one in journal.runs()] == [everything, True]
        assert journal.unfinished() is None
        assert (journal.last_done() is None) is everything
        assert journal.settled(run).files == {}
        assert journal.open_intents(run) == []
        assert journal.files(run) == []
        assert len(journal.files(done)) == (0 if everything else len(FILES))
        assert journal.runs()[1].highest == 42


def test_what_an_earlier_run_left_goes_with_the_next_done_one(tmp_path: Path) -> None:
    """The journal of a nightly job does not grow by every file of every night."""
    with opened(tmp_path) as journal:
        for night in range(3):
            run = journal.begin(replace(NEW, name=f"night-{night}"))
            journal.put_files(run, FILES)
            batch = body(1, part_of(1, 5))
            journal.write(run, [intend(batch), settle(batch)])
            journal.finish(run, "done", Accounts())
        assert [len(journal.files(one)) for one in journal.runs()] == [0, 0, 3]
        connection: sqlite3.Connection = vars(journal)["_connection"]
        assert connection.execute("SELECT count(*) FROM intents").fetchone() == (1,)


def test_numbers_go_on_behind_the_highest(tmp_path: Path) -> None:
    """Of all intents, whatever became of them."""
    with opened(tmp_path) as journal:
        run = begun(journal)
        for number, outcome in ((3, Outcome.UNSENT), (2, Outcome.ACCEPTED)):
            batch = body(number, part_of(10 * number, 5))
            journal.write(run, [intend(batch), settle(batch, outcome)])
        assert journal.runs()[0].highest == 3
        assert journal.resume(run).highest == 3  # folded


def test_a_disk_that_is_nearly_full_stops_the_sending(tmp_path: Path) -> None:
    """Before the room for outcomes is gone: those are still recorded, in the same commit, too."""
    with opened(tmp_path) as journal:
        run = begun(journal)
        one, other = body(1, part_of(1, 5)), body(2, part_of(6, 5))
        journal.write(run, [intend(one)])
        vars(journal)["_room"].reserve_bytes = 2**60
        refused, settled = journal.write(run, [intend(other), settle(one)])
        assert isinstance(refused, DiskFull)
        assert refused.exit_code == 1
        assert str(place(tmp_path).parent) in refused.message
        assert str(place(tmp_path).parent) in refused.hint
        assert settled is None
        assert list(journal.settled(run).files[0]) == [(1, 5)]
        assert journal.open_intents(run) == []


def test_what_was_held_back_is_for_outcomes(tmp_path: Path) -> None:
    """The disk is full in the very commit: the outcome is recorded, the intent is refused, and so
    is every later one, until the run is taken up with room again."""
    with opened(tmp_path) as journal:
        run = begun(journal)
        batches = [body(number, part_of(10 * number, 5)) for number in range(1, 4)]
        journal.write(run, [intend(batches[0])])
        calls = full_once(journal)
        refused, settled = journal.write(run, [intend(batches[1]), settle(batches[0])])
        assert isinstance(refused, DiskFull)
        assert settled is None
        assert len(calls) == 2
        assert not journal.make_room()
        assert isinstance(journal.write(run, [intend(batches[2])])[0], DiskFull)
        run = journal.resume(run)
        assert journal.write(run, [intend(batches[2])]) == [None]


def test_somebody_else_may_need_what_was_held_back(tmp_path: Path) -> None:
    """Whoever of the run finds the disk full has it once; then nothing more is intended."""
    with opened(tmp_path) as journal:
        run = begun(journal)
        assert [journal.make_room(), journal.make_room()] == [True, False]
        (refused,) = journal.write(run, [intend(body(1, part_of(1, 5)))])
        assert isinstance(refused, DiskFull)


def test_the_end_is_recorded_on_a_full_disk(tmp_path: Path) -> None:
    """And then nothing is held back any more: the report comes after it."""
    with opened(tmp_path) as journal:
        run = begun(journal)
        full_once(journal)
        journal.finish(run, "done", Accounts(read=1, accepted=1))
        assert not journal.make_room()
        assert [one.state for one in journal.runs()] == ["done"]


def full_once(journal: Journal) -> list[str]:
    """The next commit finds the disk full, as SQLite says it; the commits from then on."""
    connection: sqlite3.Connection = vars(journal)["_connection"]
    calls: list[str] = []

    class Full:
        in_transaction = property(lambda self: connection.in_transaction)

        def execute(self, statement: str, *rest: Any) -> sqlite3.Cursor:
            if statement == "COMMIT":
                calls.append(statement)
                if len(calls) == 1:
                    error = sqlite3.OperationalError("database or disk is full")
                    error.sqlite_errorcode = sqlite3.SQLITE_FULL
                    raise error
            return connection.execute(statement, *rest)

        def __getattr__(self, name: str) -> Any:
            return getattr(connection, name)

    vars(vars(journal)["_commits"])["_connection"] = Full()
    return calls


def test_a_full_disk_records_nothing_of_a_commit(tmp_path: Path) -> None:
    """No intent, and where nothing can be written SQLite's own words and what to do; the state is
    that before. Taken up with room, it goes on."""
    with opened(tmp_path) as journal:
        run = begun(journal)
        connection: sqlite3.Connection = vars(journal)["_connection"]
        connection.execute("PRAGMA max_page_count=1")  # no page more than there are
        written = 0

        def fill() -> None:
            nonlocal written
            for number in range(1, 500):
                (refused,) = journal.write(run, [intend(body(number, part_of(10 * number, 5)))])
                if refused is not None:
                    raise refused
                written = number

        with pytest.raises(DiskFull, match="what was held back is given up"):
            fill()
        with pytest.raises(DiskFull, match="database or disk is full") as caught:
            journal.put_files(run, [FileRecord(n, f"more {n}.csv") for n in range(3, 500)])
        assert "make room" in caught.value.hint
        assert str(journal.path.parent) in caught.value.message
        assert [one.number for one in journal.open_intents(run)] == list(range(1, written + 1))
        connection.execute("PRAGMA max_page_count=100000")
        run = journal.resume(run)
        journal.write(run, [intend(body(written + 1, part_of(10 * (written + 1), 5)))])
        assert len(journal.open_intents(run)) == written + 1


def test_a_directory_that_went(tmp_path: Path) -> None:
    """No room can be asked for: refused before the body goes out."""
    with opened(tmp_path) as journal:
        run = begun(journal)
        place(tmp_path).parent.rename(tmp_path / "gone")
        (refused,) = journal.write(run, [intend(body(1, part_of(1, 5)))])
        assert isinstance(refused, SettingsError)
        assert "can't be kept" in refused.message


def test_how_it_shows_itself(tmp_path: Path) -> None:
    """Its place and its commits, which are what it costs."""
    with opened(tmp_path) as journal:
        before = journal.commits
        run = begun(journal)
        assert journal.commits == before + 2
        batch = body(1, part_of(1, 5))
        journal.write(run, [intend(batch), settle(batch)])
        assert journal.commits == before + 3
        assert repr(journal) == f"<Journal {place(tmp_path)}, {before + 3} commits>"


def test_a_replay_is_booked_on_a_run_that_has_ended(tmp_path: Path) -> None:
    """Other accounts, and higher numbers; its end stays as it was."""
    wall = Wall(500.0)
    with opened(tmp_path, wall) as journal:
        run = begun(journal)
        journal.finish(run, "done", Accounts(read=3, accepted=1, rejected=2))
        wall.now = 900.0
        for highest in (7, 5):
            journal.book(run, {"read": 3, "accepted": 3, "rejected": 0}, highest)
    with opened(tmp_path) as journal:
        (found,) = journal.runs()
        assert (found.state, found.finished_at, found.highest) == ("done", 500.0, 7)
        assert found.accounts == {"read": 3, "accepted": 3, "rejected": 0}
        assert journal.last_done() == found
