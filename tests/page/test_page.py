"""The page as a whole: what it says, and that nothing in it is taken for markup."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from ingest.page import page
from tests.page.reports import SAMPLE, SETTINGS, hostile, report, timeline

VOID = {"br", "meta", "link", "wbr"}


class Page(HTMLParser):
    """The page as a parser sees it: elements, text, and whether they are nested rightly."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.pieces: list[str] = []
        self.open: list[str] = []
        self.feed(data.decode())
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), (tag, names)
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
            self.pieces.append(" ")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        self.pieces.append(" ")

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.pieces.append(data)

    @property
    def text(self) -> str:
        """The words, one blank between them."""
        return " ".join("".join(self.pieces).split())

    @property
    def headings(self) -> list[str]:
        """How many there are of each level."""
        return [tag for tag, _ in self.elements if tag in ("h1", "h2")]


def made(settings: Any = SETTINGS, samples: Any = (), **changes: Any) -> Page:
    """The page of a report with these changes."""
    return Page(page(report(**changes), settings, samples))


def test_it_says_everything():
    """What was asked, the accounts, and what became of everything else."""
    text = made(samples=[SAMPLE]).text
    for said in (
        "930 of 1,000 records are in; 40 were rejected; 20 may be missing or doubled; 10 were",
        "done · exit code 6", "20261121-221500-stocks-4f2a", "avalanchio h:1 table stock",
        "✓ the five add up to it", "90.0 %", "4.0 %", "1 retried, 2 failed", "2.00 MB", "p95 80",
        "not_a_number 39", "rare 1", "/s/rejects.ndjson", "'x' is not a number", "2024-01-01,x",
        "perhaps doubled", "data/a.csv 1 to 20", "the connection broke",
        "records a second", "requests under way", "mean 4.0 of 4", "The same as a table",
        "about 12.5", "4 were enough", "3 requests", "2, 4.50 s together",
        "5 before, 905 after: +900", "Equal yes", "row 7: a",
        "Volume", "required = yes", "skip_audit_fields", "500", "6,000,000",
        "1 file", "cdcdcdcdcdcdcdcd", "ab" * 32, "python 3.11.7 · ingest 0.1.0",
    ):  # fmt: skip
        assert said in text, said
    assert "me:pw" not in text
    assert "h.example/x" in text


def test_one_file_that_asks_for_nothing():
    """No script, no address to load from, and a policy that allows only the style that is there."""
    data = page(report(), SETTINGS, [SAMPLE])
    found = Page(data)
    assert not {tag for tag, _ in found.elements} & {"script", "img", "link", "iframe", "object"}
    names = {name for _, attributes in found.elements for name in attributes}
    assert not {name for name in names if name.startswith("on")} | (
        names & {"src", "href", "style"}
    )
    style = re.search(r"<style>(.*?)</style>", data.decode(), re.DOTALL)
    assert style is not None
    assert "<" not in style[1]
    assert not re.search(r"@import|url\((?!#)", style[1])
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    policy = [a["content"] for _, a in found.elements if a.get("http-equiv")]
    assert policy == [
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    ]


def test_nobodys_words_become_markup():
    """With an attack in every text and every name, the page has the elements it had without."""
    whole = report(error={"kind": "k", "message": "m", "hint": "h", "retryable": True})
    harmless, attacked = (
        Page(page(hostile(whole, words), hostile(SETTINGS, words), [hostile(SAMPLE, words)]))
        for words in ("x", '</script><script>alert(1)</script><!-- " \' onload="x" ]]>')
    )
    assert [tag for tag, _ in attacked.elements if tag != "wbr"] == [
        tag for tag, _ in harmless.elements if tag != "wbr"
    ]
    assert [sorted(a) for t, a in attacked.elements if t != "wbr"] == [
        sorted(a) for t, a in harmless.elements if t != "wbr"
    ]
    assert "<script>alert(1)" in attacked.text


def test_samples_only_where_asked_for():
    """Records are somebody's data."""
    assert "2024-01-01,x" not in made().text
    raw = {**SAMPLE, "raw": None, "raw_base64": "/w=="}
    assert "/w== (base64: no UTF-8)" in made(samples=[raw]).text


def test_an_error_stands_first():
    """In its own words, with what to do about it."""
    error = {"kind": "quota", "message": "no more\ntoday", "hint": "wait", "retryable": True}
    text = made(state="failed", exit_code=7, error=error).text
    assert "Stopped by the service" in text
    assert "quota no more today wait The same command may succeed later." in text
    assert text.index("no more") < text.index("Accounts")


def test_accounts_that_are_off_are_seen():
    """Where they are shown, too."""
    records = {**report()["records"], "read": 1001}
    text = made(records=records).text
    assert "✗ 1,000 accounted for" in text
    assert "add up to it" not in text


def test_a_run_that_was_taken_up():
    """Whose course it is, and a rate that is of that course."""
    text = made(timeline=timeline(40, taken_up=True), seconds=100.0).text
    assert "the course is that of its last process. 100 records had been accepted before" in text
    assert "Accepted 4,500 records/s" in text


@pytest.mark.parametrize(
    ("course", "said"),
    [
        (None, "This report holds no course over time"),
        (timeline(0), "Too short a run for a course."),
        (timeline(2), "Too short a run for a course."),
        (timeline(3), "The same as a table"),
    ],
)
def test_reports_of_older_and_of_short_runs(course, said):
    """What is not there is said, and the rest is shown."""
    text = made(timeline=course).text
    assert said in text
    assert "✓ the five add up to it" in text


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"records": [], "files": {}, "rejects": 1, "ambiguous": "x", "timeline": 3, "error": "e"},
        {"records": {"read": "many", "accepted": None}, "seconds": float("nan"), "exit_code": "x"},
        {"files": [1, None, {}], "ambiguous": [{}], "replays": [{}], "versions": {"a": None}},
        {"verification": [[[[1]]]], "rows": {"before": "x"}, "learned": {"limit": None}},
        {"latency_ms": {"p50": "x"}, "bytes": {"sent": -1}, "started_at": 5, "target": 5},
    ],
)
def test_a_report_that_was_touched(broken):
    """A page all the same."""
    assert Page(page(broken)).headings[0] == "h1"
    assert Page(page({**report(), **broken})).headings[0] == "h1"


def test_only_headings_with_something_below():
    """A plain run shows no empty sections."""
    plain = made(
        {}, records={"read": 2, "accepted": 2}, exit_code=0, rejects={}, ambiguous=[], replays=[],
        learned=None, rows=None, verification=None, files=[],
    )  # fmt: skip
    assert len(plain.headings) == 4
    assert "All 2 records are in." in plain.text
    assert "does not hold its settings" in plain.text


def test_thousands_of_files():
    """The first are shown, more are folded, and the rest is counted: the page stays a page."""
    files = [{"path": f"d/{n}.csv", "sha256": "ab" * 32, "records": n} for n in range(6000)]
    data = page(report(files=files), SETTINGS)
    assert len(data) < 600_000
    text = Page(data).text
    assert "6,000 files" in text
    assert "5,980 more, 480 of them here and all in the report's JSON" in text


@pytest.mark.parametrize("number_of", [1, 5, 6, 100])
def test_many_ambiguous_batches(number_of):
    """Five are shown at once."""
    one = report()["ambiguous"][0]
    text = made(ambiguous=[{**one, "batch": 1000 + n} for n in range(number_of)]).text
    assert (f"{number_of - 5} more" in text) == (number_of > 5)
    assert f"{999 + number_of:,}" in text


def test_the_same_report_makes_the_same_page():
    """Byte by byte: nothing depends on the hour or on chance."""
    assert page(report(), SETTINGS) == page(report(), SETTINGS)
