"""Old runs go in one step; whatever may still be needed stays."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from ingest.errors import SettingsError
from ingest.housekeeping import Cleaning, Kept, Wanted
from ingest.locking import JobLock
from ingest.state import RunDir, StateDir
from tests.housekeeping.made import DAY_S, START, aged, done, locked, made

NOW_DAY = 100
WEEK = Wanted(7 * DAY_S)


@pytest.fixture
def state(tmp_path) -> StateDir:
    """A state directory that is not there yet."""
    return StateDir(tmp_path / ".ingest")


def cleaning(state: StateDir, wanted: Wanted = WEEK, day: float = NOW_DAY) -> Cleaning:
    """A removal on that day."""
    return Cleaning(state, wanted, lambda: START.timestamp() + day * DAY_S)


def cleaned(state: StateDir, wanted: Wanted = WEEK) -> list[RunDir]:
    """The runs that are left after a removal."""
    job = cleaning(state, wanted)
    job.remove(job.plan())
    return state.runs()


def names(state: StateDir) -> list[str]:
    """All that lies in the runs' directory."""
    return sorted(path.name for path in state.runs_dir.iterdir())


def bytes_in(path: Path) -> int:
    """Of all files below."""
    return sum(found.stat().st_size for found in path.rglob("*") if found.is_file())


def test_nothing_there(state):
    """No plan, no removal, and nothing is created."""
    job = cleaning(state)
    plan = job.plan()
    assert (plan.runs, plan.kept, plan.leftovers, plan.size_bytes) == ((), {}, (), 0)
    assert job.remove(plan).runs == 0
    assert not state.path.exists()


def test_old_runs_go_and_the_others_stay(state):
    """The oldest first; what is freed is what their files held, spools too."""
    old = [done(state, day=day) for day in (1, 0, 92)]
    old[0].spool_dir.mkdir()
    (old[0].spool_dir / "1.gz").write_bytes(b"x" * 5000)
    aged(old[0], 1)
    young = [done(state, day=day) for day in (93, 99)]
    size = sum(bytes_in(run.path) for run in old)
    job = cleaning(state)
    plan = job.plan()
    assert [one.run for one in plan.runs] == [old[1], old[0], old[2]]
    assert (plan.size_bytes, plan.kept) == (size, {})
    assert size > 5000
    assert len(state.runs()) == 5
    found = job.remove(plan)
    assert (found.runs, found.freed_bytes, found.kept, found.failed) == (3, size, {}, ())
    assert state.runs() == young[::-1]
    assert names(state) == sorted(run.id for run in young)


def test_one_job_only(state):
    """A name, not a prefix of one."""
    done(state, "stocks")
    others = [done(state, name) for name in ("stock", "stocks-2")]
    assert set(cleaned(state, Wanted(0, "stocks"))) == set(others)


def test_what_is_kept_is_counted(state):
    """Each for its reason; old rejects and unfinished runs only go if asked for."""
    done(state, "good")
    rejects = done(state, "odd", rejected=1)
    killed = made(state, "killed")
    stopped = done(state, "stopped", stopped=True)
    plan = cleaning(state).plan()
    assert plan.kept == {Kept.REJECTS: 1, Kept.UNFINISHED: 1, Kept.RESUMABLE: 1}
    assert set(cleaned(state)) == {rejects, killed, stopped}
    assert set(cleaned(state, Wanted(0, unfinished=True))) == {rejects}
    assert cleaned(state, Wanted(0, with_rejects=True)) == []


def test_a_failed_run_that_others_followed_is_past(state):
    """Only the latest of a job can be taken up."""
    done(state, day=0, stopped=True)
    last = done(state, day=1, stopped=True)
    assert cleaned(state) == [last]


def test_a_run_outside_of_the_books_takes_no_other_ones_place(state):
    """The journal takes up the run before it; the one outside (`--fresh`) goes like any other."""
    interrupted = done(state, day=0, stopped=True)
    outside = done(state, day=1, stopped=True)
    (outside.path / "job.json").write_bytes(b'{"file":null,"fresh":true}')
    aged(outside, 1)
    assert cleaned(state) == [interrupted]
    last = done(state, day=2)
    (last.path / "job.json").write_bytes(b'{"fresh":false}')
    assert cleaned(state, Wanted(98.5 * DAY_S)) == [last]


@pytest.mark.parametrize("kept", [b"", b"[]", b'{"fresh":1}', b"{}", None])
def test_what_does_not_say_that_it_was_outside_was_not(state, kept):
    """Runs of earlier versions, and files that somebody has touched."""
    done(state, day=0, stopped=True)
    last = done(state, day=1, stopped=True)
    if kept is not None:
        (last.path / "job.json").write_bytes(kept)
    aged(last, 1)
    assert cleaned(state) == [last]


def test_rejects_that_are_no_plain_file_are_rejects(state, tmp_path):
    """Somebody made a link of it: it is not for us to say that it is empty."""
    run = done(state)
    run.rejects_path.unlink()
    run.rejects_path.symlink_to(tmp_path / "elsewhere")
    aged(run, 0)
    assert cleaned(state) == [run]


@pytest.mark.parametrize("name", ["report.json", "rejects.ndjson", "spool/1.gz"])
def test_the_age_counts_from_the_last_sign_of_life(state, name):
    """A run that was taken up yesterday began a year ago."""
    run = done(state)
    run.spool_dir.mkdir()
    (run.spool_dir / "1.gz").touch()
    aged(run, 0)
    then = START.timestamp() + (NOW_DAY - 1) * DAY_S
    os.utime(run.path / name, (then, then))
    assert cleaned(state) == [run]


def test_a_held_job_keeps_its_runs(state):
    """Another process holds the lock: for as long as it lives, and for that job only."""
    runs = [done(state, day=day) for day in (0, 1)]
    done(state, "other")
    with locked(state, "stocks"):
        assert cleaning(state).plan().kept == {Kept.HELD: 2}
        assert cleaned(state, Wanted(0, unfinished=True, with_rejects=True)) == runs[::-1]
    assert cleaned(state) == []


def test_a_lock_taken_after_the_plan_counts(state):
    """Between question and answer a run may begin."""
    run = done(state)
    job = cleaning(state)
    plan = job.plan()
    with locked(state, "stocks"):
        found = job.remove(plan)
    assert (found.runs, found.freed_bytes, found.kept) == (0, 0, {Kept.HELD: 1})
    assert state.runs() == [run]


def test_a_run_used_after_the_plan_stays(state):
    """Taken up and ended meanwhile."""
    run = done(state)
    job = cleaning(state)
    plan = job.plan()
    run.rejects_path.write_bytes(b"{}\n")
    aged(run, NOW_DAY)
    assert job.remove(plan).kept == {Kept.YOUNG: 1}
    assert state.runs() == [run]


def test_the_lock_is_held_while_a_run_goes(state, monkeypatch):
    """Nobody can take up what is being renamed; the deleting itself keeps nobody waiting."""
    done(state)
    state.lock_path("stocks").parent.mkdir(parents=True)
    state.lock_path("stocks").touch()
    seen: dict[str, bool] = {}

    def watch(name: str, real):
        def watched(*args, **kwargs):
            try:
                with JobLock(state.lock_path("stocks")).held():
                    seen[name] = False
            except Exception:  # noqa: BLE001 - held
                seen[name] = True
            return real(*args, **kwargs)

        return watched

    monkeypatch.setattr(os, "rename", watch("rename", os.rename))
    monkeypatch.setattr(shutil, "rmtree", watch("rmtree", shutil.rmtree))
    assert cleaned(state) == []
    assert seen == {"rename": True, "rmtree": False}


def test_no_lock_is_made_for_jobs_that_never_had_one(state):
    """Looking leaves no trace."""
    done(state)
    assert cleaned(state) == []
    assert not (state.path / "jobs").exists()


def test_killed_half_way(state, monkeypatch):
    """No half run is listed; the next removal finds what is left, and takes it with it."""
    run = done(state)
    size = bytes_in(run.path)

    def killed(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            cleaned(state)
    assert state.runs() == []
    assert names(state) == [f".{run.id}.removed"]
    job = cleaning(state)
    plan = job.plan()
    assert (plan.leftovers, plan.size_bytes) == (((f".{run.id}.removed", size),), size)
    assert job.remove(plan).freed_bytes == size
    assert names(state) == []


def test_what_is_not_ours_is_left_alone(state, tmp_path):
    """Names that are no run's, files, links: also with a dot and the ending."""
    state.ensure()
    target = tmp_path / "theirs"
    target.mkdir()
    (target / "data").write_text("theirs")
    for name in ("notes", ".notes.removed", "20210301-221500-a\n-0000"):
        (state.runs_dir / name).mkdir()
    for name in ("20210301-221500-a-0000", ".20210301-221500-a-0000.removed"):
        (state.runs_dir / name).symlink_to(target)
    before = names(state)
    assert cleaned(state, Wanted(0, unfinished=True, with_rejects=True)) == []
    assert names(state) == before
    assert (target / "data").exists()


def test_links_inside_a_run_are_not_followed(state, tmp_path):
    """The link goes, what it leads to stays, and its bytes are not counted as freed."""
    target = tmp_path / "theirs"
    target.mkdir()
    (target / "data").write_bytes(b"x" * 100_000)
    run = done(state)
    (run.path / "directory").symlink_to(target)
    (run.path / "file").symlink_to(target / "data")
    aged(run, 0)
    job = cleaning(state)
    plan = job.plan()
    assert plan.size_bytes < 100_000
    assert job.remove(plan).runs == 1
    assert (target / "data").stat().st_size == 100_000


def test_a_run_that_becomes_a_link_is_not_followed(state, tmp_path):
    """After the plan, as an attack would: the target is untouched."""
    target = tmp_path / "theirs"
    target.mkdir()
    (target / "data").write_text("theirs")
    run = done(state)
    job = cleaning(state, Wanted(7 * DAY_S, unfinished=True))
    plan = job.plan()
    shutil.rmtree(run.path)
    run.path.symlink_to(target)
    assert job.remove(plan).runs == 0
    assert (target / "data").read_text() == "theirs"
    assert run.path.is_symlink()


def test_a_linked_runs_directory_is_refused(state, tmp_path):
    """Exit 2: what lies elsewhere is not removed through a link."""
    elsewhere = StateDir(tmp_path / "elsewhere")
    run = done(elsewhere)
    state.path.mkdir()
    state.runs_dir.symlink_to(elsewhere.runs_dir)
    with pytest.raises(SettingsError, match="links are not followed"):
        cleaning(state).plan()
    assert elsewhere.runs() == [run]


def test_a_linked_lock_is_an_error_before_anything_goes(state, tmp_path):
    """Whether the job runs can't be known then."""
    run = done(state)
    state.lock_path("stocks").parent.mkdir(parents=True)
    state.lock_path("stocks").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SettingsError, match="lock can't be had"):
        cleaned(state)
    assert state.runs() == [run]


def test_somebody_else_was_quicker(state):
    """Two removals at once: both end well, and only one counts."""
    done(state)
    first, second = cleaning(state), cleaning(state)
    plans = first.plan(), second.plan()
    assert first.remove(plans[0]).runs == 1
    found = second.remove(plans[1])
    assert (found.runs, found.freed_bytes, found.kept, found.failed) == (0, 0, {}, ())


@pytest.mark.parametrize(("call", "gone"), [("rename", False), ("rmtree", True)])
def test_what_fails_is_said_and_the_others_go(state, monkeypatch, call, gone):
    """Somebody else's file: named, not counted as freed."""
    first, second = done(state, day=0), done(state, day=1)
    module = os if call == "rename" else shutil
    real = getattr(module, call)

    def fails(name, *args, **kwargs):
        if first.id in name:
            raise PermissionError(13, "Permission denied")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(module, call, fails)
    job = cleaning(state)
    plan = job.plan()
    found = job.remove(plan)
    assert found.runs == 1
    assert found.freed_bytes == plan.runs[1].size_bytes
    assert len(found.failed) == 1
    assert first.id in found.failed[0]
    assert "Permission denied" in found.failed[0]
    assert second not in state.runs()
    assert (first not in state.runs()) is gone
