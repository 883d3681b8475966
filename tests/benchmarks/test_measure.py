"""What is measured from outside is true of the command."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.measure import Command, CommandFailedError, run_measured


def python(code: str, *, terminal: bool = False, **env: str) -> Command:
    """A command that runs this code."""
    return Command([sys.executable, "-c", code], env, terminal=terminal)


def test_what_it_printed_and_what_it_took() -> None:
    """Standard output comes back; time and memory are the command's."""
    code = "import time; a = bytearray(200_000_000); e = time.process_time() + 0.1\n"
    code += "while time.process_time() < e: pass\nprint(len(a))"
    measured = run_measured(python(code))
    assert measured.stdout == b"200000000\n"
    assert measured.cpu_s >= 0.1
    assert measured.wall_s >= 0.1
    assert measured.peak_rss_bytes >= 200_000_000


def test_children_it_waited_for_are_in_the_figures() -> None:
    """Memory and time of a grandchild count."""
    inner = "len(bytearray(150_000_000))"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}])"
    assert run_measured(python(code)).peak_rss_bytes >= 150_000_000


@pytest.mark.parametrize("terminal", [True, False])
def test_a_failure_is_raised_with_its_last_words(terminal: bool) -> None:
    """A command that ends with another code than 0 is no measurement."""
    code = "import sys; sys.stderr.write('no such file'); sys.exit(3)"
    with pytest.raises(CommandFailedError, match="exit code 3: no such file"):
        run_measured(python(code, terminal=terminal))


@pytest.mark.parametrize(("terminal", "said"), [(True, b"True\n"), (False, b"False\n")])
def test_a_terminal_only_where_asked_for(terminal: bool, said: bytes) -> None:
    """Standard error is a terminal or a pipe."""
    code = "import sys; print(sys.stderr.isatty())"
    assert run_measured(python(code, terminal=terminal)).stdout == said


@pytest.mark.parametrize("terminal", [True, False])
def test_much_on_standard_error_does_not_block(terminal: bool) -> None:
    """A megabyte is read while the command runs."""
    code = "import sys; sys.stderr.write('x' * 1_000_000); print('over')"
    assert run_measured(python(code, terminal=terminal)).stdout == b"over\n"


def test_the_environment_is_added_to() -> None:
    """Variables of the command stand beside those that are there."""
    code = "import os; print(os.environ['WANTED'], 'PATH' in os.environ)"
    assert run_measured(python(code, WANTED="here")).stdout == b"here True\n"


def test_a_file_may_be_piped_in(tmp_path: Path) -> None:
    """Standard input is a pipe with its bytes, and ends."""
    path = tmp_path / "input"
    path.write_bytes(b"x" * 300_000)
    code = "import sys, stat, os; print(stat.S_ISFIFO(os.fstat(0).st_mode), len(sys.stdin.read()))"
    assert run_measured(python(code).with_stdin(path)).stdout == b"True 300000\n"
    assert run_measured(python("pass").with_stdin(path)).stdout == b""


def test_another_exit_code_may_mean_success() -> None:
    """And then 0 does not."""
    wanted = Command([sys.executable, "-c", "raise SystemExit(3)"], exit_code=3)
    assert run_measured(wanted).stdout == b""
    with pytest.raises(CommandFailedError, match="exit code 0"):
        run_measured(Command([sys.executable, "-c", "pass"], exit_code=3))
