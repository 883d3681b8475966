"""The report: a run's facts as the contract's JSON object, and the exit code they lead to.

`build_report` is pure: whoever ran the run hands in everything, times and memory included. The one
table from outcome to exit code is `exit_code`; the state follows from the code. Two things are
failures though nobody raised them: a sum that is off, and records left unsent by a run that claims
to be whole. Both are said in `error`.

Percentiles are nearest-rank: p95 of the latencies is a latency that was measured.
A report is written wholly or not at all, so that a reader never sees half of one.
"""

from __future__ import annotations

import math
import platform
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct, field

from ingest.display import json_bytes
from ingest.errors import IngestError
from ingest.grammar import pcre2
from ingest.model import Accounts, Receipt, Span
from ingest.state import write_private

# The contract's order: the first that applies is the exit code.
ORDER = (2, 5, 1, 130, 143, 7, 4, 6, 3, 0)
INTERRUPTED = (130, 143)
_FINISHED = (0, 3, 6)
_PACKAGES = (
    *("ingest", "anyio", "httpx", "msgspec", "orjson", "polars", "pydantic", "uvloop"),
    "wasmtime",
)
_REPORT_FORMAT = 1


class FileFacts(Struct, frozen=True):
    """One input: its path as shown, SHA-256 in hex (None: not known), records read from it."""

    path: str
    sha256: str | None
    records: int


class AmbiguousBatch(Struct, frozen=True):
    """A batch that may be doubled (`resent`) or missing: `records` of its spans, and why."""

    batch: int
    spans: tuple[Span, ...]
    resent: bool
    records: int = 0
    why: str = ""

    @classmethod
    def of(cls, receipt: Receipt) -> AmbiguousBatch:
        """From a receipt; where a body was taken in part, only some of its records are doubtful."""
        batch = receipt.batch
        records = receipt.verdict.doubtful or batch.records
        return cls(batch.number, batch.spans, receipt.resent, records, receipt.message)


class RunFacts(Struct, frozen=True):
    """Everything a report is made of.

    `errors` are the run's troubles, each an IngestError; the one that decides the exit code is
    reported. `interrupted` is 130 (SIGINT, --max-duration) or 143 (SIGTERM). `unverified` says that
    a check which the job asked for could not confirm the load. `stages` are seconds by stage,
    `latencies_s` one sample an attempt. `files` stand in the run's order, so that a span's `file`
    is a place in it. `rejects_file` is None where there were no rejects.
    """

    run: str
    job: str
    target: str
    settings_sha256: str
    accounts: Accounts
    seconds: float
    stages: Mapping[str, float] = field(default_factory=dict)
    latencies_s: Sequence[float] = ()
    peak_rss_bytes: int = 0
    versions: Mapping[str, str] = field(default_factory=dict)
    files: Sequence[FileFacts] = ()
    rejects_file: str | None = None
    rejects_by_reason: Mapping[str, int] = field(default_factory=dict)
    ambiguous: Sequence[AmbiguousBatch] = ()
    errors: Sequence[IngestError] = ()
    interrupted: int | None = None
    unverified: bool = False
    started_at: str | None = None


def exit_code(facts: RunFacts) -> int:
    """The process's exit code: the first of the contract's order that applies."""
    accounts = facts.accounts
    found = {_known(error.exit_code) for error in all_errors(facts)}
    if facts.interrupted is not None:
        found.add(facts.interrupted)
    if accounts.ambiguous or facts.ambiguous or facts.unverified:
        found.add(6)
    if accounts.rejected:
        found.add(3)
    return next((code for code in ORDER if code in found), 0)


def state(facts: RunFacts) -> Literal["done", "failed", "interrupted"]:
    """`done`, `interrupted` or `failed`, as the exit code has it."""
    code = exit_code(facts)
    if code in INTERRUPTED:
        return "interrupted"
    return "done" if code in _FINISHED and not all_errors(facts) else "failed"


def all_errors(facts: RunFacts) -> list[IngestError]:
    """The run's errors and those that its accounts show."""
    found = list(facts.errors)
    accounts = facts.accounts
    if not accounts.balanced:
        found.append(_off(accounts))
    elif accounts.unsent and not found and facts.interrupted is None:
        found.append(
            IngestError(
                f"{accounts.unsent:,} records were read and never sent, and nothing says why",
                "this is a defect of the program: please report it with the run's report",
            )
        )
    return found


def build_report(facts: RunFacts) -> dict[str, Any]:
    """The contract's report, ready for JSON."""
    accounts = facts.accounts
    return {
        "format": _REPORT_FORMAT,
        "run": facts.run,
        "job": facts.job,
        "state": state(facts),
        "exit_code": exit_code(facts),
        "started_at": facts.started_at,
        "records": {
            "read": accounts.read,
            "accepted": accounts.accepted,
            "rejected": accounts.rejected,
            "skipped": accounts.skipped,
            "ambiguous": accounts.ambiguous,
            "unsent": accounts.unsent,
        },
        "requests": {
            "sent": accounts.requests_sent,
            "retried": accounts.requests_retried,
            "failed": accounts.requests_failed,
        },
        "bytes": {"read": accounts.bytes_read, "sent": accounts.bytes_sent},
        "seconds": round(facts.seconds, 3),
        "stages": {name: round(seconds, 3) for name, seconds in facts.stages.items()},
        "latency_ms": latency_ms(facts.latencies_s),
        "peak_rss_bytes": facts.peak_rss_bytes,
        "versions": dict(facts.versions),
        "settings_sha256": facts.settings_sha256,
        "files": [
            {"path": file.path, "sha256": file.sha256, "records": file.records}
            for file in facts.files
        ],
        "rejects": {"file": facts.rejects_file, "by_reason": dict(facts.rejects_by_reason)},
        "ambiguous": [_ambiguous(batch, facts.files) for batch in facts.ambiguous],
        "target": facts.target,
        "error": _error(facts),
    }


def latency_ms(samples_s: Sequence[float]) -> dict[str, float | None]:
    """p50, p95 and p99 in milliseconds, by nearest rank; None without samples."""
    ordered = sorted(samples_s)
    return {
        f"p{percent}": round(ordered[_rank(percent, len(ordered))] * 1000, 1) if ordered else None
        for percent in (50, 95, 99)
    }


def peak_rss_bytes() -> int:
    """The most memory this process has held so far."""
    import resource  # noqa: PLC0415 - not on every platform, and only asked for here

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def versions() -> dict[str, str]:
    """Python's version and those of what decides how a run behaves, as far as it is there."""
    found = {"python": platform.python_version()}
    if (version := pcre2.version()) is not None:
        found["pcre2"] = version
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def write_report(path: Path, report: Mapping[str, Any]) -> None:
    """Write the report to `path`, wholly or not at all. Raises IngestError where that fails."""
    data = json_bytes(dict(report), indent=True) + b"\n"
    try:
        write_private(path, data)
    except OSError as exc:
        raise IngestError(
            f"the report can't be written: {path}: {exc.strerror or exc}",
            f"make room in {path.absolute().parent}, or name another place with --report; nothing"
            " needs to be loaded again because of it",
        ) from exc


def _known(code: int) -> int:
    return code if code in ORDER and code != 0 else 1


def _off(accounts: Accounts) -> IngestError:
    return IngestError(
        f"the accounts do not add up: {accounts.read:,} records read,"
        f" {accounts.settled:,} accounted for",
        "this is a defect of the program: count the rows in the table before running again,"
        " and please report it with the run's report",
    )


def _error(facts: RunFacts) -> dict[str, Any] | None:
    errors = all_errors(facts)
    if not errors:
        return None
    first = min(errors, key=lambda error: ORDER.index(_known(error.exit_code)))
    return {
        "kind": first.kind,
        "message": first.message,
        "hint": first.hint,
        "retryable": first.retryable,
    }


def _ambiguous(batch: AmbiguousBatch, files: Sequence[FileFacts]) -> dict[str, Any]:
    spans = [
        {
            "file": files[span.file].path if span.file < len(files) else f"#{span.file}",
            "first": span.first,
            "last": span.last,
            "count": span.count,
        }
        for span in batch.spans
    ]
    return {
        "batch": batch.batch,
        "spans": spans,
        "resent": batch.resent,
        "records": batch.records,
        "why": batch.why,
    }


def _rank(percent: int, length: int) -> int:
    return max(0, math.ceil(length * percent / 100) - 1)
