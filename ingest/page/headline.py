"""The page's first line: how the run ended, in one sentence, and how good that is.

What a reader must do something about comes first; figures that are nought are not mentioned.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from ingest.display import count, duration, plural
from ingest.page.reading import Report, ends, number, part, whole, word

Tone = Literal["good", "doubtful", "bad"]

_STOPPED = {
    4: "Stopped at the reject limit",
    7: "Stopped by the service",
    130: "Interrupted",
    143: "Interrupted",
}


def headline(report: Report) -> tuple[Tone, str]:
    """How good it is, and the sentence."""
    found, read = ends(report), whole(report, "records", "read")
    code = whole(report, "exit_code")
    if sum(found.values()) != read:
        accounted = count(sum(found.values()))
        return "bad", f"The accounts do not add up: {count(read)} read, {accounted} accounted for."
    if code in _STOPPED:
        tone: Tone = "doubtful" if code in (130, 143) else "bad"
        return tone, f"{_STOPPED[code]}: {_so_far(found, read)}."
    if report.get("state") != "done" or part(report, "error"):
        return "bad", f"Failed: {_so_far(found, read)}."
    if not read:
        return "good", "Nothing to load: the inputs hold no records."
    return _finished(found, read)


def _finished(found: dict[str, int], read: int) -> tuple[Tone, str]:
    arrived = found["accepted"] + found["skipped"]
    if arrived < read:
        return "doubtful", f"{count(arrived)} of {plural(read, 'record')} are in{_but(found)}."
    if not found["accepted"]:
        return "good", f"Nothing new: {_all(read)} in already."
    before = f", {count(found['skipped'])} of them before" if found["skipped"] else ""
    return "good", f"{_all(read).capitalize()} in{before}."


def _all(read: int) -> str:
    return "the one record is" if read == 1 else f"all {count(read)} records are"


def _so_far(found: dict[str, int], read: int) -> str:
    if not read:
        return "nothing was read, and nothing was sent"
    arrived = found["accepted"] + found["skipped"]
    but = _but({**found, "unsent": 0})
    unsent = f"; {count(found['unsent'])} were never sent" if found["unsent"] else ""
    return f"{count(arrived)} of {count(read)} records read are in{but}{unsent}"


def _but(found: dict[str, int]) -> str:
    said = [
        f"{count(found['rejected'])} {_were(found['rejected'])} rejected" * bool(found["rejected"]),
        f"{count(found['ambiguous'])} may be missing or doubled" * bool(found["ambiguous"]),
        f"{count(found['unsent'])} {_were(found['unsent'])} never sent" * bool(found["unsent"]),
    ]
    return "".join(f"; {one}" for one in said if one)


def _were(number_of: int) -> str:
    return "was" if number_of == 1 else "were"


def lede(report: Report) -> Sequence[str]:
    """What, where, when and how long, in pieces."""
    seconds = number(report, "seconds")
    found = [
        word(report, "target"),
        _when(word(report, "started_at")),
        f"took {duration(seconds)}" if seconds else "",
    ]
    return [one for one in found if one]


def _when(started_at: str) -> str:
    """`22 November 2026, 05:22 UTC`; what is no time stands as it is."""
    try:
        moment = datetime.fromisoformat(started_at)
    except ValueError:
        return started_at
    zone = moment.tzname() or ""
    return f"{moment.day} {moment:%B %Y, %H:%M} {zone}".strip()
