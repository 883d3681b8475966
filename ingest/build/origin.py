"""Where a run's job came from: kept in the run's directory, so that a replay finds it.

A replay runs *today's* mapping: the job file as it is now, which somebody may have mended. So the
file's path is kept, and what `--set` said beside it. A job without a file (`ingest load`) has
nowhere to be mended but on the command line: its settings are kept themselves.

With it stand the columns that the inputs had, since a record that was rejected can be read only
with the header that it stood under; whether the run was a rehearsal, whose server has another port
each time; and whether it was one outside of the books (`--fresh`), which takes no other run's place
as the one to be taken up. No credential is part of a job, and neither is a base URL remembered from
the command line: where a token goes is said each time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import orjson
from msgspec import Struct

from ingest.build.options import RunOptions
from ingest.display import json_bytes
from ingest.errors import SettingsError
from ingest.job import Job, make_job, read_job
from ingest.model import Layout
from ingest.state import RunDir, write_private

NAME = "job.json"
_JOB_OPTION = "name the job file with --job FILE"


class Recalled(Struct, frozen=True):
    """A run's job as it is today. `columns` are those that its inputs had, None if not known."""

    job: Job
    columns: Sequence[Sequence[str]] | None = None
    rehearsed: bool = False


def remember(run: RunDir, job: Job, options: RunOptions, layouts: Iterable[Layout]) -> None:
    """Keep it, 0600. Raises SettingsError where that can't be done."""
    kept = {
        "file": str(options.job_file.absolute()) if options.job_file else None,
        "sets": list(options.sets),
        "base": str(job.base.absolute()),
        "settings": job.model_dump(mode="json", by_alias=True, exclude_unset=True),
        "columns": [list(layout.columns) for layout in layouts],
        "rehearsed": is_rehearsal(job, options),
        "fresh": options.fresh,
    }
    path = run.path / NAME
    try:
        write_private(path, json_bytes(kept))
    except OSError as exc:
        raise SettingsError(
            f"the run's job can't be kept: {path}: {exc.strerror or exc}",
            "make room, or name another place with --state-dir",
        ) from exc


def recalled(run: RunDir, job_file: Path | None = None, sets: Sequence[str] = ()) -> Recalled:
    """The job of a run, from `job_file` if that is given, with these `--set` overrides.

    Raises SettingsError where the run or the file knows it no more.
    """
    kept = _kept(run)
    columns, rehearsed = kept.get("columns"), bool(kept.get("rehearsed"))
    if job_file is not None:
        return Recalled(read_job(job_file, sets), columns, rehearsed)
    if not kept:
        raise SettingsError(f"{run.id}: its directory does not say which job it ran", _JOB_OPTION)
    overrides = (*kept["sets"], *sets)
    if kept["file"] is None:
        shown = f"the settings of {run.id}"
        # Its own `--set`s are part of these.
        job = make_job(kept["settings"], sets, base=Path(kept["base"]), shown=shown)
    elif not Path(kept["file"]).is_file():
        raise SettingsError(f"{kept['file']}: the run's job file is gone", _JOB_OPTION)
    else:
        job = read_job(Path(kept["file"]), overrides)
    return Recalled(job, columns, rehearsed)


def is_rehearsal(job: Job, options: RunOptions) -> bool:
    """Whether the records go to a sandbox of this process."""
    return (options.base_url or job.target.base_url) == "sandbox"


def _kept(run: RunDir) -> dict[str, Any]:
    try:
        found = orjson.loads((run.path / NAME).read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return {}
    wanted = {"file", "sets", "base", "settings"}
    return found if isinstance(found, dict) and found.keys() >= wanted else {}
