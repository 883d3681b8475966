"""The run whose rejects are replayed: what it was, and whether today's job is still the same.

A replay sends what the run did not get in, so it must go where the run went: name, source paths,
service, table and base URL are the run's, or the replay is refused with what differs. What becomes
of a record on the way (fields, nulls, formats, the file's marks) may have changed: that is what a
replay is for. A header may not: a record was rejected under the columns that its file had then.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson
from msgspec import Struct

from ingest.build.origin import Recalled
from ingest.errors import SettingsError, SourceError
from ingest.job import Job
from ingest.journal import FileRecord, Journal, RunRecord
from ingest.model import FileInfo, Layout
from ingest.sources.files import FileStat
from ingest.state import RunDir

_SPELLING = ("format", "header", "columns", "delimiter", "quote", "escape", "comment", "skip_rows")


class Past(Struct, frozen=True):
    """A run that has ended: its row in the journal, its files, and its report as it stands."""

    record: RunRecord
    files: Mapping[str, FileRecord]
    text: bytes
    report: Mapping[str, Any]
    later: str | None = None

    @property
    def identity(self) -> dict[str, Any]:
        """What its job was."""
        found: dict[str, Any] = orjson.loads(self.record.identity_json)
        return found

    @property
    def rejected(self) -> int:
        """How many of its records are rejected."""
        return int(self.report["records"]["rejected"])


def past_of(run: RunDir, journal: Journal) -> Past:
    """Raises SettingsError where its rejects can't be replayed."""
    runs = journal.runs()
    record = next((one for one in runs if one.name == run.id), None)
    if record is None:
        raise SettingsError(
            f"{run.id} is not in the job's journal: it was run with --fresh",
            "only runs in the journal can be booked on",
        )
    if record.forgotten:
        raise SettingsError(
            f"{run.id} was forgotten by --restart: a later run has loaded its files anew",
            "replay that run's rejects",
        )
    if record.state != "done":
        raise SettingsError(
            f"{run.id} is not finished: its rejects are not all there yet",
            "take it up first: run the same job again",
        )
    try:
        text = run.report_path.read_bytes()
        report = orjson.loads(text)
        int(report["records"]["rejected"])
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError, ValueError) as exc:
        raise SettingsError(
            f"{run.report_path}: the run's report can't be read: there is nothing to book on"
        ) from exc
    files = {file.shown: file for file in journal.files(record)}
    return Past(record, files, text, report, _later(runs, record))


def _later(runs: Sequence[RunRecord], record: RunRecord) -> str | None:
    """A later run that loaded something: perhaps these very records."""
    for one in reversed(runs):
        read, skipped = one.accounts.get("read", 0), one.accounts.get("skipped", 0)
        if one.id > record.id and (one.state != "done" or read > skipped):
            return one.name
    return None


def check_undone(past: Past) -> None:
    """Raise SettingsError for a run whose rows were taken back: what is replayed would be booked on
    a run that has none. One of which nothing was deleted is as it was."""
    undone = past.report.get("undone") or {}
    if not undone.get("deleted"):
        return
    if undone.get("state") == "done":
        raise SettingsError(
            f"{past.record.name} was undone on {undone.get('at')}: its rejects belong to rows that"
            " are gone",
            "mend the files or the job: the next `ingest run` loads all of its files again",
        )
    raise SettingsError(
        f"{past.record.name} is undone in part: {undone['deleted']:,} of its rows are deleted",
        f"`ingest undo {past.record.name}` goes on; then the next `ingest run` loads it again",
    )


def check_job(past: Past, job: Job) -> None:
    """Raise SettingsError naming what differs from the run's job."""
    then, now = past.identity, job.identifying()
    if differing := list(_differing(then, now)):
        raise _differs(past, differing)


def check_base_url(past: Past, base_url: str, *, rehearsed: bool, rehearsal: bool) -> None:
    """The same of where it goes: a rehearsal's server has another port each time."""
    then = "sandbox" if rehearsed else past.identity.get("base_url")
    now = "sandbox" if rehearsal else base_url
    if then != now:
        raise _differs(past, [_changed("base URL", then, now)])


def check_headers(
    past: Past,
    recalled: Recalled,
    layouts: Sequence[tuple[FileInfo, Layout]],
    stats: Sequence[FileStat],
) -> None:
    """Raise SourceError for a file whose records would be read under other columns than then.

    A file that is unchanged has its header still. Where the job itself now says how files are
    spelt, other columns are meant.
    """
    then = past.identity["source"]
    now = recalled.job.model_dump(mode="json", include={"source"})["source"]
    if recalled.columns is None or any(then.get(key) != now.get(key) for key in _SPELLING):
        return
    known = {tuple(columns) for columns in recalled.columns}
    there = {stat.index: stat for stat in stats}
    for file, layout in layouts:
        if layout.columns in known and (len(known) == 1 or _is_unchanged(past, there[file.index])):
            continue
        raise SourceError(
            f"{file.shown}: its header is not surely the one that the rejected records stood under"
            f" (now: {', '.join(layout.columns[:10])})",
            "put the file back as it was, or at least its header",
        )


def _is_unchanged(past: Past, stat: FileStat) -> bool:
    known = past.files.get(stat.shown)
    if known is None or known.size_bytes != stat.size_bytes:
        return False
    return known.mtime_ns == stat.mtime_ns or known.sha256 == stat.sha256()


def _differing(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    for path in (("name",), ("source", "paths"), ("target", "system"), ("target", "table")):
        was: Any = then
        new: Any = now
        for key in path:
            was, new = was[key], new[key]
        if was != new:
            yield _changed(".".join(path), was, new)


def _changed(what: str, was: object, now: object) -> str:
    return f"{what} was {orjson.dumps(was).decode()} and is {orjson.dumps(now).decode()}"


def _differs(past: Past, differing: Sequence[str]) -> SettingsError:
    return SettingsError(
        f"{past.record.name} went elsewhere: {'; '.join(differing)}",
        "a replay goes where the run went; --set and --base-url are said again for it",
    )
