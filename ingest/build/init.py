"""`ingest init`: the data, the live table and a draft of the job together; nothing is sent.

The table is asked for where a credential is at hand; where it is not, or the service can't be
reached, the job is drafted all the same and says that the table is not known. What the job says of
its target is what the person said: a base URL that came from the environment stays there.
"""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from ingest.build import delivering
from ingest.build.connect import connected
from ingest.build.init_reading import Looked, look
from ingest.build.options import RunOptions
from ingest.build.services import SERVICES, Wanted
from ingest.errors import IngestError, SettingsError
from ingest.events import Watcher
from ingest.job import Job, make_job
from ingest.operations.init_draft import Draft, conflicts, draft
from ingest.operations.init_names import snake
from ingest.operations.init_seen import ServiceSeen
from ingest.operations.init_write import checked, job_text
from ingest.shape.service import ServiceTypes
from ingest.state import StateDir
from ingest.wire import Login, Secret, Wire
from ingest.wire.address import parse_base_url

RETRY_S = 10.0  # looking is not worth the patience of a load
SAME_FOLDER = 4  # so many files of one folder and ending are written as a glob
NOWHERE = "https://unasked.invalid"


class InitOptions(Struct, frozen=True):
    """What the command line says. `base` is the job file's directory, `schema` where an editor
    finds the schema from there; `given` are values of `[source]` and `[target]` set beside."""

    paths: Sequence[str]
    system: str
    table: str
    base: Path
    name: str
    schema: str
    state_dir: Path
    given: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    sample: int | None = None
    offline: bool = False
    base_url: str | None = None
    profile: str | None = None


class Initialised(Struct, frozen=True):
    """The job file's text, and what a person is told: how much was looked at, how many fields
    there are and are doubtful, and what a run would refuse."""

    text: str
    records: int
    whole: bool
    files: int
    fields: int
    doubts: int
    conflicts: Sequence[str]


async def initialise(options: InitOptions, watcher: Watcher) -> Initialised:
    """Look and draft. Raises SettingsError or SourceError for data that a run could not read."""
    given = _given(options)
    address = given["target"].get("base_url")
    if isinstance(address, str) and address != "sandbox":
        parse_base_url(address)  # a password in it must not come to stand in a file
    asking = make_job({"name": options.name, **given}, base=options.base, shown="command line")
    looked = await look(asking.source, options.base, options.sample, watcher.note)
    service = await _service(asking, options, watcher)
    given["source"] |= looked.header.settings
    made = draft(given, looked.seen, service)
    try:
        text = job_text(options.name, options.schema, _head(looked), _with_header(made, looked))
    except ValueError as exc:
        raise SettingsError(
            f"a path can't be written into a job file: {exc}", "name its directory, or a glob"
        ) from exc
    job = checked(text, made, options.base)
    delivering.check(job)
    found = looked.seen.look
    return Initialised(
        text,
        found.records,
        looked.seen.whole,
        looked.files,
        sum(one.active for one in made.fields),
        made.doubts,
        conflicts(job, looked.seen, service),
    )


def _given(options: InitOptions) -> dict[str, dict[str, Any]]:
    """`[source]` and `[target]` as the person said them."""
    target: dict[str, Any] = {"system": options.system, "table": options.table}
    said = {"base_url": options.base_url, "profile": options.profile}
    target |= {key: text for key, text in said.items() if text is not None}
    source = {"paths": written_paths(options.paths, options.base)}
    return {
        "source": source | dict(options.given.get("source", {})),
        "target": target | dict(options.given.get("target", {})),
    }


def written_paths(paths: Sequence[str], base: Path) -> list[str]:
    """The paths as the job file in `base` names them; many of one folder as a glob.

    A shell has turned `data/*.csv` into its files: where a glob means just these, it is written, so
    that the job finds tomorrow's files, too.
    """
    relative = [
        path if path == "-" or Path(path).is_absolute() else os.path.relpath(path, base)
        for path in paths
    ]
    homes = {str(Path(path).parent) for path in paths}
    endings = {"".join(Path(path).suffixes[-2:]) for path in paths}
    if len(paths) < SAME_FOLDER or len(homes) > 1 or len(endings) > 1:
        return relative
    folder, ending = Path(homes.pop()), endings.pop()
    there = {str(path) for path in folder.glob(f"*{ending}") if not path.name.startswith(".")}
    if Counter(map(str, map(Path, paths))) != Counter(there):
        return relative
    return [str(Path(relative[0]).parent / f"*{ending}")]


async def _service(job: Job, options: InitOptions, watcher: Watcher) -> ServiceSeen:
    """The service, with its live table where that can be asked for."""
    system = job.target.system
    if options.offline:
        return ServiceSeen(system, _types(job, watcher), unasked="it was not asked for")
    limits = job.limits.model_copy(update={"retry_budget_s": RETRY_S})
    state = StateDir(options.state_dir)
    asked = RunOptions(options.state_dir, profile=options.profile, base_url=options.base_url)
    try:
        if "sandbox" in (options.base_url, job.target.base_url):
            state.ensure()
        patient = job.model_copy(update={"limits": limits})
        async with connected(patient, asked, state, watcher, None) as connection:
            live = await connection.target.describe()
            return ServiceSeen(system, connection.types, live)
    except IngestError as exc:
        watcher.note(f"the live table was not looked at: {exc.message}", level="warning")
        why = "the service could not be asked"
        return ServiceSeen(system, _types(job, watcher), unasked=why)


def _types(job: Job, watcher: Watcher) -> ServiceTypes:
    """A service's types, without a connection: nothing is opened."""
    service = SERVICES[job.target.system]
    nobody = Wire(NOWHERE, Login(service.headers(Secret("-"))))
    return service.connect(Wanted(job, nobody, None, watcher)).types


def _head(looked: Looked) -> list[str]:
    """The sentences at the file's top: what was looked at."""
    found, seen = looked.seen.look, looked.seen
    files = f"{looked.files:,} files" if looked.files > 1 else "1 file"
    much = "all of them" if seen.whole else "a sample from the start, the middle and the end"
    said = [
        f"Written by `ingest init`: {found.records:,} records of {files} were looked at, {much}."
    ]
    if found.unreadable:
        bad = f"{found.unreadable:,} more can't be read and would be rejects: {found.why}"
        said.append(f"{bad}.")
    said += [f"{note}." for note in dict.fromkeys(seen.notes)]
    return said


def _with_header(made: Draft, looked: Looked) -> Draft:
    """The draft with what was found out about the header told beside it."""
    if not looked.header.why:
        return made
    told = [*made.comments["source"], looked.header.why]
    return Draft(made.sections, made.fields, {**made.comments, "source": told})


def job_name(table: str, file: Path | None) -> str:
    """The job's name: its file's, or the table's, as far as a job can have it."""
    wanted = file.stem if file else table
    plain = unicodedata.normalize("NFKD", snake(wanted)).encode("ascii", "ignore").decode()
    return plain[:100].strip("_") or "job"
