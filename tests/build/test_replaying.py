"""Replays in this process: what is booked, what is refused, and a booking that is cut off."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from ingest.build import replay_books, replaying
from ingest.build.origin import Recalled
from ingest.build.replay_dir import ReplayDir
from ingest.errors import IngestError, JobHeld, SettingsError, SourceError
from ingest.locking import JobLock
from ingest.sources.records import RECORDS
from ingest.state import RunDir, StateDir
from tests.build.replayed import Scene
from tests.end_to_end import counts, load
from tests.sandbox.conftest import Running, running

ALL = [(1, "a"), (2, "b"), (3, "c"), (4, "d"), (5, "e")]


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One sandbox; each test has a table of its own."""
    with running(tmp_path_factory.mktemp("sandbox")) as one:
        yield one


@pytest.fixture
def scene(sandbox: Running, tmp_path: Path) -> Scene:
    """A run with two rejects, which are records 2 and 4."""
    return Scene(sandbox, tmp_path)


def test_mended_records_are_accepted_and_booked(scene, anyio_backend):
    """Rows, rejects, report and journal agree, on both back ends."""
    scene.mend(x="2", y="4")
    report = scene.folder / "r.json"
    result = scene.replay(backend=anyio_backend, report=report)
    assert result.exit_code == 0
    assert counts(result.report) == {"read": 5, "accepted": 5}
    assert orjson.loads(report.read_bytes()) == result.report
    assert scene.rows() == ALL
    assert (scene.lines(), scene.left_behind()) == ([], [])
    again = scene.replay()
    assert again is None
    assert "nothing to replay" in scene.listener.notes[-1]


def test_rejected_again_with_todays_words(scene):
    """One is accepted; the other stays at its place, with what is wrong with it now."""
    scene.mend(x="2", y="4.5")
    result = scene.replay()
    assert (result.exit_code, counts(result.report)) == (
        3, {"read": 5, "accepted": 4, "rejected": 1},
    )  # fmt: skip
    (left,) = scene.lines()
    assert (left["record"], left["line"], left["raw"]) == (4, 5, "4.5,d")
    assert result.report["rejects"]["by_reason"] == {left["reason"]: 1} == {"not_whole": 1}
    (replay,) = result.report["replays"]
    assert {k: replay[k] for k in ("replayed", "accepted", "rejected", "ambiguous", "left")} == {
        "replayed": 2, "accepted": 1, "rejected": 1, "ambiguous": 0, "left": 0,
    }  # fmt: skip


def test_lines_that_are_no_record_of_their_own(scene):
    """Two pasted into one stay, with the reason; they are not sent."""
    scene.mend(x="2,b\n9", y="4")
    result = scene.replay()
    assert result.report["rejects"]["by_reason"] == {"not_one_record": 1}
    assert [row for row in scene.rows() if row[0] in (2, 9)] == []


def test_a_mended_copy_of_a_part(scene):
    """What stands in it is replayed, and put into the run's file; other lines are untouched."""
    copy = scene.folder / "copy.ndjson"
    bad, good = scene.lines()
    scene.write([{**good, "raw": "4.5,d"}], copy)
    result = scene.replay(rejects=copy)
    assert [line["raw"] for line in scene.lines()] == [bad["raw"], "4.5,d"]
    assert result.report["rejects"]["by_reason"] == {"not_an_integer": 1, "not_whole": 1}
    scene.write([{**good, "raw": "4,d"}, {**good, "record": 1}], copy)
    assert scene.replay(rejects=copy).exit_code == 3
    assert scene.rows() == [row for row in ALL if row[0] != 2]
    assert "1 line passed over" in "".join(scene.listener.notes)
    assert scene.replay(rejects=copy) is None, "the same copy again"
    assert len(scene.rows()) == 4


def test_a_line_that_was_taken_out_is_rejected_all_the_same(scene):
    """The accounts say so, under a reason of its own."""
    scene.mend(x="2")
    scene.write(scene.lines()[:1])
    report = scene.replay().report
    assert counts(report) == {"read": 5, "accepted": 4, "rejected": 1}
    assert report["rejects"]["by_reason"] == {replay_books.TAKEN_OUT: 1}


def test_lines_that_were_added(scene):
    """More lines than rejects: one of them may have been accepted."""
    one, other = scene.lines()
    scene.write([one, other, {**other, "record": 5}])
    with pytest.raises(SettingsError, match="3 lines, and the run has 2 rejects"):
        scene.replay()
    scene.write([one, {**other, "record": 2}])
    with pytest.raises(SettingsError, match=r"line 2: record 2 of a\.csv stands in line 1 already"):
        scene.replay()


STEPS: dict[str, Callable[[pytest.MonkeyPatch, Any], None]] = {
    "rejects": lambda patch, broken: patch.setattr(replay_books, "rewrite", broken),
    "report": lambda patch, broken: patch.setattr(replay_books, "write_report", broken),
    "accounts": lambda patch, broken: patch.setattr(replaying, "book_accounts", broken),
    "the end": lambda patch, broken: patch.setattr(ReplayDir, "discard", broken),
}


@pytest.mark.parametrize("step", STEPS)
def test_a_booking_that_is_cut_off_is_done_again(scene, step, monkeypatch):
    """Whatever of it was done: nothing is sent again, and the accounts are right."""
    scene.mend(x="2")

    def broken(*_: object) -> None:
        raise IngestError("cut off")

    with monkeypatch.context() as patch:
        STEPS[step](patch, broken)
        with pytest.raises(IngestError, match="cut off"):
            scene.replay()
    assert scene.left_behind() == ["replay"]
    assert len(scene.rows()) == 4
    sent = scene.server.stats()["requests"]
    scene.replay()
    assert scene.server.stats()["requests"] == sent
    scene.mend(y="4")
    result = scene.replay()
    assert scene.rows() == ALL
    assert counts(result.report) == {"read": 5, "accepted": 5}
    assert (scene.lines(), scene.left_behind()) == ([], [])
    ended = [(one["accepted"], one["exit_code"]) for one in result.report["replays"]]
    assert ended == [(1, None), (0, 3), (1, 0)]


def test_two_replays_never_have_a_number_in_common(sandbox, tmp_path):
    """Stamps are the run's, and each body has one of its own."""
    scene = Scene(sandbox, tmp_path, sections={"delivery": {"stamp": "s"}})
    scene.mend(x="2")
    scene.replay()
    scene.mend(y="4")
    scene.replay()
    stamps = {row["n"]: row["s"] for row in sandbox.rows(scene.table, "n, s")}
    numbers = [int(stamps[n].rpartition(":")[2].partition(".")[0]) for n in (1, 2, 4)]
    assert numbers == [1, 2, 3]
    assert {stamp.rpartition(":")[0] for stamp in stamps.values()} == {scene.run.id}


def test_rows_that_have_the_ids_already(sandbox, tmp_path):
    """They were brought there outside of the books: refused, nothing is sent."""
    scene = Scene(sandbox, tmp_path, sections={"delivery": {"id": "derived"}})
    first = sandbox.rows(scene.table, "id, n")[0]
    assert sandbox.insert(scene.table, {"id": first["id"] + 1, "n": 2}).status_code == 200
    scene.mend(x="2", y="4")
    with pytest.raises(SettingsError, match="holds 1 of these 2 records already"):
        scene.replay()
    assert scene.left_behind() == []
    scene.replay(rejects=scene.write(scene.lines()[1:], scene.folder / "rest.ndjson"))
    assert len(sandbox.rows(scene.table)) == 5


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"name": "other"}, "other"),
        ({"source": {"paths": ["b.csv"]}}, r'source\.paths was \["a.csv"\] and is \["b.csv"\]'),
        ({"target": {"table": "u"}}, r"target\.table was"),
        ({"target": {"system": "aito"}}, r"target\.system was"),
    ],
)
def test_a_replay_goes_where_the_run_went(scene, more, said):
    """Refused with what differs."""
    job = scene.job(**{k: v for k, v in more.items() if k != "name"})
    job = job.model_copy(update={"name": more.get("name", job.name)})
    with pytest.raises(SettingsError, match=said):
        scene.replay(job)
    assert scene.left_behind() == []


def test_another_base_url(scene):
    """Nothing is made there."""
    with running(scene.folder / "elsewhere") as other:
        scene.server, server = other, scene.server
        with pytest.raises(SettingsError, match="base URL was"):
            scene.replay()
        assert other.stats()["requests"] == 0
        scene.server = server


def test_other_columns_than_then(scene):
    """The header of the file as it is now is not the one that the records stood under."""
    scene.mend(x="2", y="4")
    (scene.folder / "a.csv").write_text("t,n\na,1\n")
    with pytest.raises(SourceError, match=r"a\.csv: its header .*\(now: t, n\)"):
        scene.replay()
    (scene.folder / "a.csv").write_text("n,t\n77,anything else\n")
    assert scene.replay().exit_code == 0, "the header is what matters"


def test_columns_that_the_job_names_now(scene):
    """Whoever says in the job how the file is spelt means it."""
    (scene.folder / "a.csv").write_text("t,n\na,1\n")
    scene.mend(x="2", y="4")
    job = scene.job(source={"header": True, "columns": ["n", "t"]})
    assert scene.replay(job).exit_code == 0


def test_another_holds_the_job(scene):
    """Exit 5."""
    lock = JobLock(StateDir(scene.folder / "state").lock_path("job"))
    with lock.held(), pytest.raises(JobHeld):
        scene.replay()


def test_a_run_without_rejects(sandbox, tmp_path):
    """Nothing to replay."""
    scene = Scene(sandbox, tmp_path, records="1,a\n")
    assert scene.replay() is None
    assert "has no rejects: nothing to replay" in scene.listener.notes[-1]


def test_a_forgotten_run_and_a_fresh_one(scene):
    """Refused, with why; a later run that loaded something is named."""
    later = load(scene.server, scene.job(), scene.folder, restart=True)
    with pytest.raises(SettingsError, match="forgotten by --restart"):
        scene.replay()
    fresh = load(scene.server, scene.job(), scene.folder, fresh=True)
    scene.run = RunDir(scene.run.path.parent / fresh.report["run"])
    with pytest.raises(SettingsError, match="--fresh"):
        scene.replay()
    assert later.code == 3


def test_by_way_of_a_file_means_by_batches(sandbox, tmp_path):
    """So little is settled better so."""
    assert (
        replaying._meant_here(
            Scene(sandbox, tmp_path).job(target={"system": "aito", "via": "file"})
        ).target.via
        == "batch"
    )


def test_the_rejects_of_a_run_that_may_bear_none(sandbox, tmp_path):
    """The run has borne them: what is rejected again passes no limit."""
    scene = Scene(sandbox, tmp_path, sections={"rejects": {"max_ratio": 0.5}})
    scene.mend(x="2")
    assert scene.replay().exit_code == 3


def test_recalled_without_columns(scene):
    """A run of which nobody knows the columns is replayed under those of the file."""
    scene.mend(x="2", y="4")
    assert scene.replay(recalled=Recalled(scene.job())).exit_code == 0


def test_an_upsert(sandbox, tmp_path):
    """The key's row is replaced, which is said: a later record may have brought it."""
    unique = {"type": "integer", "column": {"unique": True, "indexed": True}}
    target = {"mode": "upsert", "upsert_key": "n"}
    scene = Scene(
        sandbox, tmp_path, "1,a\nx,old\n2,new\n", {"fields": {"n": unique}, "target": target}
    )
    scene.mend(x="2")
    assert scene.replay().exit_code == 0
    assert scene.rows() == [(1, "a"), (2, "old")]
    assert any("mended records replace rows of their keys" in note for note in scene.listener.notes)


@pytest.mark.parametrize("deleted", [0, 1])
@pytest.mark.parametrize("state", ["begun", "done"])
def test_a_run_that_was_undone(sandbox, tmp_path, state, deleted):
    """Its rejects are those of rows that are gone; unless none is."""
    scene = Scene(sandbox, tmp_path)
    report = orjson.loads(scene.run.report_path.read_bytes())
    report["undone"] = {"state": state, "at": "2026-11-22", "deleted": deleted}
    scene.run.report_path.write_bytes(orjson.dumps(report))
    scene.mend(x="2")
    if not deleted:
        assert scene.replay().report["records"]["accepted"] == 4
        return
    with pytest.raises(SettingsError, match="undone") as caught:
        scene.replay()
    assert "ingest run" in caught.value.hint
    assert ("ingest undo" in caught.value.hint) == (state == "begun")
    assert len(scene.rows()) == 3
    assert len(scene.lines()) == 2


def test_records_of_a_program(sandbox, tmp_path):
    """They stand in no file: what to do instead is said."""
    scene = Scene(sandbox, tmp_path)
    source = {"paths": [RECORDS], "format": "ndjson", "encoding": "utf-8"}
    with pytest.raises(SettingsError, match="records that a program gave, and no files") as caught:
        scene.replay(scene.job(source=source))
    assert str(scene.run.rejects_path) in caught.value.hint
