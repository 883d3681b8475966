"""The report has the contract's keys, and its exit code follows the contract's order."""

from __future__ import annotations

import itertools
import json
import stat
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.errors import (
    IngestError,
    JobHeld,
    RejectLimitPassed,
    SettingsError,
    SourceError,
    StoppedByService,
)
from ingest.grammar import pcre2
from ingest.model import Accounts, Span
from ingest.report import (
    ORDER,
    AmbiguousBatch,
    FileFacts,
    RunFacts,
    build_report,
    exit_code,
    latency_ms,
    peak_rss_bytes,
    state,
    versions,
    write_report,
)

SPANS = (Span(0, 5, 6, 2), Span(9, 1, 1, 1))
LOST = "the answer was lost"


def facts(accounts: Accounts | None = None, **changes) -> RunFacts:
    """A run in which all went well, but for the changes."""
    usual: dict[str, Any] = {
        "run": "20261121-221500-stocks-4f2a", "job": "stocks", "target": "aito h: t",
        "settings_sha256": "ab", "seconds": 1.23456,
        "accounts": accounts or Accounts(read=10, accepted=10),
    }  # fmt: skip
    return RunFacts(**(usual | changes))


def test_the_contracts_keys():
    """Every key of the contract with its shape."""
    accounts = Accounts(
        read=10, accepted=4, rejected=3, skipped=1, ambiguous=2, bytes_read=100, bytes_sent=90,
        requests_sent=5, requests_retried=2, requests_failed=1,
    )  # fmt: skip
    report = build_report(
        facts(
            accounts,
            stages={"read": 0.12345},
            latencies_s=[0.1, 0.2],
            peak_rss_bytes=7,
            versions={"python": "3.11"},
            files=[FileFacts("a.csv", "cd", 10)],
            rejects_file="/s/rejects.ndjson",
            rejects_by_reason={"not_a_date": 3},
            ambiguous=[AmbiguousBatch(3, SPANS, resent=True, records=3, why=LOST)],
        )
    )
    assert report == {
        "format": 1,
        "run": "20261121-221500-stocks-4f2a",
        "job": "stocks",
        "state": "done",
        "exit_code": 6,
        "started_at": None,
        "records": {
            "read": 10, "accepted": 4, "rejected": 3, "skipped": 1, "ambiguous": 2, "unsent": 0,
        },
        "requests": {"sent": 5, "retried": 2, "failed": 1},
        "bytes": {"read": 100, "sent": 90},
        "seconds": 1.235,
        "stages": {"read": 0.123},
        "latency_ms": {"p50": 100.0, "p95": 200.0, "p99": 200.0},
        "peak_rss_bytes": 7,
        "versions": {"python": "3.11"},
        "settings_sha256": "ab",
        "files": [{"path": "a.csv", "sha256": "cd", "records": 10}],
        "rejects": {"file": "/s/rejects.ndjson", "by_reason": {"not_a_date": 3}},
        "ambiguous": [
            {
                "batch": 3,
                "spans": [
                    {"file": "a.csv", "first": 5, "last": 6, "count": 2},
                    {"file": "#9", "first": 1, "last": 1, "count": 1},
                ],
                "resent": True,
                "records": 3,
                "why": "the answer was lost",
            }
        ],
        "target": "aito h: t",
        "error": None,
    }  # fmt: skip


ERRORS = {
    2: SettingsError("s"),
    5: JobHeld("h"),
    1: SourceError("cut short", "fetch it again"),
    7: StoppedByService("quota"),
    4: RejectLimitPassed("many"),
}


def test_every_combination_of_outcomes_follows_the_order():
    """All 2^9 subsets: the code is the first of the contract's order, the state follows."""
    codes = [code for code in ORDER if code not in (0, 143)]
    for size in range(len(codes) + 1):
        for chosen in itertools.combinations(codes, size):
            rejected, ambiguous = int(3 in chosen), int(6 in chosen)
            accounts = Accounts(
                read=5 + rejected + ambiguous, accepted=5, rejected=rejected, ambiguous=ambiguous
            )
            run = facts(
                accounts,
                errors=[ERRORS[code] for code in reversed(chosen) if code in ERRORS],
                interrupted=130 if 130 in chosen else None,
            )
            expected = next(iter(chosen), 0)
            assert exit_code(run) == expected
            wanted = {130: "interrupted", 6: "done", 3: "done", 0: "done"}
            assert state(run) == wanted.get(expected, "failed")
            error = build_report(run)["error"]
            failed = [code for code in chosen if code in ERRORS]
            assert (error and error["message"]) == (ERRORS[failed[0]].message if failed else None)


def test_sigterm_is_143():
    """Interrupted as well."""
    run = facts(Accounts(read=2, accepted=1, unsent=1), interrupted=143)
    assert (exit_code(run), state(run), build_report(run)["error"]) == (143, "interrupted", None)


@given(st.integers(0, 9), *[st.integers(0, 3)] * 5)
def test_a_sum_that_is_off_is_a_failed_run(read, accepted, rejected, skipped, ambiguous, unsent):
    """Whatever else happened, never 0, 3 or 6; and the report says it."""
    accounts = Accounts(read, accepted, rejected, skipped, ambiguous, unsent)
    run = facts(accounts)
    report = build_report(run)
    if accounts.balanced and not unsent:
        assert report["state"] == "done"
        return
    assert (report["state"], report["exit_code"]) == ("failed", 1)
    said = "do not add up" if not accounts.balanced else "never sent"
    assert said in report["error"]["message"]
    assert report["error"]["hint"]


def test_unsent_is_explained_by_an_error_or_an_interruption():
    """Only where nothing explains it, it is a failure of its own."""
    accounts = Accounts(read=2, accepted=1, unsent=1)
    assert exit_code(facts(accounts, errors=[StoppedByService("q")])) == 7
    assert exit_code(facts(accounts, interrupted=130)) == 130
    assert exit_code(facts(accounts)) == 1


def test_what_could_not_be_verified_is_6():
    """Also where nothing is ambiguous; a listed batch without records counts too."""
    assert exit_code(facts(unverified=True)) == 6
    assert exit_code(facts(ambiguous=[AmbiguousBatch(1, (), resent=False)])) == 6


def test_an_unknown_error_code_is_1():
    """Errors to come can't turn a failure into success."""

    class OddError(IngestError):
        exit_code = 0

    run = facts(errors=[OddError("odd")])
    assert (exit_code(run), state(run)) == (1, "failed")


def test_an_error_with_the_code_of_a_finished_run_is_still_a_failure():
    """A partial apply stops the run with 6: not done."""

    class PartialError(IngestError):
        exit_code = 6

    run = facts(errors=[PartialError("half of it landed")])
    assert (exit_code(run), state(run)) == (6, "failed")


@pytest.mark.parametrize(
    ("samples", "percentiles"),
    [
        (0, (None, None, None)),
        (1, (1.0, 1.0, 1.0)),
        (2, (1.0, 2.0, 2.0)),
        (20, (10.0, 19.0, 20.0)),
        (100, (50.0, 95.0, 99.0)),
        (200, (100.0, 190.0, 198.0)),
    ],
)
def test_percentiles_by_nearest_rank(samples, percentiles):
    """1, 2, ... n milliseconds in any order."""
    found = latency_ms([n / 1000 for n in range(samples, 0, -1)])
    assert tuple(found.values()) == percentiles
    assert list(found) == ["p50", "p95", "p99"]


def test_measures_of_this_process():
    """Bytes, not kilobytes; and the versions of what is installed."""
    assert 5_000_000 < peak_rss_bytes() < 10**11
    assert {"python", "ingest", "polars", "httpx"} <= set(versions())
    assert versions().get("pcre2") == pcre2.version()


def test_write_report(tmp_path):
    """Private, readable, and with names that are no text."""
    path = tmp_path / "report.json"
    write_report(path, build_report(facts(files=[FileFacts("a\udcff.csv", None, 0)])))
    assert json.loads(path.read_text())["files"][0]["path"] == "a\\xff.csv"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_bytes().endswith(b"}\n")


def test_write_report_says_what_to_do(tmp_path):
    """A place that is not there."""
    with pytest.raises(IngestError, match="report can't be written") as caught:
        write_report(tmp_path / "no" / "report.json", {})
    assert "--report" in caught.value.hint
