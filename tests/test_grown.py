"""A job that runs every night: only what is new is sent, and each record keeps its number."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import anyio
import pytest

from ingest.build import RunOptions
from ingest.build.planning import PlanOptions, plan
from ingest.build.undoing import Asked as ToUndo
from ingest.build.undoing import undo
from ingest.build.verifying import Asked as ToVerify
from ingest.build.verifying import verify
from ingest.job import Job
from ingest.pack.identify import start_of
from ingest.state import StateDir
from tests.end_to_end import Listener, Run, counts, credentials, job_of, load, new_table
from tests.sandbox.conftest import Running, running

HEADER = "n,name\n"


def lines(*numbers: int) -> str:
    """Records, one a number; every third one quotes a line end."""
    return "".join(f'{n},"x\ny"\n' if n % 3 == 0 else f"{n},x\n" for n in numbers)


class Nightly:
    """A directory, its job, and the sandbox that it is loaded into."""

    def __init__(self, server: Running, folder: Path, **sections: Any) -> None:
        self.server = server
        self.folder = folder
        self.table = new_table()
        types = {"n": {"type": "integer"}, "name": {"type": "text"}}
        sections = {"limits": {"records": 3}, **sections}
        self.job: Job = job_of(folder, self.table, "data", fields=types, **sections)
        (folder / "data").mkdir()

    def write(self, name: str, text: str, mode: str = "w") -> None:
        """Write a file of the directory, or append to it."""
        with (self.folder / "data" / name).open(mode, newline="") as file:
            file.write(text)

    def run(self, **options: Any) -> Run:
        """One night; the plan before it is the same as what is done."""
        if not options:
            expected = self.planned()
        before = self.sent()
        run = load(self.server, self.job, self.folder, **options)
        records = run.report["records"]
        if not options:
            found = [records[key] for key in ("read", "accepted", "rejected", "skipped")]
            assert found == [expected[k] for k in ("read", "to_send", "rejected", "skipped")]
        assert self.sent() - before == records["accepted"]
        return run

    def planned(self) -> dict[str, int]:
        """What a plan says of the records."""
        wishes = PlanOptions(self.folder / "state")
        with self.environment():
            result = anyio.run(plan, self.job, wishes, Listener())
        records: dict[str, int] = result.report["records"]
        return records

    def environment(self) -> Any:
        """What the sandbox is reached by."""
        return mock.patch.dict(os.environ, credentials(self.server))

    def sent(self) -> int:
        """Records that the service has taken so far."""
        return int(self.server.stats()["records_accepted"])

    def rows(self) -> list[int]:
        """The numbers in the table, each as often as it is there."""
        return sorted(row["n"] for row in self.server.rows(self.table, "id, n"))


def shown_names(run: Run) -> dict[str, str]:
    """The files of a run, by their names, as they are shown."""
    return {Path(file["path"]).name: file["path"] for file in run.report["files"]}


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One for all tests; each has a table of its own."""
    with running(tmp_path_factory.mktemp("sandbox")) as one:
        yield one


@pytest.fixture
def nightly(sandbox: Running, tmp_path: Path) -> Nightly:
    """With three files, loaded on the first night; one record is rejected."""
    made = Nightly(sandbox, tmp_path, delivery={"id": "derived"})
    made.write("kept.csv", HEADER + lines(1, 2, 3))
    made.write("log.csv", HEADER + lines(11, 12, 13, 14) + "odd,x\n")
    first = made.run()
    assert counts(first.report) == {"read": 8, "accepted": 7, "rejected": 1}
    return made


def test_added_appended_and_left_alone(nightly):
    """The second night sends what is new, with the numbers of a load of the whole file."""
    nightly.write("log.csv", lines(15, 16) + "odd,y\n" + lines(18), "a")
    nightly.write("new.csv", HEADER + lines(21))
    second = nightly.run()
    assert counts(second.report) == {"read": 13, "accepted": 4, "rejected": 1, "skipped": 8}
    assert "1 file grew: the first 5 records are those loaded before" in " ".join(
        second.listener.notes
    )
    [reject] = second.rejects
    assert (reject["record"], reject["line"]) == (8, 11)
    third = nightly.run()
    assert counts(third.report) == {"read": 13, "skipped": 13}
    nightly.write("log.csv", lines(19), "a")
    assert counts(nightly.run().report) == {"read": 14, "accepted": 1, "skipped": 13}
    wanted = [1, 2, 3, 11, 12, 13, 14, 15, 16, 18, 19, 21]
    assert nightly.rows() == wanted
    ids = [row["id"] for row in nightly.server.rows(nightly.table, "id")]
    starts = {name: start_of("job", path) for name, path in shown_names(third).items()}
    assert set(ids) == {starts["kept.csv"] + n for n in (1, 2, 3)} | {
        starts["log.csv"] + n for n in (1, 2, 3, 4, 6, 7, 9, 10)
    } | {starts["new.csv"] + 1}


@pytest.mark.parametrize("change", ["first", "cut", "half"])
def test_anything_else_is_loaded_anew(sandbox, tmp_path, change):
    """Another beginning; a line that was not ended: said, and everything is sent."""
    nightly = Nightly(sandbox, tmp_path)
    start = HEADER + lines(1, 2)
    nightly.write("log.csv", start[:-1] if change == "half" else start)
    nightly.run()
    after = {
        "first": HEADER + lines(4, 2, 5),
        "cut": HEADER + lines(1),
        "half": start + lines(5),
    }[change]
    nightly.write("log.csv", after)
    second = nightly.run()
    assert "skipped" not in counts(second.report)
    assert any(
        "log.csv: changed since it was loaded: loaded anew (" in n for n in second.listener.notes
    )


def test_taken_up_with_a_file_that_had_grown(nightly):
    """A limit ends the second night early; the next one goes on, and skips what it skipped."""
    nightly.write("log.csv", lines(15, 16, 17, 18, 19), "a")
    part = nightly.run(limit=7)
    assert counts(part.report) == {"read": 10, "accepted": 2, "skipped": 8}
    rest = load(nightly.server, nightly.job, nightly.folder)
    assert counts(rest.report) == {"read": 13, "accepted": 5, "skipped": 8}
    assert rest.report["run"] == part.report["run"]
    assert rest.report["files"][1]["before"]["records"] == 5
    assert nightly.rows() == [1, 2, 3, *range(11, 20)]
    nightly.write("log.csv", lines(20), "a")
    assert counts(nightly.run().report) == {"read": 14, "accepted": 1, "skipped": 13}


def test_verified_and_undone(nightly):
    """Of a file that had grown only the run's own records are verified, and taken back; then they
    are loaded once more, and no others."""
    nightly.write("log.csv", lines(15, 16), "a")
    second = nightly.run()
    place = StateDir(second.state).find(second.report["run"])
    options = RunOptions(second.state)
    with nightly.environment():
        for full in (True, False):
            found = anyio.run(verify, ToVerify(place, full=full), options, Listener())
            assert found.verification["ok"], found.verification
        undone = anyio.run(undo, ToUndo(place, most=2), options, Listener())
    assert (undone["deleted"], undone["left"]) == (2, 0)
    assert nightly.rows() == [1, 2, 3, 11, 12, 13, 14]
    third = nightly.run()
    assert counts(third.report) == {"read": 10, "accepted": 2, "skipped": 8}
    assert nightly.rows() == [1, 2, 3, 11, 12, 13, 14, 15, 16]


def test_written_to_while_it_is_read(sandbox, tmp_path):
    """What came behind the end that the run saw is new to the next one."""
    nightly = Nightly(sandbox, tmp_path)
    nightly.write("log.csv", HEADER + lines(1, 2))

    class Appending(Listener):
        def tick(self, snapshot: Any) -> None:
            if snapshot.stage == "done":
                nightly.write("log.csv", lines(4, 5), "a")
            super().tick(snapshot)

    with mock.patch("tests.end_to_end.Listener", Appending):
        load(sandbox, nightly.job, tmp_path)
    second = nightly.run()
    assert counts(second.report) == {"read": 4, "accepted": 2, "skipped": 2}
    assert nightly.rows() == [1, 2, 4, 5]
