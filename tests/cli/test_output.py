"""Results on standard output: a table for people, NDJSON for programs, silence for nobody."""

from __future__ import annotations

import io
import sys

import pytest

from ingest.cli import output
from tests.progress.helpers import Full, Gone, Terminal, ascii_terminal, written


class Standard(io.TextIOWrapper):
    """A standard output that can be looked at."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", write_through=True)

    @property
    def text(self) -> bytes:
        """What was written."""
        assert isinstance(self.buffer, io.BytesIO)
        return self.buffer.getvalue()


def test_rows_for_programs(monkeypatch):
    """UTF-8 NDJSON in whatever order the service gave, numbers of any size."""
    stream = Standard()
    monkeypatch.setattr(sys, "stdout", stream)
    output.show_rows([{"b": 1, "a": "ü"}, {"a": 2**70}])
    assert stream.text.decode() == '{"b":1,"a":"ü"}\n{"a":"1180591620717411303424"}\n'


def test_rows_for_people(monkeypatch):
    """Every column that any row has; nothing interpreted; absent is null."""
    stream = Terminal()
    monkeypatch.setattr(sys, "stdout", stream)
    output.show_rows([{"[b]n": 1}, {"[b]n": 22, "x": "[red]y[/red]\x1b[2J", "z": {"k": [1]}}])
    text = stream.getvalue()
    for part in ("[b]n", "22", "[red]y[/red]", '{"k":[1]}', "null"):
        assert part in text
    assert "\x1b[2J" not in text


@pytest.mark.parametrize("rows", [[], [{}], [{"a": None}]])
def test_few_rows_for_people(monkeypatch, rows):
    """No rows, no columns: no error."""
    stream = Terminal()
    monkeypatch.setattr(sys, "stdout", stream)
    output.show_rows(rows)
    assert "None" not in stream.getvalue()


def test_rows_on_an_ascii_terminal(monkeypatch):
    """Lines and cells without a character it can't take."""
    stream = ascii_terminal()
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setenv("COLUMNS", "20")
    output.show_rows([{"größe": "→"}])
    assert "gr\\xf6\\xdfe" in written(stream)
    assert "\\u2192" in written(stream)


@pytest.mark.parametrize("stream", [Gone(), Full()])
def test_nobody_listens(monkeypatch, stream):
    """No exception, and no exit."""
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(sys, "stderr", stream)
    output.show_rows([{"a": 1}])
    output.say("x")


def test_say_keeps_lines_and_folds_nothing_in_a_log(monkeypatch):
    """A log's lines are for grep."""
    stream = Standard()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.delenv("COLUMNS", raising=False)
    output.say("x" * 500 + "\ny")
    assert stream.text.decode() == "x" * 500 + "\ny\n"
