"""A token that a program gives out."""

from __future__ import annotations

import sys
import time
from functools import partial
from pathlib import Path

import anyio
import orjson
import pytest

from ingest.errors import SettingsError
from ingest.targets import token_command
from ingest.targets.inifile import IniFile
from ingest.targets.token_command import run_token_command
from tests.end_to_end import processes

FILE = IniFile(Path("the.ini"))


def run(text: str, file: IniFile, place: str) -> str:
    """The command, run in a loop of its own."""
    return anyio.run(partial(run_token_command, text, file, place))


def python(code: str) -> str:
    """An argument list that runs this code, as JSON."""
    return orjson.dumps([sys.executable, "-c", code]).decode()


@pytest.mark.parametrize("shape", ["json", "words"])
def test_a_token_command_is_an_argument_list(tmp_path, shape):
    """As JSON or as words; no shell reads it: a $ is a $."""
    script = tmp_path / "give"
    script.write_text("import sys; print(sys.argv[1:])")
    arguments = [sys.executable, str(script), "$HOME"]
    text = orjson.dumps(arguments).decode() if shape == "json" else " ".join(arguments)
    assert run(text, FILE, "here") == "['$HOME']\n"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (python("raise SystemExit('no \x1b[31mkey')"), "ended with code 1: no key"),
        (python("raise SystemExit(3)"), "ended with code 3: it said nothing"),
        ('["/nonexistent/program"]', "can't be run"),
        ('["nul\\u0000"]', "can't be run"),
        ("[1, 2]", "list of texts"), ("[]", "list of texts"), ("[broken", "argument list"),
        ("'unclosed", "argument list"), ("", "list of texts"),
    ],
)  # fmt: skip
def test_a_token_command_that_fails_is_said(command, words):
    """With its own words, cleaned, where it said any."""
    with pytest.raises(SettingsError, match=words) as caught:
        run(command, FILE, "here")
    assert caught.value.message.startswith("here: ")


def test_what_it_prints_before_it_fails_is_not_shown():
    """It may be the token."""
    with pytest.raises(SettingsError) as caught:
        run(python("print('tok-0123456789'); raise SystemExit(1)"), FILE, "here")
    assert "tok-0123456789" not in f"{caught.value.message}{caught.value.hint}"


def test_a_command_that_hangs_is_killed(monkeypatch):
    """After the limit."""
    monkeypatch.setattr(token_command, "COMMAND_S", 0.05)
    with pytest.raises(SettingsError, match=r"took longer than 0\.05 s"):
        run(python("import time; time.sleep(60)"), FILE, "here")


def test_no_command_runs_from_a_file_that_others_can_write(tmp_path):
    """It would be their command."""
    mark = tmp_path / "ran"
    file = IniFile(FILE.path, writable_by_others=True)
    with pytest.raises(SettingsError, match="others can write it"):
        run(python(f"open({str(mark)!r}, 'w').close()"), file, "here")
    assert not mark.exists()


@pytest.mark.anyio
async def test_nothing_stands_still_while_a_command_runs():
    """It may be run in the middle of a load: the others go on."""
    ticks = 0
    async with anyio.create_task_group() as tasks:

        async def tick() -> None:
            nonlocal ticks
            while True:
                ticks += 1
                await anyio.sleep(0.005)

        tasks.start_soon(tick)
        said = await run_token_command(python("import time; time.sleep(0.2); print(1)"), FILE, "x")
        tasks.cancel_scope.cancel()
    assert said == "1\n"
    assert ticks > 3


@pytest.mark.anyio
async def test_a_command_is_killed_with_the_run(tmp_path):
    """A run that is stopped does not wait for it, and leaves none behind."""
    mark = tmp_path / "began"
    code = f"import time; open({str(mark)!r}, 'w').close(); time.sleep(60)"
    started_s = time.monotonic()
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run_token_command, python(code), FILE, "x")
            while not mark.exists():  # noqa: ASYNC110 - another process makes it
                await anyio.sleep(0.01)
            scope.cancel()
    assert time.monotonic() - started_s < 30
    assert not processes(mark)
