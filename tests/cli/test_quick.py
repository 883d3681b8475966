"""A help that is quick, and no other one for it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ingest.cli.quick import without_markdown

HELP = "import sys; sys.argv = ['ingest', '--help']; from ingest.cli import main; "


def said(script: str) -> str:
    """What a process says."""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return done.stdout


def test_the_help_is_the_same_with_markdown() -> None:
    """To the last character, where Rich's own module is there before."""
    quick = said(HELP + "main()")
    assert quick == said("import rich.markdown; " + HELP + "main()")
    assert "Examples" in quick


def test_the_help_imports_no_parser() -> None:
    """Neither Markdown's nor pydantic; afterwards the true module can be had."""
    script = HELP + (
        "import atexit\n"
        "def told():\n"
        "    print([m for m in ('markdown_it', 'pydantic', 'rich.markdown') if m in sys.modules])\n"
        "    from rich.markdown import Markdown\n"
        "    print(Markdown('*a*').markup)\n"
        "atexit.register(told)\n"
        "main()"
    )
    assert said(script).splitlines()[-2:] == ["[]", "*a*"]


def test_the_stand_in_is_gone_behind_a_failure() -> None:
    """And nothing can be made of it."""
    script = (
        "import sys\n"
        "from ingest.cli.quick import without_markdown\n"
        "try:\n"
        "    with without_markdown():\n"
        "        from rich.markdown import Markdown\n"
        "        Markdown('*a*')\n"
        "except TypeError:\n"
        "    print('rich.markdown' in sys.modules)\n"
    )
    assert said(script) == "False\n"


def test_a_module_that_is_there_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody uses it already."""
    there = object()
    monkeypatch.setitem(sys.modules, "rich.markdown", there)
    with without_markdown():
        assert sys.modules["rich.markdown"] is there
    assert sys.modules["rich.markdown"] is there
