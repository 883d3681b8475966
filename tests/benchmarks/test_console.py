"""Tables are shown, and kept until they are asked for."""

from __future__ import annotations

import argparse

import pytest

from benchmarks.console import say, show, shown_so_far


def test_tables_go_to_standard_output_and_words_to_standard_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As text or as Markdown; kept as Markdown either way, and once."""
    shown_so_far()
    show(argparse.Namespace(markdown=False), ("a", "b"), [("1", "2")])
    show(argparse.Namespace(markdown=True), ("a", "b"), [("1", "2")])
    say("words")
    printed = capsys.readouterr()
    table = "| a | b |\n| --- | ---: |\n| 1 | 2 |"
    assert printed.out == f"a  b\n-  -\n1  2\n{table}\n"
    assert printed.err == "words\n"
    assert shown_so_far() == f"{table}\n\n{table}"
    assert shown_so_far() == ""
