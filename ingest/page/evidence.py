"""What else the report knows: what was learned of the service, what was verified, replays, files,
and what made the page (versions, the digest of the settings)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ingest.display import count, duration, plural
from ingest.page.markup import Child, Html, lines, soft, tag
from ingest.page.parts import facts, long_table, section, table
from ingest.page.reading import Report, items, number, part, texts, whole, word

_REPLAY_ENDS = ("replayed", "accepted", "rejected", "ambiguous", "left")
_DEPTH = 3


def learned(report: Report) -> Html | None:
    """What the run found out about the pace that the service takes."""
    found = part(report, "learned")
    if not found:
        return None
    rate = number(found, "rate_per_s")
    refused, pauses = whole(found, "refusals"), whole(found, "pauses")
    isolated = whole(report, "requests", "isolated")
    pairs: list[tuple[str, Child]] = [
        ("Requests a second", f"about {rate:.3g}" if rate else "no limit met"),
        ("Requests at once", f"{whole(found, 'limit')} were enough"),
        ("Refused for the pace", plural(refused, "request")),
        ("Pauses", f"{count(pauses)}, {duration(number(found, 'paused_s'))} together"),
        ("Bodies taken apart for a bad record", count(isolated) if isolated else None),
    ]
    return section("Limits learned", facts(pairs))


def verified(report: Report) -> Html | None:
    """Rows counted before and after, and what a verification says."""
    found, rows = report.get("verification"), part(report, "rows")
    before, after = rows.get("before"), rows.get("after")
    counted = None
    if isinstance(before, int) and isinstance(after, int):
        counted = f"{count(before)} before, {count(after)} after: {after - before:+,}"
    if not found and counted is None:
        return None
    return section(
        "Verification",
        facts([("Rows in the table", counted), *_said(found)]),
    )


def replays(report: Report) -> Html | None:
    """What replays of the rejects brought in since."""
    found = items(report, "replays")
    if not found:
        return None
    rows = [
        [
            word(one, "started_at"),
            "ended before its time" if one.get("exit_code") is None else str(one["exit_code"]),
            *(count(whole(one, end)) for end in _REPLAY_ENDS),
        ]
        for one in found
    ]
    heads = [
        "Started",
        "Exit code",
        "Replayed",
        "Accepted",
        "Rejected again",
        "Ambiguous",
        "As before",
    ]
    return section("Replays", table(heads, rows, numbers_from=2))


def files(report: Report) -> Html | None:
    """Each file with its records and its hash."""
    found = items(report, "files")
    if not found:
        return None
    rows: list[list[Child]] = [
        [
            soft(word(one, "path")),
            tag("code", word(one, "sha256")[:16] or "–", title=word(one, "sha256") or None),
            count(whole(one, "records")),
        ]
        for one in found
    ]
    return section(
        plural(len(found), "file").capitalize(), long_table(["Path", "SHA-256", "Records"], rows, 2)
    )


def colophon(report: Report) -> Html:
    """What made it: versions, and the digest that tells whether the settings were the same."""
    versions = part(report, "versions")
    said = " · ".join(f"{name} {versions[name]}" for name in versions)
    return tag(
        "footer",
        facts(
            [
                ("Run", tag("code", word(report, "run"))),
                ("Settings", tag("code", word(report, "settings_sha256"))),
                ("Versions", said),
            ],
            "facts",
        ),
    )


def _said(found: Any, name: str = "", depth: int = 0) -> Iterator[tuple[str, Child]]:
    """The values of whatever stands there, under their names joined by dots."""
    if isinstance(found, Mapping) and depth < _DEPTH:
        for key, value in found.items():
            label = f"{name}.{key}" if name else str(key).replace("_", " ").capitalize()
            yield from _said(value, label, depth + 1)
    elif isinstance(found, bool):
        yield name, "yes" if found else "no"
    elif isinstance(found, int):
        yield name, count(found)
    elif found is not None:
        yield name or "Said", lines("\n".join(texts(found)))
