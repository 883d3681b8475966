"""What `ingest check` found out: a line each, and how it ends. Pure.

A finding is *ok*, a *warn*ing (a run would go, but know this), to *mend* (a run would fail), *away*
(the service does not serve now) or *unknown* (could not be looked at, because of another). Exit
codes, the first that applies: 2 something to mend, 7 the service is away, 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

from msgspec import Struct

State = Literal["ok", "warn", "mend", "away", "unknown"]
MARKS: dict[State, str] = {"ok": "✓", "warn": "!", "mend": "✗", "away": "✗", "unknown": "?"}
PLAIN_MARKS: dict[State, str] = {"ok": "ok", "warn": "!", "mend": "X", "away": "X", "unknown": "?"}


class Finding(Struct, frozen=True):
    """One line: what was looked at, what was found in plain words, and what to do (`mend`)."""

    name: str
    state: State
    said: str
    mend: str = ""

    def as_report(self) -> dict[str, str]:
        """For `--json`."""
        return {"name": self.name, "state": self.state, "said": self.said, "mend": self.mend}


def exit_code(findings: Iterable[Finding]) -> int:
    """The process's exit code."""
    states = {finding.state for finding in findings}
    return 2 if "mend" in states else 7 if "away" in states else 0


def report_of(job: str, findings: Sequence[Finding]) -> dict[str, Any]:
    """What `--json` prints."""
    return {
        "job": job,
        "exit_code": exit_code(findings),
        "checks": [finding.as_report() for finding in findings],
    }
