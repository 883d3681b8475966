"""Reading a report that anybody may have touched: what is missing or of another type is empty.

A page is asked for when something went wrong, perhaps from an older run or a file that was edited.
Half a page is worth more then than an error.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

ENDS = ("accepted", "rejected", "skipped", "ambiguous", "unsent")
Report = Mapping[str, Any]


def part(report: Report, *keys: str) -> Report:
    """The mapping under these keys; an empty one where there is none."""
    found: Any = report
    for key in keys:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def items(report: Report, key: str) -> list[Report]:
    """The mappings in the list under `key`."""
    found = report.get(key)
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def column(report: Report, key: str) -> list[float | None]:
    """The numbers in the list under `key`; None for what is none."""
    found = report.get(key)
    return [_number(one) for one in found] if isinstance(found, list) else []


def number(report: Report, *keys: str) -> float:
    """A finite number; 0 where there is none."""
    return _number(part(report, *keys[:-1]).get(keys[-1])) or 0


def whole(report: Report, *keys: str) -> int:
    """The same as a whole number."""
    return int(number(report, *keys))


def word(report: Report, *keys: str) -> str:
    """A text; an empty one where there is none."""
    found = part(report, *keys[:-1]).get(keys[-1])
    return found if isinstance(found, str) else ""


def reasons(report: Report) -> list[tuple[str, int]]:
    """Rejects by reason, the most frequent first."""
    found = part(report, "rejects", "by_reason")
    numbers = [(str(name), whole(found, name)) for name in found]
    return sorted(numbers, key=lambda one: (-one[1], one[0]))


def ends(report: Report) -> dict[str, int]:
    """The five ends of the records, by name."""
    return {end: whole(report, "records", end) for end in ENDS}


def texts(values: object) -> list[str]:
    """A list's values as texts; of what is no list, itself alone."""
    if isinstance(values, Sequence) and not isinstance(values, str | bytes):
        return [str(one) for one in values]
    return [] if values is None else [str(values)]


def _number(found: object) -> float | None:
    if isinstance(found, bool) or not isinstance(found, int | float) or not math.isfinite(found):
        return None
    return found
