"""What becomes of findings: an exit code, lines for people, JSON."""

from __future__ import annotations

import io

import pytest

from ingest.operations.check_finding import MARKS, Finding, State, exit_code, report_of
from ingest.operations.check_view import CheckView
from ingest.progress.bar import steady_console


def findings(*states: State) -> list[Finding]:
    """One of each."""
    return [Finding(f"name {state}", state, "said [b]so[/b]", "do this") for state in states]


@pytest.mark.parametrize(
    ("states", "code"),
    [
        ((), 0),
        (("ok", "warn", "unknown"), 0),
        (("ok", "away"), 7),
        (("away", "mend"), 2),
        (("mend", "ok"), 2),
    ],
)
def test_exit_code(states: tuple[State, ...], code: int) -> None:
    """What is to be mended comes before a service that is away."""
    assert exit_code(findings(*states)) == code
    assert report_of("job", findings(*states))["exit_code"] == code


@pytest.mark.parametrize("width", [24, 40, 120])
def test_view(width: int) -> None:
    """Each has its mark, its words and what to do, on any width and never as markup."""
    out = io.StringIO()
    steady_console(out, width=width).print(CheckView(findings(*MARKS)))
    text = out.getvalue()
    assert max(map(len, text.splitlines())) <= width
    assert all(mark in text for mark in MARKS.values())
    assert text.count("[b]so[/b]") == len(MARKS)
    assert text.count("-> do this") == len(MARKS)


def test_view_without_the_marks() -> None:
    """A terminal that can't show them gets plain ones, and loses nothing."""
    data = io.BytesIO()
    out = io.TextIOWrapper(data, encoding="ascii")
    steady_console(out, width=60).print(CheckView(findings(*MARKS)))
    out.flush()
    text = data.getvalue().decode("ascii")
    assert text.startswith("ok")
    assert text.count("X ") == 2
