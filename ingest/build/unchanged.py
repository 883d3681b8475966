"""Whether a job and its files are what they were when a run began. Pure but for a file's hash.

Identity is what the records that are sent depend on, and where they go: the resolved base URL
included, since what was loaded into a rehearsal is not settled for the real service, and the way,
where bodies lie on the disk. What differs is said in words, with the way on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from ingest.errors import SettingsError
from ingest.job import Job
from ingest.journal import FileRecord, RunRecord
from ingest.sources.files import FileStat

SHOWN_CHANGES = 5
RESTART = "put it back as it was, or begin anew with --restart (what was sent stays at the service)"
Identity = Mapping[str, Any]


def identity_of(job: Job, base_url: str, way: str) -> Identity:
    """What the processes of one run must share. `way` is '' for bodies in memory."""
    identity = {**job.identifying(), "base_url": base_url}
    return {**identity, "way": way} if way else identity


def identity_text(identity: Identity) -> tuple[str, str]:
    """Its digest, and itself as JSON."""
    text = orjson.dumps(identity, option=orjson.OPT_SORT_KEYS).decode()
    return hashlib.sha256(text.encode()).hexdigest(), text


def changes(record: RunRecord, identity: Identity) -> list[str]:
    """What differs between the run's identity and today's, in words."""
    then: dict[str, Any] = orjson.loads(record.identity_json)
    now: dict[str, Any] = orjson.loads(orjson.dumps(identity))
    return list(_differing(then, now, ""))[:SHOWN_CHANGES]


def check_files(
    record: RunRecord, known: Mapping[str, FileRecord], stats: Sequence[FileStat]
) -> None:
    """Raises SettingsError where a file of the unfinished run is gone or changed."""
    there = {stat.shown: stat for stat in stats}
    for shown, file in known.items():
        stat = there.get(shown)
        if stat is None:
            raise SettingsError(
                f"{shown}: a file of the unfinished run {record.name} is not there any more",
                RESTART,
            )
        if is_same(file, stat):
            continue
        if file.size_bytes == stat.size_bytes and file.sha256 is None:
            raise SettingsError(
                f"{shown}: written to, or only touched, since the unfinished run {record.name}"
                " began; it was not read to its end then, so nobody knows whether it is the same",
                RESTART,
            )
        raise SettingsError(
            f"{shown}: changed since the unfinished run {record.name} began", RESTART
        )


def record_of(stat: FileStat) -> FileRecord:
    """A file as it is now."""
    facts = (stat.size_bytes, stat.mtime_ns, stat.inode, stat.device)
    return FileRecord(stat.index, stat.shown, *facts)


def is_same(known: FileRecord, stat: FileStat) -> bool:
    """Size and hash decide; time and inode are shortcuts only."""
    if known.size_bytes != stat.size_bytes:
        return False
    times = (known.mtime_ns, known.inode, known.device)
    if times == (stat.mtime_ns, stat.inode, stat.device):
        return True
    return known.sha256 is not None and known.sha256 == stat.sha256()


def _differing(then: Any, now: Any, place: str) -> Iterator[str]:
    if isinstance(then, dict) and isinstance(now, dict):
        for key in sorted(then.keys() | now.keys()):
            yield from _differing(then.get(key), now.get(key), f"{place}.{key}" if place else key)
    elif then != now:
        yield f"{place} was {_short(then)} and is {_short(now)}"


def _short(value: Any) -> str:
    text = orjson.dumps(value).decode()
    return text if len(text) <= 60 else text[:59] + "…"
