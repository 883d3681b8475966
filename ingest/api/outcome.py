"""How a run ended, for programs: the contract's report with names and types.

Everything is made from the report, so an `Outcome` says nothing that `ingest show --json` does not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct

from ingest.build.conducting import Conducted


class RecordCounts(Struct, frozen=True):
    """What became of the records: the five behind `read` add up to it (else the run has failed)."""

    read: int
    accepted: int
    rejected: int
    skipped: int
    ambiguous: int
    unsent: int


class Trouble(Struct, frozen=True):
    """What stopped a run, and what to do about it. `retryable`: the same may succeed later."""

    kind: str
    message: str
    hint: str
    retryable: bool


class Outcome(Struct, frozen=True):
    """How a run ended.

    `exit_code` is the command's: 0 all well, 3 some rejected, 6 something ambiguous, 4 too many
    rejects, 7 stopped by the service, 130 interrupted, 1 failed. `rejects_file` is None without
    rejects. `rows` are what `ask` was answered. `cause` is what an iterator of records raised.
    `report` is everything, as in the state directory.
    """

    run: str
    state: Literal["done", "failed", "interrupted"]
    exit_code: int
    records: RecordCounts
    rejects_file: Path | None
    rejects_by_reason: Mapping[str, int]
    ambiguous: Sequence[Mapping[str, Any]]
    error: Trouble | None
    rows: Sequence[Mapping[str, Any]] | None
    report: Mapping[str, Any]
    cause: Exception | None = None

    @property
    def ok(self) -> bool:
        """Every record was accepted (or settled before), and nothing is in doubt."""
        return self.exit_code == 0


async def outcome_of(conducted: Conducted) -> Outcome:
    """Run it to its end. Raises what `Conducted.result` raises."""
    result = await conducted.result()
    report, error = result.report, result.report["error"]
    counts = {key: report["records"][key] for key in RecordCounts.__struct_fields__}
    rejects = report["rejects"]
    return Outcome(
        run=report["run"],
        state=report["state"],
        exit_code=result.exit_code,
        records=RecordCounts(**counts),
        rejects_file=Path(rejects["file"]) if rejects["file"] else None,
        rejects_by_reason=rejects["by_reason"],
        ambiguous=report["ambiguous"],
        error=Trouble(**error) if error else None,
        rows=result.rows,
        report=report,
        cause=conducted.failure,
    )
