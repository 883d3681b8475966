"""A run's replays in sentences, from its report: what each brought in, and how it ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ingest.display import count, plural

_ENDS = (
    ("accepted", "accepted"),
    ("rejected", "rejected again"),
    ("ambiguous", "ambiguous"),
    ("left", "as before"),
)
UNBOOKED = "a replay of it was ended before its time: `ingest replay` takes it up"


def replays_of(report: Mapping[str, Any], *, unbooked: bool = False) -> Iterator[str]:
    """A sentence for each replay of a run, the first one first. `unbooked`: one is not at its end.

    Tolerant of keys that are not there: a report is a file that anybody may have touched.
    """
    replays = report.get("replays")
    for one in replays if isinstance(replays, list) else ():
        if isinstance(one, Mapping):
            yield in_words(one)
    if unbooked:
        yield UNBOOKED


def in_words(one: Mapping[str, Any]) -> str:
    """One replay: how many records, and what became of them."""
    ends = [f"{count(number)} {word}" for key, word in _ENDS if (number := _number(one, key))]
    said = f"replayed {one.get('started_at', '')}: {plural(_number(one, 'replayed'), 'record')}"
    code = one.get("exit_code")
    ended = "ended before its time" if code is None else f"exit code {code}"
    return f"{said}: {', '.join(ends) or 'none'} ({ended})"


def _number(one: Mapping[str, Any], key: str) -> int:
    found = one.get(key)
    return found if isinstance(found, int) else 0
