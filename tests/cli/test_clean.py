"""`ingest clean`: shown, asked, removed."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from ingest.cli import clean
from ingest.cli.app import app
from ingest.state import StateDir
from tests.cli.test_process import environment
from tests.housekeeping.made import done, locked, made

STATE = StateDir(Path(".ingest"))
CLEAN = ["clean", "--older-than", "30d"]


@pytest.fixture
def somebody(monkeypatch) -> None:
    """Somebody sits at a terminal."""
    monkeypatch.setattr(clean, "_somebody_there", lambda: True)


def test_yes(runner):
    """What goes is listed with its size, then what came of it; nothing on standard output."""
    runs = [done(STATE, day=day) for day in (0, 1)]
    result = runner.invoke(app, [*CLEAN, "--yes"])
    assert (result.exit_code, result.stdout) == (0, "")
    lines = result.stderr.splitlines()
    assert lines[0] == "2 runs unused for more than 30d 00h:"
    assert [line.split()[0] for line in lines[1:3]] == [run.id for run in runs]
    total = lines[3].removesuffix(" in all")
    assert lines[4:] == [f"removed 2 runs, {total} freed"]
    assert STATE.runs() == []


def test_without_a_terminal_it_has_to_be_said(runner):
    """Exit 2 with the hint, also where there is nothing: a crontab's line fails at once."""
    for _ in range(2):
        result = runner.invoke(app, CLEAN)
        assert result.exit_code == 2
        assert "hint: --yes removes it without asking, --dry-run only shows it" in result.stderr
        run = STATE.runs() or [done(STATE)]
    assert STATE.runs() == run


@pytest.mark.parametrize("more", [[], ["--yes"]])
def test_a_dry_run(runner, more):
    """The same list, and nothing goes, whatever else is said; no terminal is needed."""
    run = done(STATE)
    result = runner.invoke(app, [*CLEAN, "--dry-run", *more])
    assert result.exit_code == 0
    assert run.id in result.stderr
    assert "removed" not in result.stderr
    assert STATE.runs() == [run]


@pytest.mark.parametrize(("answer", "gone"), [("y", True), ("n", False), ("", False)])
def test_asking(runner, somebody, answer, gone):
    """Nothing goes without a yes; no is an answer, not a failure."""
    run = done(STATE)
    result = runner.invoke(app, CLEAN, input=answer + "\n")
    assert result.exit_code == 0
    assert (STATE.runs() == []) is gone
    assert result.stderr.index(run.id) < result.stderr.index("Remove?")
    assert ("nothing was removed" in result.stderr) is not gone


def test_no_answer_at_all(runner, somebody):
    """Ctrl-D or Ctrl-C at the question: nothing goes."""
    run = done(STATE)
    assert runner.invoke(app, CLEAN, input="").exit_code == 1
    assert STATE.runs() == [run]


def test_nothing_to_do_asks_nothing(runner, somebody, tmp_path):
    """Exit 0 and nothing is created."""
    result = runner.invoke(app, CLEAN)
    assert result.exit_code == 0
    assert result.stderr == "nothing to remove that is unused for more than 30d 00h\n"
    assert list(tmp_path.iterdir()) == []


def test_what_stays_and_why(runner):
    """Counted, each with the option that would remove it, if there is one."""
    runs = [
        done(STATE, "odd", rejected=1),
        made(STATE, "killed"),
        done(STATE, "halted", stopped=True),
    ]
    held = done(STATE, "held")
    with locked(STATE, "held"):
        result = runner.invoke(app, [*CLEAN, "--yes"])
    assert result.exit_code == 0
    assert set(result.stderr.splitlines()[1:]) == {
        "kept: 1 run with rejects, which can still be mended (--with-rejects removes it too)",
        "kept: 1 run unfinished: without a report that can be read (--unfinished removes it too)",
        "kept: 1 run not done: the job's next run takes it up (--unfinished removes it too)",
        "kept: 1 run of a job that is running",
    }
    assert set(STATE.runs()) == {*runs, held}
    runner.invoke(app, [*CLEAN, "--yes", "--unfinished", "--with-rejects", "--job", "odd"])
    assert set(STATE.runs()) == {*runs[1:], held}
    runner.invoke(app, [*CLEAN, "--yes", "--unfinished", "--with-rejects"])
    assert STATE.runs() == []


def test_younger_ones_stay(runner):
    """No word about them."""
    done(STATE)
    result = runner.invoke(app, ["clean", "--older-than", "9999d", "--yes"])
    assert "nothing to remove" in result.stderr
    assert len(STATE.runs()) == 1


@pytest.mark.parametrize(("number", "said"), [(20, False), (21, True)])
def test_a_long_list_is_cut(runner, number, said):
    """A screenful and a count; all of them go."""
    for day in range(number):
        done(STATE, day=day)
    result = runner.invoke(app, [*CLEAN, "--yes"])
    assert ("  and 1 more\n" in result.stderr) is said
    assert f"removed {number} runs" in result.stderr
    assert STATE.runs() == []


def test_what_was_cut_short_is_finished(runner):
    """It is said what that is, and its bytes are freed too."""
    run = done(STATE)
    run.path.rename(run.path.with_name(f".{run.id}.removed"))
    result = runner.invoke(app, [*CLEAN, "--yes"])
    assert result.stderr.startswith("left by a removal that was cut short: 1 run\n")
    assert "removed 0 runs" in result.stderr
    assert list(STATE.runs_dir.iterdir()) == []


def test_what_can_not_be_removed(runner, monkeypatch):
    """Exit 1, the place and the reason."""
    run = done(STATE)

    def refused(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "rename", refused)
    result = runner.invoke(app, [*CLEAN, "--yes"])
    assert result.exit_code == 1
    assert (
        f"error: 1 could not be removed: .ingest/runs/{run.id}: Permission denied" in result.stderr
    )


@pytest.mark.parametrize(
    "arguments", [[], ["--older-than", "30"], ["--older-than", "soon"], ["--older-than", "-1d"]]
)
def test_usage_errors(runner, arguments):
    """Exit 2, and nothing goes: 30 is no age without its unit."""
    run = done(STATE)
    assert runner.invoke(app, ["clean", "--yes", *arguments]).exit_code == 2
    assert STATE.runs() == [run]


def ingest(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """The command as a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "ingest.cli", *arguments], cwd=tmp_path,
        env=environment(LC_ALL="C"), capture_output=True, timeout=60, check=False,
    )  # fmt: skip


def test_in_a_process(tmp_path):
    """A lock that a third process holds, then none."""
    state = StateDir(tmp_path / ".ingest")
    run = done(state)
    arguments = ["clean", "--older-than", "1d", "--yes"]
    with locked(state, "stocks"):
        found = ingest(tmp_path, *arguments)
        assert (found.returncode, found.stdout) == (0, b"")
        assert b"kept: 1 run of a job that is running" in found.stderr
    assert state.runs() == [run]
    assert ingest(tmp_path, *arguments).returncode == 0
    assert state.runs() == []


def test_on_a_terminal(tmp_path):
    """The question is asked there, and the answer read."""
    state = StateDir(tmp_path / ".ingest")
    run = done(state)
    primary, secondary = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "ingest.cli", "clean", "--older-than", "1d"], cwd=tmp_path,
        env=environment(TERM="xterm", COLUMNS="60"), stdin=secondary, stdout=secondary,
        stderr=secondary,
    )  # fmt: skip
    os.close(secondary)
    os.write(primary, b"y\n")
    shown = b""
    try:
        while chunk := os.read(primary, 65536):
            shown += chunk
    except OSError:  # Linux: the other side has closed
        pass
    finally:
        os.close(primary)
    assert process.wait(timeout=60) == 0
    assert run.id.encode() in shown
    assert b"Remove? [y/N]" in shown
    assert b"removed 1 run" in shown
    assert state.runs() == []
