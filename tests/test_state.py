"""The state directory: private, honest about what it can't do, and searchable."""

from __future__ import annotations

import itertools
import os
import stat
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from ingest.errors import SettingsError
from ingest.state import RunDir, StateDir, beginning_so, is_run_id, write_private

NOW = datetime(2026, 11, 21, 22, 15, tzinfo=UTC)


def mode(path: Path) -> int:
    """The permission bits."""
    return stat.S_IMODE(path.stat().st_mode)


def fixed(*texts: str):
    """Random hex digits that are not random."""
    source = itertools.cycle(texts)
    return lambda _: next(source)


@pytest.fixture
def state(tmp_path: Path) -> StateDir:
    """A state directory that is not there yet."""
    return StateDir(tmp_path / ".ingest")


def test_looking_creates_nothing(state):
    """`show` in a wrong directory leaves no trace."""
    assert (state.runs(), state.latest()) == ([], None)
    with pytest.raises(SettingsError, match="no runs here") as caught:
        state.find()
    assert "--state-dir" in caught.value.hint
    assert not state.path.exists()


def test_a_new_run(state):
    """The id sorts and says what it is; everything is private, also from git."""
    run = state.new_run("stocks", NOW, fixed("4f2a"))
    assert run.id == "20261121-221500-stocks-4f2a"
    assert run.report_path == state.path / "runs" / run.id / "report.json"
    assert run.rejects_path.name == "rejects.ndjson"
    assert [mode(path) for path in (state.path, state.runs_dir, run.path)] == [0o700] * 3
    assert (state.path / ".gitignore").read_text() == "*\n"
    assert state.sandbox_dir == state.path / "sandbox"


def test_a_wide_umask_changes_nothing(state):
    """The modes are the program's, not the shell's."""
    old = os.umask(0)
    try:
        run = state.new_run("a", NOW, fixed("0000"))
    finally:
        os.umask(old)
    assert [mode(path) for path in (state.path, state.runs_dir, run.path)] == [0o700] * 3


def test_the_time_of_an_id_is_utc(state):
    """Two clocks in two zones sort right."""
    east = NOW.astimezone(timezone(timedelta(hours=9)))
    assert state.new_run("a", east, fixed("0000")).id.startswith("20261121-221500-")


def test_equal_ids_are_drawn_again(state):
    """Two runs of one second and name; when every draw is taken, it is said."""
    first = state.new_run("a", NOW, fixed("0000"))
    second = state.new_run("a", NOW, fixed("0000", "0000", "0001"))
    assert (first.id[-4:], second.id[-4:]) == ("0000", "0001")
    with pytest.raises(SettingsError, match="no free run id"):
        state.new_run("a", NOW, fixed("0000"))


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "a\nb"])
def test_a_name_is_no_path(state, name):
    """Job names are checked long before; here it is checked once more."""
    with pytest.raises(SettingsError, match="can't name a run"):
        state.new_run(name, NOW, fixed("0000"))
    assert not state.path.exists()


def test_somebodys_directory_is_left_as_it_is(tmp_path):
    """`--state-dir .` changes no mode and hides no repository from git."""
    tmp_path.chmod(0o755)
    (tmp_path / "theirs").touch()
    run = StateDir(tmp_path).new_run("a", NOW, fixed("0000"))
    assert mode(tmp_path) == 0o755
    assert not (tmp_path / ".gitignore").exists()
    assert mode(run.path.parent) == 0o700


def test_an_empty_directory_is_taken_over(tmp_path):
    """A mounted volume, made by somebody else for us."""
    tmp_path.chmod(0o755)
    StateDir(tmp_path).ensure()
    assert mode(tmp_path) == 0o700
    assert (tmp_path / ".gitignore").exists()


def test_a_gitignore_is_never_overwritten(state):
    """Nor is anything else on a second call."""
    state.ensure()
    (state.path / ".gitignore").write_text("mine")
    state.ensure()
    assert (state.path / ".gitignore").read_text() == "mine"


@pytest.mark.parametrize("place", ["file", "file/deeper", "/proc/nowhere"])
def test_an_unusable_place_is_a_settings_error(tmp_path, place):
    """Exit 2, and the option is named."""
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="state directory can't be written") as caught:
        StateDir(tmp_path / place).new_run("a", NOW, fixed("0000"))
    assert "--state-dir" in caught.value.hint
    assert caught.value.exit_code == 2


def test_a_runs_file_can_not_be_read(state):
    """Where `runs` is no directory, looking says so."""
    state.path.mkdir()
    state.runs_dir.touch()
    with pytest.raises(SettingsError, match="can't be read"):
        state.runs()


def made(state: StateDir, *names: str, at: datetime = NOW) -> list[RunDir]:
    """Runs of these job names, a minute apart."""
    return [
        state.new_run(name, at + timedelta(minutes=n), fixed(f"{n:04x}"))
        for n, name in enumerate(names)
    ]


def test_find_by_prefix(state):
    """Nothing: the latest; a unique prefix: that one."""
    first, second = made(state, "a", "b")
    assert state.find() == second
    assert state.latest() == second
    assert state.find(first.id) == first
    assert state.find(first.id[:15]) == first
    assert [run.id for run in state.runs()] == [second.id, first.id]


@pytest.mark.parametrize(("prefix", "said"), [("2026", "2 runs begin so"), ("1999", "no run")])
def test_find_names_the_candidates(state, prefix, said):
    """An ambiguous or unknown prefix is exit 2 with the ids."""
    first, second = made(state, "a", "b")
    with pytest.raises(SettingsError, match=said) as caught:
        state.find(prefix)
    assert first.id in caught.value.hint
    assert second.id in caught.value.hint


def test_many_candidates_are_not_all_named(state):
    """Eight and a count."""
    made(state, *"abcdefghij")
    with pytest.raises(SettingsError) as caught:
        state.find("x")
    assert caught.value.hint.endswith("and 2 more")


def test_an_id_that_is_another_ones_prefix(state):
    """The exact id wins."""
    short = state.new_run("a", NOW, fixed("0000"))
    state.new_run("a-0000", NOW, fixed("0000"))
    (state.runs_dir / f"{short.id}-0000").is_dir()
    assert state.find(short.id) == short


def test_within_a_second_the_later_one_is_latest(state):
    """The random tail and the name say nothing about time; the directory does."""
    runs = [state.new_run(name, NOW, fixed("0000")) for name in ("z", "a")]
    for second, run in enumerate(runs):
        os.utime(run.path, ns=(second, second))
    assert state.latest() == runs[1]


def test_what_is_no_run_is_not_listed(state):
    """Files, links, other names."""
    (run,) = made(state, "a")
    (state.runs_dir / "20261121-221500-file-0000").touch()
    (state.runs_dir / "20261121-221500-link-0000").symlink_to(run.path)
    (state.runs_dir / "notes").mkdir()
    assert state.runs() == [run]


@pytest.mark.parametrize(
    "name",
    ["20261121-221500-..-0000", "20261121-221500-a\x1b[2J-0000", "20261121-221500-a\n-0000",
     "٢0261121-221500-a-0000", "20261121-221500--0000", "20261121-221500-a-00000"],
)  # fmt: skip
def test_a_name_that_no_run_was_given(state, name):
    """A job that could not be named so: its id would lead elsewhere, or paint the terminal."""
    state.ensure()
    (state.runs_dir / name).mkdir()
    assert not is_run_id(name)
    assert state.runs() == []


@pytest.mark.parametrize("job", ["a", "a-b", "2026-x.y_z", "load-0123456789ab"])
def test_the_id_says_job_and_start(state, job):
    """Whatever dashes the name has."""
    run = state.new_run(job, NOW, fixed("4f2a"))
    assert (run.job, run.started) == (job, NOW)
    assert is_run_id(run.id)
    assert state.lock_path(run.job) == state.path / "jobs" / job / "lock"


def test_an_id_that_is_no_time(state):
    """Digits that somebody made up."""
    assert RunDir(state.runs_dir / "20261399-250000-a-0000").started is None


def test_a_run_that_vanishes_while_listing(state, monkeypatch):
    """`clean` beside `runs`: the others are listed all the same."""
    first, second = made(state, "a", "b")
    real = os.scandir

    class Vanishing:
        """What `scandir` gives, with one directory gone since."""

        def __init__(self, path):
            with real(path) as entries:
                self.entries = list(entries)
            first.path.rmdir()

        def __enter__(self):
            return iter(self.entries)

        def __exit__(self, *exc):
            pass

    monkeypatch.setattr(os, "scandir", Vanishing)
    assert state.runs() == [second]


def test_beginning_so(state):
    """All of them, in their order; none is an error that names the others, if there are any."""
    runs = made(state, "a", "b")
    assert beginning_so(runs, "2026") == runs
    assert beginning_so(runs, runs[1].id) == [runs[1]]
    with pytest.raises(SettingsError, match="no run begins so") as caught:
        beginning_so(runs, "x")
    assert runs[0].id in caught.value.hint
    with pytest.raises(SettingsError) as caught:
        beginning_so([], "x")
    assert caught.value.hint == "there are none at all"


def test_write_private(tmp_path):
    """0600, replaced as a whole, nothing left beside it."""
    path = tmp_path / "r.json"
    write_private(path, b"one")
    path.chmod(0o644)
    write_private(path, b"two")
    assert path.read_bytes() == b"two"
    assert mode(path) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_write_private_keeps_the_old_one_if_it_fails(tmp_path, monkeypatch):
    """A failing sync leaves the former content and no litter."""
    path = tmp_path / "r.json"
    write_private(path, b"one")

    def fail(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        write_private(path, b"two")
    assert path.read_bytes() == b"one"
    assert list(tmp_path.iterdir()) == [path]


def test_write_private_writes_links_and_pipes_in_place(tmp_path):
    """`/dev/stderr`, `>(jq .)` and a link made on purpose stay what they are."""
    real, link = tmp_path / "real", tmp_path / "link"
    real.write_text("old and longer")
    link.symlink_to(real)
    write_private(link, b"new")
    assert link.is_symlink()
    assert real.read_bytes() == b"new"
    read_end, write_end = os.pipe()
    write_private(Path(f"/proc/self/fd/{write_end}"), b"piped")
    assert os.read(read_end, 10) == b"piped"
    os.close(read_end)
    os.close(write_end)
