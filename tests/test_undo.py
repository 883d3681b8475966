"""Whole undos against real sandboxes: only the run's own rows go, and the rest stays as it was."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import anyio
import pytest

from ingest.build import RunOptions
from ingest.build.undoing import Asked, Look, look, undo
from ingest.build.verifying import Asked as AskedToVerify
from ingest.build.verifying import verify
from ingest.errors import SettingsError, TargetError
from ingest.job import Job, make_job
from ingest.operations import undo_rows
from ingest.pack.identify import id_of
from ingest.protocols import TheseIds
from ingest.sandbox.store import FILE_NAME
from ingest.state import RunDir
from ingest.targets.avalanchio_rows import AvalanchioRows
from tests.end_to_end import Listener, Run, load, new_table
from tests.sandbox.conftest import API, Running, running
from tests.verifying import environment

ODD_KEYS = ("x' OR '1'='1", "%", "\\", '"', "_", "--", "; drop table t", "")
WAYS: dict[str, dict[str, Any]] = {
    "id": {"system": "avalanchio", "delivery": {"id": "derived"}},
    "stamp": {"system": "avalanchio", "delivery": {"stamp": "stamp"}},
    "aito stamp": {"system": "aito", "delivery": {"stamp": "stamp"}},
}


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One sandbox; each test has a table of its own."""
    with running(tmp_path_factory.mktemp("sandbox")) as one:
        yield one


@dataclass
class Scene:
    """A table, perhaps with others' rows, and runs of one job that load into it."""

    server: Running
    folder: Path
    way: str = "id"
    records: int = 60
    name: str = field(default_factory=new_table)
    listener: Listener = field(default_factory=Listener)

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        self.write("a", self.records)

    def write(self, stem: str, records: int) -> None:
        """A file of so many records, whose keys are odd texts."""
        lines = [f'{n},"{ODD_KEYS[n % 8].replace(chr(34), chr(34) * 2)}"' for n in range(records)]
        (self.folder / f"{stem}.csv").write_text("n,t\n" + "\n".join(lines) + "\n")

    def job(self, **sections: Any) -> Job:
        """The job; small requests, so that there are several batches."""
        way = dict(WAYS[self.way])
        delivery = way.pop("delivery")
        return make_job(
            {
                "name": "job",
                "source": {"paths": ["*.csv"]},
                "fields": {"n": {"type": "integer"}, "t": {"type": "string"}},
                "target": {"table": self.name, "create": True, **way},
                "limits": {"records": 25},
                "delivery": delivery,
                **sections,
            },
            base=self.folder,
        )

    def load(self, job: Job | None = None, **options: Any) -> Run:
        """A run."""
        with mock.patch.dict(os.environ, environment(self.server)):
            return load(self.server, job or self.job(), self.folder, **options)

    def run_of(self, run: Run) -> RunDir:
        """Its directory."""
        return RunDir(self.folder / "state" / "runs" / run.report["run"])

    def called(self, call: Any, backend: str = "asyncio") -> Any:
        """Await something with the services' credentials in the environment."""
        self.listener = Listener()
        with mock.patch.dict(os.environ, environment(self.server)):
            wishes = RunOptions(self.folder / "state")
            return anyio.run(partial(call, wishes), self.listener, backend=backend)

    def look(self, run: Run, backend: str = "asyncio", **asked: Any) -> Look:
        """What there is to undo."""
        found: Look = self.called(partial(look, Asked(self.run_of(run), **asked)), backend)
        return found

    def undo(self, run: Run, backend: str = "asyncio", **asked: Any) -> dict[str, Any]:
        """Undo it, as many rows as `look` counts."""
        most = self.look(run, backend, **asked).tally.wanted(
            changed_too=asked.get("changed_too", False)
        )
        call = partial(undo, Asked(self.run_of(run), most=most, **asked))
        undone: dict[str, Any] = self.called(call, backend)
        return undone

    def verified(self, run: Run) -> dict[str, Any]:
        """What verify --full says."""
        asked = AskedToVerify(self.run_of(run), full=True)
        found: dict[str, Any] = self.called(partial(verify, asked)).verification
        return found

    def bystanders(self) -> None:
        """A thousand rows of others, with odd keys and one stamp that looks like ours."""
        make = {"name": self.name, "columns": [
            {"name": "n", "type": "Bigint"}, {"name": "t", "type": "Text"},
            {"name": "stamp", "type": "Text"},
        ]}  # fmt: skip
        assert self.server.http.post(f"{API}/schema/tables", json=make).status_code == 200
        rows = [
            {"id": n + 1, "n": n, "t": ODD_KEYS[n % 8], "stamp": ODD_KEYS[(n + 1) % 8]}
            for n in range(1000)
        ]
        assert self.server.insert(self.name, *rows).status_code == 200

    def bytes_of(self) -> list[tuple[Any, ...]]:
        """Every row as SQLite has it, typed."""
        with sqlite3.connect(self.server.data_dir / FILE_NAME) as db:
            return db.execute(f'SELECT *, typeof(t) FROM "{self.name}" ORDER BY rowid').fetchall()

    def sql(self, statement: str) -> None:
        """Behind the program's back."""
        with sqlite3.connect(self.server.data_dir / FILE_NAME, timeout=30) as db:
            db.execute(statement.replace("{t}", f'"{self.name}"'))

    def count(self) -> int:
        """Rows in the table."""
        if WAYS[self.way]["system"] == "avalanchio":
            return len(self.server.rows(self.name))
        asked = {"from": self.name, "limit": 0}
        answer = self.server.http.post(
            "/api/v1/_query", json=asked, headers={"x-api-key": "sandbox"}
        )
        return int(answer.json()["total"])


@pytest.mark.parametrize("way", WAYS)
def test_load_undo_load(sandbox, tmp_path, way, anyio_backend):
    """The rows go, the report says so, and the next run loads the files again."""
    scene = Scene(sandbox, tmp_path, way)
    first = scene.load()
    assert scene.load().report["records"]["skipped"] == 60
    undone = scene.undo(first, anyio_backend)
    assert {k: undone[k] for k in ("state", "deleted", "changed", "left")} == {
        "state": "done", "deleted": 60, "changed": 0, "left": 0,
    }  # fmt: skip
    assert scene.count() == 0
    with pytest.raises(SettingsError, match="was undone"):
        scene.verified(first)
    again = scene.load()
    assert again.report["records"]["accepted"] == scene.count() == 60


@pytest.mark.parametrize("way", ["id", "stamp"])
def test_bystanders_stay_byte_for_byte(sandbox, tmp_path, way):
    """A thousand of them, whatever stands in their keys."""
    scene = Scene(sandbox, tmp_path, way, records=200)
    scene.bystanders()
    before = scene.bytes_of()
    run = scene.load()
    assert scene.count() == 1200
    assert scene.undo(run)["deleted"] == 200
    assert scene.bytes_of() == before
    assert len(before) == 1000


@pytest.mark.parametrize("way", ["id", "stamp"])
def test_rows_changed_since_stay(sandbox, tmp_path, way):
    """Unless they are asked for, too; one that is gone is no matter."""
    scene = Scene(sandbox, tmp_path, way)
    run = scene.load()
    scene.sql("UPDATE {t} SET t = 'mine' WHERE n IN (3, 4)")
    scene.sql("DELETE FROM {t} WHERE n = 7")
    undone = scene.undo(run)
    assert (undone["deleted"], undone["changed"], undone["left"]) == (57, 2, 2)
    assert {row["n"] for row in sandbox.rows(scene.name)} == {3, 4}
    undone = scene.undo(run, changed_too=True)
    assert (undone["deleted"], undone["left"], scene.count()) == (59, 0, 0)


def test_a_stamp_whose_rows_changed_stays_whole_where_rows_have_no_ids(sandbox, tmp_path):
    """aito can only be told to delete all rows of a stamp."""
    scene = Scene(sandbox, tmp_path, "aito stamp")
    run = scene.load()
    body = {"update": scene.name, "where": {"n": 30}, "set": {"t": "mine"}}
    answer = sandbox.http.post("/api/v1/data/_modify", json=body, headers={"x-api-key": "sandbox"})
    assert answer.status_code == 200, answer.text
    undone = scene.undo(run)
    assert (undone["deleted"], undone["changed"], undone["left"]) == (35, 1, 25)
    assert scene.count() == 25


def test_a_row_with_the_id_of_a_rejected_record_stays(sandbox, tmp_path):
    """It is nobody's that the run made."""
    scene = Scene(sandbox, tmp_path)
    with (tmp_path / "a.csv").open("a") as file:
        file.write("no number,x\n")
    run = scene.load()
    assert run.report["records"]["rejected"] == 1
    sandbox.insert(scene.name, {"id": id_of("job", "a.csv", 61), "n": 1, "t": "x"})
    (odd,) = scene.verified(run)["examples"]
    assert (odd["kind"], odd["record"]) == ("foreign", 61)
    undone = scene.undo(run, changed_too=True)
    assert (undone["deleted"], undone["foreign"], undone["left"]) == (60, 1, 1)


@pytest.mark.parametrize("way", ["id", "stamp"])
def test_files_that_changed(sandbox, tmp_path, way):
    """What was sent can't be made anew, so nothing is known to be unchanged."""
    scene = Scene(sandbox, tmp_path, way)
    run = scene.load()
    (tmp_path / "a.csv").write_text("n,t\n1,other\n")
    found = scene.look(run)
    assert (found.unfit, found.tally.wanted(changed_too=False)) == (("a.csv",), 0)
    assert scene.undo(run)["left"] == 60
    assert scene.undo(run, changed_too=True)["deleted"] == 60


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"delivery": {}}, "neither ids of its own nor a stamp"),
        ({"delivery": {}, "upsert": True}, "it was an upsert"),
        ({"delivery": {"evidence_key": "n"}, "aito": True}, "a column of the data"),
    ],
)
def test_refused_where_it_is_not_exact(sandbox, tmp_path, sections, said):
    """With the reason, and nothing is deleted."""
    scene = Scene(sandbox, tmp_path)
    target: dict[str, Any] = {"system": "avalanchio", "table": scene.name, "create": True}
    fields: dict[str, Any] = {"n": {"type": "integer"}, "t": {"type": "string"}}
    if sections.pop("upsert", False):
        target |= {"mode": "upsert", "upsert_key": "n"}
        fields["n"]["column"] = {"indexed": True, "unique": True}
    if sections.pop("aito", False):
        target["system"] = "aito"
    run = scene.load(scene.job(target=target, fields=fields, **sections))
    with pytest.raises(SettingsError, match=said):
        scene.look(run)


def test_an_undo_that_is_cut_short_goes_on(sandbox, tmp_path, monkeypatch):
    """What was deleted is recorded, the files count as loaded until all is deleted."""
    scene = Scene(sandbox, tmp_path, "stamp")
    run = scene.load()
    real = AvalanchioRows.delete
    calls = []

    async def breaking(self: AvalanchioRows, these: Any) -> None:
        calls.append(these)
        if len(calls) == 2:
            raise TargetError("cut off")
        await real(self, these)

    monkeypatch.setattr(AvalanchioRows, "delete", breaking)
    with pytest.raises(TargetError, match="cut off"):
        scene.undo(run)
    assert scene.count() == 35
    assert scene.load().report["records"]["skipped"] == 60
    monkeypatch.undo()
    undone = scene.undo(run)
    assert (undone["state"], undone["deleted"], scene.count()) == ("done", 60, 0)


def test_a_service_that_deletes_otherwise_is_stopped(sandbox, tmp_path, monkeypatch):
    """One row more than asked, and one less: no further set is touched."""
    monkeypatch.setattr(undo_rows, "CHUNK", 20)
    for condition, said in (("1 = 1", "are gone"), ("1 = 0", "still there")):
        scene = Scene(sandbox, tmp_path / condition[-1], "id")
        run = scene.load()

        async def otherwise(self: AvalanchioRows, these: TheseIds, how: str = condition) -> None:
            path = f"{API}/tables/{self._table}/delete-by-query"
            await self._wire.call("DELETE", path, params={"q": f"{how} and n < 45"})

        with monkeypatch.context() as patch:
            patch.setattr(AvalanchioRows, "delete", otherwise)
            with pytest.raises(TargetError, match=said):
                scene.undo(run)


def test_no_more_than_was_shown(sandbox, tmp_path):
    """Rows that came between the yes and the deletion stop it."""
    scene = Scene(sandbox, tmp_path)
    run = scene.load()
    with pytest.raises(TargetError, match="more rows to delete than the 59"):
        scene.called(partial(undo, Asked(scene.run_of(run), most=59)))
    assert scene.count() == 60


def test_only_the_files_of_the_run_are_loaded_again(sandbox, tmp_path):
    """Those that it skipped stay settled, whichever run is undone."""
    scene = Scene(sandbox, tmp_path)
    first = scene.load()
    scene.write("b", 30)
    second = scene.load()
    assert second.report["records"]["skipped"] == 60
    assert scene.undo(second)["deleted"] == 30
    assert scene.verified(first)["ok"]
    third = scene.load()
    assert (third.report["records"]["accepted"], third.report["records"]["skipped"]) == (30, 60)
    assert scene.undo(first)["deleted"] == 60
    assert scene.load().report["records"]["accepted"] == scene.count() - 30 == 60


def test_the_table_is_dropped_only_if_the_run_made_it_and_it_is_empty(sandbox, tmp_path):
    """Else it is said why not."""
    scene = Scene(sandbox, tmp_path)
    run = scene.load()
    sandbox.insert(scene.name, {"id": 1, "n": 1, "t": "somebody's"})
    assert "table_dropped" not in scene.undo(run, drop=True)
    assert "it holds 1 rows" in scene.listener.notes[-1]
    second = scene.load()
    scene.sql("DELETE FROM {t} WHERE id = 1")
    assert "table_dropped" not in scene.undo(second, drop=True)
    assert "it was there before" in scene.listener.notes[-1]
    assert scene.undo(run, drop=True)["table_dropped"]
    assert sandbox.http.get(f"{API}/schema/describe-table/{scene.name}").status_code == 404


def test_an_unfinished_run_can_be_taken_back(sandbox, tmp_path):
    """The first records of a limited run; the next run begins anew."""
    scene = Scene(sandbox, tmp_path)
    run = scene.load(limit=40)
    assert scene.undo(run)["deleted"] == 40
    again = scene.load()
    assert again.report["run"] != run.report["run"]
    assert again.report["records"]["accepted"] == scene.count() == 60
