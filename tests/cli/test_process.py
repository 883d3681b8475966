"""The door as a real process: start-up time, odd terminals, closed streams, exit codes."""

from __future__ import annotations

import json
import os
import pty
import resource
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("polars", "httpx", "pydantic", "structlog", "rich.live", "orjson", "anyio")
LOAD = ["load", "a.csv", "--to", "aito:t"]


def environment(**changes: str | None) -> dict[str, str]:
    """The environment of a login with nothing special in it."""
    plain = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": "/tmp"}
    return {name: value for name, value in {**plain, **changes}.items() if value is not None}


def ingest(
    *arguments: str, cwd: Path, plan: object = None, **changes
) -> subprocess.CompletedProcess[bytes]:
    """The command with the fake build behind it."""
    env = environment(FAKE_PLAN=json.dumps({"*": plan or {}}), **changes)
    return subprocess.run(
        [sys.executable, "-m", "tests.cli.fake_build", *arguments],
        cwd=cwd, env=env, capture_output=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("module", ["ingest.cli", "ingest.cli.app"])
def test_importing_the_door_imports_nothing_heavy(module):
    """`--help` and completion pay for Typer only."""
    code = f"import sys, {module}; print([m for m in {HEAVY!r} if m in sys.modules])"
    found = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, check=True
    )
    assert found.stdout.strip() == b"[]"


@pytest.mark.parametrize(
    "arguments", [[], ["run"], ["load"], ["runs"], ["show"], ["clean"], ["sandbox"]]
)
def test_help_is_quick_and_has_examples(arguments):
    """Best of three, in processor seconds: the machine may be busy, the program may not be."""
    took_s = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        found = subprocess.run(
            [sys.executable, "-m", "ingest.cli", *arguments, "--help"],
            env=environment(), capture_output=True, check=True,
        )  # fmt: skip
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        took_s.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert b"Examples" in found.stdout
    assert b"[bold]" not in found.stdout
    assert found.stderr == b""
    assert min(took_s) < 0.6


def test_help_never_loads_what_runs_need():
    """Typer itself would load the settings library for the flags of the group."""
    code = (
        "import sys; from ingest.cli.app import app\n"
        "try: app(['run', '--help'])\n"
        f"except SystemExit: print([m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, check=True
    )
    assert found.stderr.strip() == b"[]"


@pytest.mark.parametrize(("wish", "is_loaded"), [(None, False), ("another", True)])
def test_plugins_of_pydantic_are_loaded_on_request_only(tmp_path, wish, is_loaded):
    """Whatever else is installed beside us: to look for them takes a thirtieth of the start."""
    described = tmp_path / "watcher-1.0.dist-info"
    described.mkdir()
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: watcher\nVersion: 1.0\n")
    (described / "entry_points.txt").write_text("[pydantic]\nwatcher = watcher:plugin\n")
    (tmp_path / "watcher.py").write_text(
        "import sys; print('watching', file=sys.stderr); plugin = None\n"
    )
    path = f"{ROOT}{os.pathsep}{tmp_path}"
    found = subprocess.run(
        [sys.executable, "-m", "ingest.cli", "schema"],
        env=environment(PYTHONPATH=path, PYDANTIC_DISABLE_PLUGINS=wish),
        capture_output=True, check=False,
    )  # fmt: skip
    assert (b"watching" in found.stderr) is is_loaded


def test_version():
    """The installed one."""
    found = subprocess.run(
        [sys.executable, "-m", "ingest.cli", "--version"],
        env=environment(), capture_output=True, check=True,
    )  # fmt: skip
    assert found.stdout.startswith(b"ingest ")


@pytest.mark.parametrize(
    ("plan", "code"),
    [({}, 0), ({"rejected": 1}, 3), ({"stopped": True}, 7), ({"raises": ["m"]}, 1)],
)
def test_exit_codes(tmp_path, plan, code):
    """What the shell sees."""
    assert ingest(*LOAD, cwd=tmp_path, plan=plan).returncode == code


@pytest.mark.parametrize(
    "changes",
    [
        {"LANG": "C", "LC_ALL": "C"},
        {"PYTHONIOENCODING": "ascii"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"HOME": None},
        {"HOME": "/nonexistent"},
        {"COLUMNS": "20"},
        {"COLUMNS": "1"},
        {"NO_COLOR": "1", "TERM": "dumb"},
        {"FORCE_COLOR": "1"},
    ],
)
def test_odd_environments(tmp_path, changes):
    """A run with a foreign name ends well and its words can be read."""
    plan = {"rejected": 1, "rows": [{"größe": "→"}]}
    found = ingest(
        *LOAD, "--state-dir", "zustände", "--set", "name=x", cwd=tmp_path, plan=plan, **changes
    )
    assert (found.returncode, b"Traceback" in found.stderr) == (3, False)
    assert orjson.loads(found.stdout) == {"größe": "→"}
    assert b"zust" in found.stderr.replace(b"\n", b"")
    assert ingest("--help", cwd=tmp_path, **changes).returncode == 0


@pytest.mark.parametrize("redirections", ["2>&-", ">&-", "<&- >&- 2>&-"])
def test_closed_streams(tmp_path, redirections):
    """Supervisors close them; the exit code is all that is left."""
    command = f"{sys.executable} -m tests.cli.fake_build {' '.join(LOAD)} {redirections}"
    plan = json.dumps({"*": {"rejected": 1, "rows": [{"a": 1}]}})
    found = subprocess.run(
        ["sh", "-c", command], cwd=tmp_path, env=environment(FAKE_PLAN=plan),
        capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert found.returncode == 3
    assert len(list(tmp_path.glob(".ingest/runs/*/report.json"))) == 1


@pytest.mark.parametrize("both", [False, True])
def test_a_reader_that_has_gone(tmp_path, both):
    """`| head` on results, and on everything: quiet, and the code of the run."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    try:
        found = subprocess.run(
            [sys.executable, "-m", "tests.cli.fake_build", *LOAD],
            cwd=tmp_path,
            env=environment(FAKE_PLAN=json.dumps({"*": {"rejected": 1, "rows": [{"a": 1}]}})),
            stdout=write_end, stderr=write_end if both else subprocess.PIPE,
            timeout=60, check=False,
        )  # fmt: skip
    finally:
        os.close(write_end)
    assert found.returncode == 3
    if not both:
        assert b"Broken" not in found.stderr
        assert b"exit code 3" in found.stderr


def test_show_into_a_closed_pipe(tmp_path):
    """`ingest show | head -0`."""
    ingest(*LOAD, cwd=tmp_path)
    read_end, write_end = os.pipe()
    os.close(read_end)
    try:
        found = subprocess.run(
            [sys.executable, "-m", "ingest.cli", "show"], cwd=tmp_path, env=environment(),
            stdout=write_end, stderr=subprocess.PIPE, timeout=60, check=False,
        )  # fmt: skip
    finally:
        os.close(write_end)
    assert (found.returncode, found.stderr) == (0, b"")


@pytest.mark.parametrize("columns", ["20", "100"])
def test_on_a_terminal(tmp_path, columns):
    """A bar, a coloured summary, the rows as a table, and the cursor back at the end."""
    plan = json.dumps({"*": {"rejected": 1, "rows": [{"n": 10}]}})
    primary, secondary = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.cli.fake_build", *LOAD], cwd=tmp_path,
        env=environment(FAKE_PLAN=plan, TERM="xterm", COLUMNS=columns, LANG="C.UTF-8"),
        stdin=secondary, stdout=secondary, stderr=secondary,
    )  # fmt: skip
    os.close(secondary)
    shown = b""
    try:
        while chunk := os.read(primary, 65536):
            shown += chunk
    except OSError:  # Linux: the other side has closed
        pass
    finally:
        os.close(primary)
    assert process.wait(timeout=60) == 3
    assert shown.rindex(b"\x1b[?25h") > shown.rindex(b"\x1b[?25l")
    assert b"70%" in shown
    assert b"exit code" in shown
    assert b"Traceback" not in shown


def test_json_lines_on_an_ascii_stream(tmp_path):
    """Still JSON, whatever the stream can't spell."""
    found = ingest(
        *LOAD, "--log-format", "json", "--set", "größe=1", cwd=tmp_path, PYTHONIOENCODING="ascii"
    )
    assert found.returncode == 2
    assert "größe" in orjson.loads(found.stderr)["message"]
