"""What must never leak, be obeyed or be readable by others, asked of whole runs and of all sources.

A distinctive token goes through a front that knows it; then every command line, every file, and all
that was written to the streams is searched for it. What single parts promise (redaction, binding,
presigned hosts, quoting) is tested beside them; `table/security.toml` names where.
"""

from __future__ import annotations

import ast
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from tests.end_to_end import ROOT, command, new_table
from tests.fake_server import response
from tests.faults.front import Act, Struck, front, lost_after, passes
from tests.sandbox.conftest import Running

TOKEN = "tok-3f9c1e77a2d84b50"


def echoes(status: int) -> Act:
    """A refusal that repeats the request's own credential, as careless servers do."""

    def act(struck: Struck) -> None:
        said = f"bad request; you sent: {struck.request.headers['authorization']}"
        struck.line.send(response(status, orjson.dumps({"message": said})))

    return act


def looks(found: list[bytes]) -> Act:
    """Every command line of the machine while a request is under way."""

    def act(struck: Struck) -> None:
        for place in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                found.append(place.read_bytes())
            except OSError:  # it has ended meanwhile
                continue
        passes(struck)

    return act


def written(folder: Path, lines: str = "1\n2\nbad\n") -> Path:
    """A file of numbers."""
    (folder / "a.csv").write_text("n\n" + lines)
    return folder / "a.csv"


def load(table: str) -> tuple[str, ...]:
    """The command's words, a record a request."""
    return (
        "--to", f"avalanchio:{table}", "--create", "--set", 'fields.n.type="integer"', "--set",
        "limits.records=1", "--set", "limits.in_flight=1", "--log-format", "json",
    )  # fmt: skip


@pytest.mark.parametrize("last", [401, 400, 404])
def test_a_token_is_nowhere(sandbox, tmp_path, last):
    """Echoed in refusals, with every library at its most talkative: no file, no stream, no `ps`."""
    path, lines = written(tmp_path), list[bytes]()
    acts = (looks(lines), echoes(503), lost_after, echoes(last))
    with front(sandbox, *acts, token=TOKEN) as (server, log):
        env = {"AIO_TOKEN": TOKEN, "AIO_BASE_URL": server.url, "INGEST_DEBUG": "1"}
        line = ("--debug", "load", path, *load(new_table()), "--state-dir", tmp_path / "state")
        with command(tmp_path, *line, env=env) as ran:
            assert ran.ended() in (1, 3, 6, 7), ran.stderr
    assert len(log.arrivals_s) >= len(acts)
    assert any(b"ingest.cli" in one for one in lines)
    assert not [one for one in lines if TOKEN.encode() in one]
    files = [place for place in tmp_path.rglob("*") if place.is_file()]
    assert len(files) > 5
    assert not [place for place in files if TOKEN.encode() in place.read_bytes()]


def modes(place: Path) -> dict[str, int]:
    """What others may do with each file and directory below `place`."""
    inside = [place, *place.rglob("*")]
    return {str(one.relative_to(place)): stat.S_IMODE(one.lstat().st_mode) for one in inside}


def sees(place: Path, found: list[dict[str, int]]) -> Act:
    """The modes of the state directory while a request is under way."""

    def act(struck: Struck) -> None:
        found.append(modes(place))
        passes(struck)

    return act


@pytest.fixture
def no_umask() -> Iterator[None]:
    """Files are as open as who makes them lets them be."""
    before = os.umask(0)
    yield
    os.umask(before)


def others_may(sandbox: Running, folder: Path, via: str) -> set[str]:
    """What in the state directory others may look at, during a run or after it."""
    state, found = folder / "state", list[dict[str, int]]()
    system, _, way = via.partition(" by ")
    with front(sandbox, sees(state, found)) as (server, _):
        line = [word.replace("avalanchio", system) for word in load(new_table())]
        line += ["--set", f'target.via="{way or "batch"}"']
        env = {"AIO_TOKEN": "sandbox", "AITO_API_KEY": "sandbox"}
        env |= {"AIO_BASE_URL": server.url, "AITO_URL": server.url}
        with command(folder, "load", written(folder), *line, env=env) as ran:
            assert ran.ended() == 3, ran.stderr
    names = {Path(name).name for name in found[0]}
    assert {"rejects.ndjson", "lock", "spool" if way else "journal.sqlite"} <= names, sorted(names)
    assert (state / ".gitignore").read_text() == "*\n"
    return {name for seen in (*found, modes(state)) for name, mode in seen.items() if mode & 0o077}


@pytest.mark.usefixtures("no_umask")
@pytest.mark.parametrize("via", ["avalanchio", "aito", "aito by file"])
def test_nothing_in_the_state_directory_is_for_others(sandbox, tmp_path, via):
    """Journal, rejects, spool, lock, report: 0600 in directories of 0700, whatever the umask."""
    assert others_may(sandbox, tmp_path, via) - {"jobs"} == set()


@pytest.mark.usefixtures("no_umask")
def test_the_directory_of_all_jobs_is_not_for_others(sandbox, tmp_path):
    """It names every job."""
    assert "jobs" not in others_may(sandbox, tmp_path, "avalanchio")


# --- asked of all sources -------------------------------------------------------------------

FORBIDDEN_CALLS = {
    "eval", "exec", "compile", "__import__", "os.system", "os.popen", "pickle.loads", "pickle.load",
    "marshal.loads", "yaml.load", "ssl._create_unverified_context", "tempfile.mktemp",
}  # fmt: skip
FORBIDDEN_WORDS = {
    ("verify", "False"), ("check_hostname", "False"), ("shell", "True"),
    ("follow_redirects", "True"),
}  # fmt: skip
FORBIDDEN_TEXT = re.compile(r"CERT_NONE|check_hostname\s*=\s*False|verify_mode\s*=")
STARTS = re.compile(r"\bsubprocess\.|open_process|run_process|os\.(exec|spawn|posix_spawn|fork)")
# What starts a process: the sandbox (our own interpreter), and the user's own token command.
MAY_START = {"sandbox/child.py", "cli/sandbox.py", "targets/token_command.py"}


def suspicious(text: str, name: str = "") -> list[str]:
    """What in a source could be made to run, trust or follow something."""
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    found = [one for call in calls if (one := ast.unparse(call.func)) in FORBIDDEN_CALLS]
    words = [(word.arg, ast.unparse(word.value)) for call in calls for word in call.keywords]
    found += [f"{key}={value}" for key, value in words if (key, value) in FORBIDDEN_WORDS]
    found += FORBIDDEN_TEXT.findall(text)
    return found + (STARTS.findall(text) if name not in MAY_START else [])


def test_nothing_can_be_made_to_run_something():
    """No eval, no shell, no unpickling, no unverified TLS, no followed redirect, anywhere."""
    package = ROOT / "ingest"
    names = {str(path.relative_to(package)): path for path in package.rglob("*.py")}
    assert names.keys() >= MAY_START
    found = {name: suspicious(path.read_text(), name) for name, path in names.items()}
    assert {name: what for name, what in found.items() if what} == {}


@pytest.mark.parametrize(
    "text",
    ["eval('1')", "os.system('x')", "f(verify=False)", "f(shell=True)", "subprocess.run(x)",
     "context.verify_mode = 0", "f(follow_redirects=True)", "exec(x)"],
)  # fmt: skip
def test_the_check_of_sources_sees_what_it_looks_for(text):
    """A check that can't fail proves nothing."""
    assert suspicious(text)
