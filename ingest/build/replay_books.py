"""What came of a replay, booked on its run: the rejects file, the report, the accounts.

Why no kill loses or doubles anything:

1. The replay's journal is the only witness of what landed; a line of its own rejects is the only
   witness of what was rejected again. Both are durable before anything counts (`replay_dir`).
2. Booking computes everything from these two and from what stood before the replay, never from what
   it has written itself: done twice, it gives the same. So it may be cut off anywhere, and the next
   replay does it again before it looks at a single line.
3. The order: the rejects file, the report, the accounts in the job's journal, each of them whole or
   not at all; and the replay's directory, with the witnesses in it, goes last. Were it to go
   before the rejects file is rewritten, a record that landed could be replayed.

With bodies whose fate is open the directory stays: their records stay rejected, and the next replay
takes this one up. Without any there is nothing to take up: what was not sent is still in the
rejects file, and the next replay begins there.

A line that was mended again after the replay had begun stays as it is, unless its record landed.
One that somebody took out of the file is rejected all the same, under a reason of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
from msgspec import Struct
from msgspec.structs import replace

from ingest.build.replay_dir import Outcome, ReplayDir, joined, unwritable
from ingest.display import json_bytes
from ingest.journal import IntentRecord, Journal, RunRecord
from ingest.model import Accounts
from ingest.report import ORDER, AmbiguousBatch, FileFacts, RunFacts, build_report, write_report
from ingest.sources.reject_lines import Mended, read_mended
from ingest.state import write_private

TAKEN_OUT = "line_taken_out"
Report = dict[str, Any]


class Ended(Struct, frozen=True):
    """How the replay's process ended: its exit code, the time it took, the report's `error`."""

    exit_code: int | None = None
    seconds: float | None = None
    error: Mapping[str, Any] | None = None


def book(home: ReplayDir, outcome: Outcome, ended: Ended) -> Report:
    """Rewrite the run's rejects and report; the new report. May be done again. Blocks.

    Raises IngestError where something can't be written, SettingsError for a rejects file that can't
    be read.
    """
    given = read_mended(home.input_path)
    left = rewrite(home, given, outcome)
    report: Report = orjson.loads(home.before_path.read_bytes())
    add_to(report, outcome)
    reasons = Counter(one.reason for one in left)
    if (gone := report["records"]["rejected"] - reasons.total()) > 0:
        reasons[TAKEN_OUT] = gone
    path = str(home.run.rejects_path) if left else None
    report["rejects"] = {"file": path, "by_reason": dict(reasons)}
    report["exit_code"] = code_of(report)
    report["replays"] = [*report.get("replays", []), entry(outcome, len(given), ended)]
    write_report(home.run.report_path, report)
    return report


def book_accounts(journal: Journal, record: RunRecord, report: Report, outcome: Outcome) -> None:
    """The same in the job's journal: the accounts, and the numbers that batches have had."""
    names = ("accepted", "rejected", "ambiguous", "superseded")
    new = {name: report["records"][name] for name in names if name in report["records"]}
    journal.book(record, {**record.accounts, **new}, outcome.highest)


def rewrite(home: ReplayDir, given: Sequence[Mended], outcome: Outcome) -> list[Mended]:
    """The rejects file without what landed, and with the new words of what was rejected again; the
    lines that are left. Without any the file goes."""
    path = home.run.rejects_path
    now = read_mended(path) if path.exists() else []
    begun = {one.key: one.raw for one in given}
    left = []
    for one in now:
        if outcome.has_landed(one.key):
            continue
        again = outcome.again.get(one.key)
        untouched = begun.get(one.key) == one.raw
        left.append(worded(one, again) if again is not None and untouched else one)
    try:
        if left:
            write_private(path, joined(one.text for one in left))
        else:
            path.unlink(missing_ok=True)
    except OSError as exc:
        raise unwritable(path, exc) from exc
    return left


def worded(one: Mended, again: Mended) -> Mended:
    """The line of a record that was rejected again: with its bytes as they were given, of which the
    new line may have the head only."""
    if not again.truncated:
        return again
    old, new = orjson.loads(one.text), orjson.loads(again.text)
    said = ("column", "field", "stage", "reason", "message")
    text = json_bytes({**old, **{name: new[name] for name in said}})
    return replace(one, text=text, reason=again.reason)


def add_to(report: Report, outcome: Outcome) -> None:
    """Add a replay to the run's figures: what it read is in them already."""
    records, requests, tally = report["records"], report["requests"], outcome.tally
    records["accepted"] += tally.accepted
    records["ambiguous"] += tally.ambiguous
    records["rejected"] -= tally.accepted + tally.ambiguous
    records["superseded"] = records.get("superseded", 0) + tally.superseded
    for name, more in (
        ("sent", tally.requests),
        ("retried", tally.retried),
        ("failed", tally.failed),
        ("isolated", tally.apart),
    ):
        requests[name] = requests.get(name, 0) + more
    report["bytes"]["sent"] += tally.bytes_sent
    report["ambiguous"] = [*report["ambiguous"], *named(outcome)]


def named(outcome: Outcome) -> list[dict[str, Any]]:
    """The replay's ambiguous batches as a report names them."""
    batches = [_batch(one) for one in outcome.ambiguous]
    files = [FileFacts(shown, None, 0) for shown in outcome.files]
    facts = RunFacts("", "", "", "", Accounts(), 0.0, files=files, ambiguous=batches)
    found: list[dict[str, Any]] = build_report(facts)["ambiguous"]
    return found


def _batch(one: IntentRecord) -> AmbiguousBatch:
    records = one.doubtful or one.records
    return AmbiguousBatch(one.number, one.spans, one.resent, records, one.message)


def code_of(report: Report) -> int:
    """The exit code of a run that is done, by its accounts: the first of the contract's order."""
    records = report["records"]
    # A run can be 6 without any batch that is ambiguous: not verified. A replay verifies nothing.
    found = {6} if records["ambiguous"] or report["exit_code"] == 6 else set()
    found |= {3} if records["rejected"] else set()
    return next((code for code in ORDER if code in found), 0)


def entry(outcome: Outcome, given: int, ended: Ended) -> dict[str, Any]:
    """One of the report's `replays`. `left`: neither sent nor judged, or not known yet."""
    tally, again = outcome.tally, len(outcome.again)
    return {
        "started_at": datetime.fromtimestamp(outcome.started_at, UTC).isoformat(timespec="seconds"),
        "seconds": ended.seconds,
        "replayed": given,
        "accepted": tally.accepted,
        "rejected": again,
        "ambiguous": tally.ambiguous,
        "left": given - tally.accepted - tally.ambiguous - again,
        "requests": tally.requests,
        "exit_code": ended.exit_code,
        "error": ended.error,
    }
