"""What fails is said in a sentence, with the right code, and never as a traceback."""

from __future__ import annotations

import orjson
import pytest

from ingest.cli.app import app
from ingest.errors import (
    IngestError,
    JobHeld,
    RejectLimitPassed,
    SettingsError,
    StoppedByService,
)

LOAD = ["load", "a.csv", "--to", "aito:t"]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (IngestError("m"), 1),
        (SettingsError("m"), 2),
        (JobHeld("m"), 5),
        (StoppedByService("m"), 7),
        (RejectLimitPassed("m"), 4),
        (ExceptionGroup("g", [ExceptionGroup("h", [JobHeld("m")])]), 5),
    ],
)
def test_an_ingest_error_has_its_code(runner, build, error, code):
    """Also from within a task group."""
    build.plan["*"] = {"raises": error}
    result = runner.invoke(app, LOAD)
    assert (result.exit_code, result.stderr) == (code, "error: m\n")


def test_message_and_hint_are_shown_as_they_are(runner, build):
    """No markup, no escape sequences; lines are kept."""
    build.plan["*"] = {"raises": SettingsError("one [red]x[/red]\ntwo \x1b[2J", "do [b]this[/b]")}
    result = runner.invoke(app, LOAD)
    assert result.stderr == "error: one [red]x[/red]\ntwo\nhint: do [b]this[/b]\n"


def test_errors_in_json(runner, build):
    """One object with everything a program needs."""
    build.plan["*"] = {"raises": JobHeld("held\nby run x", "wait")}
    result = runner.invoke(app, [*LOAD, "--log-format", "json"])
    event = orjson.loads(result.stderr)
    assert result.exit_code == 5
    assert event.pop("timestamp")
    assert event == {
        "event": "error", "level": "error", "kind": "held", "message": "held\nby run x",
        "hint": "wait", "retryable": True, "exit_code": 5,
    }  # fmt: skip


def test_an_unexpected_exception_is_one_line(runner, build):
    """Exit 1, the type and the message, and how to see more."""
    build.plan["*"] = {"raises": ZeroDivisionError("secret-free\x1b[2J")}
    result = runner.invoke(app, LOAD)
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        "error: unexpected ZeroDivisionError: secret-free",
        "hint: this is a defect of the program; INGEST_DEBUG=1 shows where",
    ]


def test_a_defect_within_a_task_group_is_named_itself(runner, build):
    """Not `unhandled errors in a TaskGroup`."""
    build.plan["*"] = {"raises": ExceptionGroup("g", [KeyError("column")])}
    assert "unexpected KeyError: 'column'" in runner.invoke(app, LOAD).stderr


@pytest.mark.parametrize("env", [{"INGEST_DEBUG": "1"}, {}])
def test_the_traceback_only_if_asked(runner, build, env):
    """By option or environment."""
    build.plan["*"] = {"raises": ZeroDivisionError("x")}
    result = runner.invoke(app, [*([] if env else ["--debug"]), *LOAD], env=env)
    assert result.exit_code == 1
    assert "Traceback (most recent call last)" in result.stderr
    assert "fake_build.py" in result.stderr
    assert "Traceback" not in runner.invoke(app, LOAD).stderr
