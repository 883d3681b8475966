"""What the machine does to a run: readers that leave, clocks that jump, handles that are few.

All by the real command in a process of its own. Signals that drain and stop a run are in
`tests/test_build.py`, kills in `tests/test_resume.py`, full disks in `test_disk`, containers in
`test_process`.
"""

from __future__ import annotations

import gzip
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import zstandard

from ingest.state import StateDir
from tests.end_to_end import ROOT, command, counts, credentials, done, new_table, until
from tests.faults.front import Struck, front, never, passes, says
from tests.faults.terminal import on_terminal
from tests.housekeeping import made
from tests.sandbox.conftest import Running, running

# As Python starts: the wall clock goes a day back and two days forth, again and again.
JUMPING = """
import itertools, time
_really, _jumps = time.time, itertools.cycle((-86400.0, 172800.0, 0.0))
time.time = lambda: _really() + next(_jumps)
"""


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service that takes a while for each answer."""
    with running(tmp_path_factory.mktemp("slow"), "--fault", "slow:50ms:100%") as one:
        yield one


def written(folder: Path, first: int, last: int, name: str = "a.csv") -> Path:
    """A file of these numbers, packed as its name says."""
    text = "n\n" + "".join(f"{n}\n" for n in range(first, last + 1))
    pack: dict[str, Any] = {".gz": gzip.compress, ".zst": zstandard.compress}
    path = folder / name
    path.write_bytes(pack.get(path.suffix, bytes)(text.encode()))
    return path


def load(table: str, *more: str) -> tuple[str, ...]:
    """The command's words for loading numbers ten at a time."""
    return (
        "--to", f"avalanchio:{table}", "--create", "--set", 'fields.n.type="integer"',
        "--set", "limits.records=10", *more,
    )  # fmt: skip


def rows(server: Running, table: str) -> Counter[int]:
    """How often each number is in the table."""
    return Counter(row["n"] for row in server.rows(table, "n"))


@pytest.fixture(scope="module")
def many_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state directory whose listing is more than a pipe holds."""
    place = tmp_path_factory.mktemp("many")
    one = made.done(StateDir(place)).path
    for number in range(400):
        shutil.copytree(one, one.with_name(f"20220101-{number:06}-stocks-4f2a"))
    return place


@pytest.mark.parametrize("more", [("--limit", "500"), ("--limit", "500", "--json")])
def test_a_reader_that_leaves_early(many_runs, tmp_path, more):
    """`ingest runs | head -1` and less: exit 0 and not a word of complaint."""
    line = shlex.join([sys.executable, "-P", "-m", "ingest.cli", "runs", *more])
    found = subprocess.run(
        ["bash", "-c", f"{line} --state-dir {many_runs} | head -c 1; exit ${{PIPESTATUS[0]}}"],
        cwd=tmp_path, env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "COLUMNS": "200"},
        capture_output=True, timeout=30, check=False,
    )  # fmt: skip
    assert (found.returncode, found.stderr) == (0, b"")
    assert len(found.stdout) == 1


def test_a_reader_of_the_progress_that_leaves_goes_unheeded(slow, tmp_path):
    """`ingest load ... 2>&1 | head -1`: whoever stops looking does not stop the loading."""
    table = new_table()
    written(tmp_path, 1, 200)
    line = shlex.join([sys.executable, "-P", "-m", "ingest.cli", "load", "a.csv", *load(table)])
    found = subprocess.run(
        ["bash", "-c", f"{line} --log-format json 2>&1 | head -1; exit ${{PIPESTATUS[0]}}"],
        cwd=tmp_path, env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), **credentials(slow)},
        capture_output=True, timeout=30, check=False,
    )  # fmt: skip
    assert (found.returncode, found.stderr) == (0, b"")
    assert rows(slow, table) == Counter(range(1, 201))


def test_two_runs_that_start_at_once(sandbox, tmp_path):
    """One of them loads, the other ends with 5; every row once."""
    table, is_decided = new_table(), threading.Event()
    path = written(tmp_path, 1, 100)
    line = ("load", str(path), *load(table, "--set", 'name="both"'))
    (tmp_path / "state").mkdir()

    def held(struck: Struck) -> None:
        is_decided.wait(20)
        passes(struck)

    with front(sandbox, *[held] * 8) as (server, _), ExitStack() as stack:
        both = []
        for name in ("one", "two"):
            folder = tmp_path / name
            folder.mkdir()
            (folder / "state").symlink_to(tmp_path / "state")
            both.append(stack.enter_context(command(folder, *line, env=credentials(server))))
        until(lambda: any(ran.process.poll() is not None for ran in both), "the loser's end")
        is_decided.set()
        codes = sorted(ran.ended() for ran in both)
    assert codes == [0, 5], [ran.stderr for ran in both]
    assert rows(sandbox, table) == Counter(range(1, 101))


def test_few_handles_many_files_and_eight_writers(slow, tmp_path):
    """`ulimit -n 64`: a hundred and twenty files, plain and packed, and every writer in use."""
    table = new_table()
    (tmp_path / "many").mkdir()
    for number in range(120):
        ending = ("csv", "csv.gz", "csv.zst")[number % 3]
        written(tmp_path / "many", number * 10 + 1, number * 10 + 10, f"{number:03}.{ending}")
    code, ran = done(
        tmp_path, "load", "many", *load(table, "--set", "limits.in_flight=8"),
        env=credentials(slow), prefix=("sh", "-c", 'ulimit -n 64; exec "$@"', "sh"),
    )  # fmt: skip
    assert (code, rows(slow, table)) == (0, Counter(range(1, 1201))), ran.stderr
    assert slow.stats()["max_concurrent"] == 8


def test_a_clock_that_jumps(sandbox, tmp_path):
    """Waits go by the monotonic clock: a wall clock that jumps by days neither hangs a run nor
    lets a pause or a wait for a late commit end early; the run is taken up as ever."""
    table = new_table()
    path = written(tmp_path, 1, 100)
    (tmp_path / "early").mkdir()
    (tmp_path / "early" / "sitecustomize.py").write_text(JUMPING)
    paths = {"PYTHONPATH": f"{tmp_path / 'early'}:{ROOT}"}
    pause = says(429, headers={"Retry-After": "1"})
    with front(sandbox, says(503), pause, says(408)) as (server, log):
        env = credentials(server) | paths
        line = ("load", str(path), *load(table, "--set", "limits.in_flight=1"))
        assert done(tmp_path, *line, "--limit", "30", env=env)[0] == 0
        code, ran = done(tmp_path, *line, env=env)
    assert (code, rows(sandbox, table)) == (0, Counter(range(1, 101))), ran.stderr
    assert "taking up" in ran.stderr
    assert log.arrivals_s[2] - log.arrivals_s[1] >= 0.95
    assert 0 <= ran.report["seconds"] < 30


def test_a_file_that_was_only_touched_is_the_same_once_it_was_read_whole(sandbox, tmp_path):
    """Time and inode are shortcuts, the content counts: of what was read whole the hash is known,
    be the run finished or not."""
    table = new_table()
    path = written(tmp_path, 1, 100)
    line = ("load", str(path), *load(table))
    env = credentials(sandbox)
    for limit, (code, count, words) in (
        (("--limit", "30"), (0, 30, "")),
        ((), (0, 100, "taking up")),
        ((), (0, 100, "unchanged since they were loaded")),
        (("--restart",), (0, 200, "")),
    ):
        found, ran = done(tmp_path, *line, *limit, env=env)
        assert (found, rows(sandbox, table).total()) == (code, count), ran.stderr
        assert words in ran.stderr
        content = path.read_bytes()
        path.unlink()
        path.write_bytes(content)


@pytest.mark.parametrize("columns", [1, 20])
def test_a_narrow_terminal(slow, tmp_path, columns):
    """A bar, a summary, a reject: any width; the cursor is there again at the end."""
    path = written(tmp_path, 1, 30)
    path.write_bytes(path.read_bytes() + b"bad\n")
    code, shown = on_terminal(
        tmp_path, "load", "a.csv", *load(new_table()), env=credentials(slow), columns=columns
    )
    assert (code, b"Traceback" in shown) == (3, False)
    assert shown.rindex(b"\x1b[?25h") > shown.rindex(b"\x1b[?25l")


@pytest.mark.parametrize(
    ("first", "second", "code"),
    [(signal.SIGTERM, signal.SIGINT, 143), (signal.SIGINT, signal.SIGHUP, 130)],
)
def test_a_second_signal_of_another_kind_stops_now(sandbox, tmp_path, first, second, code):
    """What was in flight is ambiguous and named; the first one's code stays."""
    path = written(tmp_path, 1, 40)
    line = load(new_table(), "--set", "limits.in_flight=2")
    with (
        front(sandbox, never, never) as (server, log),
        command(tmp_path, "load", path, *line, env=credentials(server)) as ran,
    ):
        ran.until(lambda: len(log.arrivals_s) == 2, "requests in flight")
        ran.tell(first)
        ran.until(lambda: "once more to stop now" in ran.stderr, "word of the first")
        ran.tell(second)
        assert ran.ended() == code, ran.stderr
    assert counts(ran.report) == {"read": 40, "ambiguous": 20, "unsent": 20}
    assert sorted(batch["batch"] for batch in ran.report["ambiguous"]) == [1, 2]
