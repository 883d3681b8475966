"""What a verification found: counts by kind, the first examples, and what it could not verify.

Four kinds of difference. *missing*: a record that was accepted has no row. *changed*: its row holds
something else. *doubled*: one more row of it. *foreign*: a row where none should be: a rejected
record's, or one that is nobody's. *unverified* counts records, and `why` says for each reason how
many; a reason may concern no record but the whole (0). Verified is what has neither.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Literal

from msgspec import Struct, field

Difference = Literal["missing", "changed", "doubled", "foreign"]
KINDS: tuple[Difference, ...] = ("missing", "changed", "doubled", "foreign")
EXAMPLES = 20
CELL_CHARS = 200


class Example(Struct, frozen=True):
    """One difference: where the record stands (None: it is in no file), and a cell of it.

    Without a column, `expected` and `found` are whole rows, None where there is none.
    """

    kind: Difference
    file: str | None = None
    line: int | None = None
    record: int | None = None
    column: str | None = None
    expected: Any = None
    found: Any = None

    def as_report(self) -> dict[str, Any]:
        """For the report; long texts are cut."""
        return {
            "kind": self.kind,
            "file": self.file,
            "line": self.line,
            "record": self.record,
            "column": self.column,
            "expected": _cut(self.expected),
            "found": _cut(self.found),
        }


class Findings(Struct):
    """A verification's running total."""

    checked: int = 0
    differences: Counter[str] = field(default_factory=Counter)
    why: Counter[str] = field(default_factory=Counter)
    examples: list[Example] = field(default_factory=list)
    counts: dict[str, int | None] = field(default_factory=dict)
    sums: dict[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Everything that was to be verified is as it should be."""
        return not self.differences.total() and not self.why

    @property
    def wants_examples(self) -> bool:
        """Whether one more is shown."""
        return len(self.examples) < EXAMPLES

    def add(self, kind: Difference, number: int = 1) -> None:
        """So many more of a kind."""
        if number > 0:
            self.differences[kind] += number

    def show(self, example: Example) -> None:
        """Keep an example, if there is room."""
        if self.wants_examples:
            self.examples.append(example)

    def unverified(self, why: str, records: int = 0) -> None:
        """So many records can't be verified, for this reason."""
        self.why[why] += records

    def as_report(self, at: str, how: str) -> dict[str, Any]:
        """What stands under `verification` in the run's report."""
        return {
            "at": at,
            "how": how,
            "checked": self.checked,
            **{kind: self.differences[kind] for kind in KINDS},
            "unverified": self.why.total(),
            "ok": self.ok,
            "why": dict(self.why),
            "counts": self.counts,
            "sums": self.sums,
            "examples": [example.as_report() for example in self.examples],
        }


def _cut(value: Any) -> Any:
    if isinstance(value, str) and len(value) > CELL_CHARS:
        return value[: CELL_CHARS - 1] + "…"
    if isinstance(value, Mapping):
        return {str(key): _cut(one) for key, one in value.items()}
    return value
