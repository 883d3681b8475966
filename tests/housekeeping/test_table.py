"""The listing for people, on terminals of any width."""

from __future__ import annotations

import io

import pytest

from ingest.housekeeping.listing import PastRun
from ingest.housekeeping.table import RunTable
from ingest.progress.bar import steady_console
from tests.housekeeping.made import START
from tests.progress.helpers import ascii_terminal, written

ID = "20210301-221500-stocks-4f2a"


def past(**changes) -> PastRun:
    """A run that is done."""
    records = {"accepted": 1_240_000, "rejected": 2, "ambiguous": 0, "unsent": 0}
    usual = {"exit_code": 3, "seconds": 245.0, "records": records, "target": "aito h: t"}
    return PastRun(ID, "stocks", START, "done", **{**usual, **changes})


def shown(*runs: PastRun, width: int = 200) -> str:
    """The table as text."""
    stream = io.StringIO()
    steady_console(stream, width=width).print(RunTable(runs))
    return stream.getvalue()


def test_every_column():
    """On a wide terminal, and in a pipe."""
    head, _, row = shown(past()).splitlines()
    assert head.split() == [
        "run", "job", "state", "exit", "started", "(UTC)", "time", "accepted", "rejected",
        "ambiguous", "unsent", "target",
    ]  # fmt: skip
    assert row.split() == [
        ID, "stocks", "done", "3", "2021-03-01", "22:15:00", "4m", "05s", "1,240,000", "2", "0",
        "0", "aito", "h:", "t",
    ]  # fmt: skip


def test_what_the_id_says_goes_first():
    """Then target, time, and what is zero for all: 80 columns hold a line a run."""
    narrower = shown(past(), width=110).splitlines()
    assert narrower[0].split()[:4] == ["run", "state", "exit", "time"]
    assert "aito h: t" in narrower[2]
    usual = shown(past(), width=80).splitlines()
    assert usual[0].split() == ["run", "state", "exit", "accepted", "rejected"]
    assert len(usual) == 3


def test_what_is_not_zero_never_goes():
    """A doubtful or unsent record is worth more than the table."""
    records = {"accepted": 1, "rejected": 0, "ambiguous": 7, "unsent": 9}
    for width in (200, 110, 90, 80, 40):
        text = shown(past(), past(records=records), width=width)
        assert "7" in text.split("1,240,000")[1]
        assert "ambiguous" in text
        assert "unsent" in text


@pytest.mark.parametrize("width", [1, 2, 20, 40])
def test_narrow_terminals(width):
    """Lines, no table; folded, nothing cut."""
    text = shown(past(), past(), width=width)
    assert "─" not in text
    joined = "".join(text.split())
    assert joined.count(ID) == 2
    assert joined.count("doneexitcode3,4m05s1,240,000accepted,2rejectedaitoh:t") == 2


@pytest.mark.parametrize(("width", "figures"), [(200, 7), (80, 3), (20, 0)])
def test_runs_without_figures(width, figures):
    """No zeros that nobody counted, and none of them hidden by those that somebody did."""
    text = shown(PastRun(ID, "stocks", START, "unfinished"), width=width)
    assert "unfinished" in text
    assert "0" not in text.replace(ID, "").replace("2021-03-01 22:15:00", "").split()
    assert text.split().count("-") == figures
    assert "unreadable" in shown(PastRun(ID, "x", None, "unreadable"), past(), width=width)


def test_all_zero_is_no_records():
    """A list of nothing would end in nothing."""
    records = dict.fromkeys(("accepted", "rejected", "ambiguous", "unsent"), 0)
    assert "no records" in shown(past(records=records), width=40)


@pytest.mark.parametrize("width", [200, 20])
def test_somebody_elses_text(width):
    """No markup, no escape sequence, no length without end."""
    text = shown(past(target="[red]x[/red]\x1b[2J\n\u202e" + "y" * 5000), width=width)
    assert "[red]x[/red]" in "".join(text.split())
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert text.count("y") < 60


@pytest.mark.parametrize("width", [200, 40])
def test_an_ascii_terminal(width):
    """LANG=C: lines it has, and what it lacks spelt out."""
    stream = ascii_terminal()
    steady_console(stream, width=width).print(RunTable([past(target="größe")]))
    assert "gr\\xf6\\xdfe" in written(stream)
