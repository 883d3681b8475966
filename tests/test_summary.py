"""What people read at the end of a run."""

from __future__ import annotations

import io

import pytest

from ingest.errors import SourceError, StoppedByService
from ingest.model import Accounts, Span
from ingest.progress.bar import steady_console
from ingest.report import AmbiguousBatch, RunFacts, build_report
from ingest.summary import Summary, verdict
from tests.progress.helpers import ascii_terminal, written


def report(accounts: Accounts, **changes):
    """A report of a run of two seconds."""
    return build_report(
        RunFacts("20261121-221500-stocks-4f2a", "stocks", "aito h: t", "", accounts, 2.0, **changes)
    )


def shown(found, width: int = 100) -> str:
    """The summary as text."""
    stream = io.StringIO()
    steady_console(stream, width=width).print(Summary(found, "/s/report.json"))
    return stream.getvalue()


def test_a_good_run():
    """The figures, the speed, where the report lies, and nothing to worry about."""
    accounts = Accounts(
        read=2_000_000, accepted=2_000_000, bytes_read=10**8, bytes_sent=2 * 10**8,
        requests_sent=201, requests_retried=1, requests_failed=1,
    )  # fmt: skip
    text = shown(report(accounts, latencies_s=[0.05], peak_rss_bytes=3 * 10**8))
    for part in (
        "20261121-221500-stocks-4f2a  done  exit code 0", "aito h: t", "2,000,000", "100.0%",
        "1,000,000/s accepted", "1 retried, 1 failed", "50.0 MB/s", "100 MB/s", "50 ms", "300 MB",
        "2.00 s", "report: /s/report.json",
    ):  # fmt: skip
        assert part in text
    assert list(verdict(report(accounts))) == []


def test_rejects_are_counted_and_located():
    """By reason, most frequent first, and the file named."""
    accounts = Accounts(read=100_000, accepted=99_990, rejected=10)
    found = report(
        accounts, rejects_file="/s/rejects.ndjson", rejects_by_reason={"rare": 1, "often": 9}
    )
    text = shown(found)
    assert text.index("often") < text.index("rare")
    assert "<0.1%" in text
    assert ">99.9%" in text
    assert list(verdict(found)) == [("warning", "10 records rejected: see /s/rejects.ndjson")]


def test_many_reasons_are_summed_up():
    """Twelve are named, the others counted."""
    found = report(
        Accounts(read=14, rejected=14), rejects_by_reason={f"r{n:02}": 1 for n in range(14)}
    )
    text = shown(found)
    assert "r11" in text
    assert "r12" not in text
    assert "2 more" in text


def test_a_failure_says_what_and_what_to_do():
    """Message, hint, and whether waiting helps."""
    accounts = Accounts(read=1, unsent=1)
    failed = list(verdict(report(accounts, errors=[SourceError("a.gz: cut short", "fetch it")])))
    assert failed == [("error", "error: a.gz: cut short"), ("hint", "hint: fetch it")]
    stopped = list(verdict(report(accounts, errors=[StoppedByService("quota")])))
    assert stopped[-1] == ("hint", "the same command may succeed later")


def test_an_interruption_says_what_was_not_sent():
    """Records read but never handed to a request."""
    found = report(Accounts(read=3, accepted=1, unsent=2), interrupted=130)
    assert list(verdict(found)) == [("warning", "interrupted: 2 records read but not sent")]


@pytest.mark.parametrize(
    ("resent", "said"),
    [
        ([], "2 records ambiguous: the answer"),
        ([True], "in 1 batch (1 perhaps doubled)"),
        ([True, False], "in 2 batches (1 perhaps doubled, 1 perhaps missing)"),
    ],
)
def test_ambiguous_batches_are_told_apart(resent, said):
    """Doubled and missing are different troubles."""
    batches = [AmbiguousBatch(n, (Span(0, 1, 1, 1),), flag) for n, flag in enumerate(resent)]
    ((level, sentence),) = verdict(report(Accounts(read=2, ambiguous=2), ambiguous=batches))
    assert level == "warning"
    assert said in sentence


def test_nothing_to_do_is_said():
    """An empty file is no error, but no silence either."""
    assert list(verdict(report(Accounts()))) == [
        ("info", "nothing to do: the inputs hold no records")
    ]


@pytest.mark.parametrize("width", [1, 10, 20, 40])
def test_narrow_terminals(width):
    """Everything folds; no line is wider than the terminal."""
    found = report(
        Accounts(read=10, accepted=9, rejected=1), rejects_by_reason={"reason": 1},
        rejects_file="/a/very/long/path/to/rejects.ndjson",
    )  # fmt: skip
    assert all(len(line) <= width for line in shown(found, width).splitlines())


def test_ascii_only():
    """Lines, figures and foreign names."""
    stream = ascii_terminal()
    found = report(Accounts(read=1, rejected=1), rejects_file="/grün/\udcff→")
    steady_console(stream, width=80).print(Summary(found | {"target": "jöb"}))
    assert "/gr\\xfcn/\\xff\\u2192" in written(stream)


def test_words_from_outside_are_shown_as_they_are():
    """Neither markup nor escape sequences from a service, a job or a path are interpreted."""
    found = report(
        Accounts(read=1, rejected=1, unsent=0), errors=[SourceError("[red]x[/red] \x1b[2J")],
        rejects_by_reason={"[b]odd[/b]": 1},
    )  # fmt: skip
    text = shown(found | {"target": "[link]"})
    for part in ("[red]x[/red]", "[b]odd[/b]", "[link]"):
        assert part in text
    assert "\x1b" not in text


def test_an_older_or_broken_report_is_still_shown():
    """Missing keys are no error."""
    assert "?" in shown({})
    assert "run-1" in shown({"run": "run-1", "records": {"read": 5}})


VERIFIED = {"ok": True, "at": "2026-11-22", "how": "by id, all", "checked": 1}
FAILED = {**VERIFIED, "ok": False, "missing": 2, "unverified": 1, "why": {"\x1b[2Ja.csv: gone": 1}}
UNDONE = {"state": "done", "at": "2026-11-23", "deleted": 10, "left": 0}


@pytest.mark.parametrize(
    ("key", "found", "said"),
    [
        (
            "verification",
            VERIFIED,
            "verified on 2026-11-22 (by id, all): 1 record held against the table, no difference",
        ),
        (
            "verification",
            FAILED,
            "NOT verified on 2026-11-22 (by id, all): 2 missing, 1 unverified",
        ),
        ("undone", UNDONE, "undone on 2026-11-23: 10 rows deleted"),
        ("undone", {**UNDONE, "table_dropped": True}, "10 rows deleted, and the table was dropped"),
        ("undone", {**UNDONE, "left": 1}, "10 rows deleted, 1 row left"),
        ("undone", {**UNDONE, "state": "begun"}, "undone in part on 2026-11-23: 10 rows deleted"),
    ],
)
def test_what_came_later(key, found, said):
    """A verification and an undo have a line each; with --quiet only what is not well."""
    told = {**report(Accounts(read=1, accepted=1)), key: found}
    text = shown(told, width=200)
    assert said in text
    assert "\x1b" not in text
    ((level, _),) = verdict(told)
    well = found.get("ok", found.get("state") == "done" and not found.get("left"))
    assert level == ("info" if well else "warning")
