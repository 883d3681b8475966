"""Ingest as a library: `run` a job, `load` files or a program's own records, watch, get an outcome.

Thin over `build.execute`, so the promises are the command's: the same journal, rejects file and
report in the state directory, the same resuming. Every function is async and runs on asyncio and on
trio. What is wrong before anything is sent is raised (`IngestError`); whatever happens from then on
is in the `Outcome`, as the command has it in its report and exit code.

**Cancelling is ending in order.** A run that is loading when the scope around it is cancelled
drains: nothing new is read, what is in flight comes to its end (at most `grace_s`, then it is
dropped and counted ambiguous), the books are closed. Then the call *returns* its outcome, with the
state "interrupted"; the scope raises at the next await, as level cancellation does::

    with anyio.move_on_after(3600):
        outcome = await ingest.run("stocks.toml")

asyncio's own cancelling (`task.cancel()`, `asyncio.timeout`) is an edge and must not be swallowed:
the run drains the same way, and then `CancelledError` goes on; the report is in the state directory
and was told to the watcher. A second one drops what is in flight. Before the load begins there is
nothing to drain, and after it, while a `[verify] after_load` asks its questions, there is nothing
left to lose: both are just cancelled. No signal handler is installed.

**Watching.** `watch` is a function that is given each `Event`, or a `Watcher` (a `BatchWatcher` is
told of each batch, too). It is called on the event loop that also drives the requests: it must be
quick, and never block. A function that raises is logged and not called again; the run goes on.
Without `watch`, notes go to the logger "ingest".
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypedDict, Unpack, cast, overload

from msgspec.structs import replace

from ingest.api.outcome import Outcome, RecordCounts, Trouble, outcome_of
from ingest.api.watching import Event, Finished, Note, Watch, watcher_of
from ingest.build import RunOptions
from ingest.build.conducting import Conducted
from ingest.build.loading import load_name, target_of
from ingest.errors import SettingsError
from ingest.job import Job, make_job, read_job
from ingest.sources.records import RECORDS, Records
from ingest.state import DEFAULT_STATE_DIR

__all__ = [
    "Event",
    "Finished",
    "Note",
    "Options",
    "Outcome",
    "RecordCounts",
    "Trouble",
    "load",
    "run",
]

Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


class Options(TypedDict, total=False):
    """What may be said of one run, as on the command line; times in seconds.

    `state_dir` (".ingest") keeps journal, rejects and reports. `limit` reads the first so many
    records. `max_duration_s` ends the run in order after so long, `grace_s` (25) is how long what
    is in flight may then take. `restart` forgets what earlier runs settled, `fresh` leaves the
    journal out; never both. `base_url` may be "sandbox". `ask` is a query for after the load, whose
    rows are the outcome's. `if_running` "wait" waits for another run of the job.
    """

    state_dir: str | os.PathLike[str]
    report: str | os.PathLike[str] | None
    limit: int | None
    max_duration_s: float | None
    grace_s: float
    profile: str | None
    base_url: str | None
    ask: str | None
    restart: bool
    fresh: bool
    if_running: Literal["fail", "wait"]


async def run(
    job: Job | str | os.PathLike[str], *, watch: Watch | None = None, **options: Unpack[Options]
) -> Outcome:
    """Run a job: one from `read_job` or `make_job`, or the path of a job file.

    Raises IngestError where nothing was sent: SettingsError for what is wrong with the job, JobHeld
    where another run has it. ::

        outcome = await ingest.run("numbers.toml", max_duration_s=3600)
        print(outcome.state, outcome.records.accepted)
    """
    given = _run_options(options)
    if not isinstance(job, Job):
        given = replace(given, job_file=Path(job))
        job = read_job(Path(job))
    return await outcome_of(Conducted(job, given, watcher_of(watch)))


@overload
async def load(
    data: Paths,
    *,
    to: str,
    create: bool = ...,
    settings: Mapping[str, Mapping[str, Any] | str] | None = ...,
    watch: Watch | None = ...,
    **options: Unpack[Options],
) -> Outcome: ...


@overload
async def load(
    data: Records,
    *,
    to: str,
    create: bool = ...,
    settings: Mapping[str, Mapping[str, Any] | str] | None = ...,
    watch: Watch | None = ...,
    **options: Unpack[Options],
) -> Outcome: ...


async def load(
    data: Paths | Records,
    *,
    to: str,
    create: bool = False,
    settings: Mapping[str, Mapping[str, Any] | str] | None = None,
    watch: Watch | None = None,
    **options: Unpack[Options],
) -> Outcome:
    """Load files, or records, into the table `to`, "SYSTEM:TABLE".

    `data` is a path, a glob, several of them, or an iterable or async iterable of mappings, whose
    values may be whatever JSON has, and dates, times, Decimal (its digits are kept), UUID, Enum,
    dataclasses, msgspec's Structs and numpy's. A plain iterable is iterated on the event loop: what
    blocks belongs into an async one. Records are taken as fast as they are sent and held nowhere,
    so an interrupted run of them can't be taken up; a few more may have been taken than are `read`.
    A record that can't be encoded is a reject of its number. When the iterator raises, what it gave
    before is loaded, the outcome is a failed one, and the exception is its `cause`. Two loads of
    records into one table at the same time need names: `settings={"name": "..."}`.

    `create` makes the table, or adds columns it lacks. `settings` are a job file's other tables.
    Raises IngestError where nothing was sent. ::

        async def numbers():
            for number in range(1000):
                yield {"number": number, "half": Decimal(number) / 2}

        outcome = await ingest.load(numbers(), to="avalanchio:numbers", create=True)
        print(outcome.state, outcome.records.accepted)
    """
    given, paths = _run_options(options), _paths(data)
    document = dict(settings or {})
    target = {**_table(document, "target"), **target_of(to)}
    document["target"] = {**target, "create": True} if create else target
    document["source"] = _source(_table(document, "source"), paths)
    document.setdefault("name", load_name(document))
    job = make_job(document, shown="settings")
    records = cast("Records", data) if paths is None else None
    return await outcome_of(Conducted(job, given, watcher_of(watch), records))


def _run_options(options: Options) -> RunOptions:
    """Raises SettingsError for what the command would call a usage error."""
    limit, seconds = options.get("limit"), options.get("max_duration_s")
    if limit is not None and limit < 1:
        raise SettingsError(f"limit = {limit}: must be at least 1")
    if seconds is not None and seconds <= 0:
        raise SettingsError(f"max_duration_s = {seconds}: must be more than 0")
    if options.get("fresh") and (options.get("restart") or options.get("if_running") == "wait"):
        raise SettingsError("fresh excludes restart and if_running: it leaves the journal alone")
    unknown = options.keys() - Options.__annotations__.keys()
    if unknown:
        raise TypeError(f"unexpected option {sorted(unknown)[0]!r}")
    report = options.get("report")
    rest = {key: value for key, value in options.items() if key not in ("state_dir", "report")}
    return RunOptions(
        state_dir=Path(options.get("state_dir", DEFAULT_STATE_DIR)),
        report=None if report is None else Path(report),
        **cast("dict[str, Any]", rest),
    )


def _table(document: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = document.get(key, {})
    if not isinstance(found, Mapping):
        raise SettingsError(f"settings: {key} must be a table (a mapping)")
    return dict(found)


def _source(settings: dict[str, Any], paths: list[str] | None) -> dict[str, Any]:
    """`[source]`, with these paths or, without, for records."""
    if paths is not None:
        return {**settings, "paths": paths}
    for key in ("paths", "format", "encoding"):
        if key in settings:
            raise SettingsError(f"source.{key} is no setting of records: they come as they are")
    return {**settings, "paths": [RECORDS], "format": "ndjson", "encoding": "utf-8"}


def _paths(data: Paths | Records) -> list[str] | None:
    """The paths, or None where it is records."""
    if isinstance(data, str | os.PathLike):
        return [os.fspath(data)]
    if isinstance(data, Sequence) and data and isinstance(data[0], str | os.PathLike):
        return [os.fspath(cast("str | os.PathLike[str]", one)) for one in data]
    if isinstance(data, Mapping) or not isinstance(data, AsyncIterable | Iterable):
        raise SettingsError(f"{type(data).__name__}: neither paths nor an iterable of records")
    return None
