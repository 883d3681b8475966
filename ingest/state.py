"""The state directory: where runs leave what a person or a later run needs.

    .ingest/                     0700, with a .gitignore of `*`
      runs/<run id>/             report.json, rejects.ndjson, job.json
      jobs/<job>/lock            held by the job's running process
      sandbox/                   the rehearsal server's tables

A run's id is `20261121-221500-stocks-4f2a`: UTC time, job name, four random hex digits. It sorts by
time, can be named by a prefix, and says to a person what it is. Time and randomness are handed in.

Looking (`find`) creates nothing. What can't be created or listed is a settings error that names
`--state-dir`, raised before anything is sent: a run that can't keep its rejects must not start.
A directory that was there before and holds other things keeps its mode and gets no `.gitignore`
(`--state-dir .` must not hide a repository); what is made inside it is 0700 all the same.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct

from ingest.errors import IngestError, SettingsError

DEFAULT_STATE_DIR = Path(".ingest")
_NAME = "[A-Za-z0-9][A-Za-z0-9._-]*"
_RUN_ID = re.compile(rf"\d{{8}}-\d{{6}}-{_NAME}-[0-9a-f]{{4}}", re.ASCII)
_JOB_NAME = re.compile(_NAME)
_STAMP = "%Y%m%d-%H%M%S"
_STAMP_CHARS = len("20261121-221500")
_TAIL_CHARS = len("-4f2a")
_DRAWS = 50
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_SHOWN = 8


class RunDir(Struct, frozen=True):
    """One run's directory. The files in it may not be there yet."""

    path: Path

    @property
    def id(self) -> str:
        """The run's id."""
        return self.path.name

    @property
    def job(self) -> str:
        """The job's name, as the id has it."""
        return self.id[_STAMP_CHARS + 1 : -_TAIL_CHARS]

    @property
    def started(self) -> datetime | None:
        """When the run began (UTC), as the id has it; None where that is no time."""
        try:
            return datetime.strptime(self.id[:_STAMP_CHARS], _STAMP).replace(tzinfo=UTC)
        except ValueError:
            return None

    @property
    def report_path(self) -> Path:
        """The kept report."""
        return self.path / "report.json"

    @property
    def rejects_path(self) -> Path:
        """The rejects, if there were any."""
        return self.path / "rejects.ndjson"

    @property
    def replay_dir(self) -> Path:
        """A replay of its rejects that is not booked yet."""
        return self.path / "replay"

    @property
    def spool_dir(self) -> Path:
        """Bodies that go by way of a file, while they are under way."""
        return self.path / "spool"


class StateDir(Struct, frozen=True):
    """The state directory at `path`, which need not exist yet."""

    path: Path

    @property
    def runs_dir(self) -> Path:
        """Where the runs lie."""
        return self.path / "runs"

    @property
    def sandbox_dir(self) -> Path:
        """Where the sandbox keeps its data. Not created here."""
        return self.path / "sandbox"

    def lock_path(self, job: str) -> Path:
        """Where the lock of a job lies that runs. Not created here."""
        return self.path / "jobs" / job / "lock"

    def journal_path(self, job: str) -> Path:
        """Where the journal of a job lies, beside its lock. Not created here."""
        return self.path / "jobs" / job / "journal.sqlite"

    def ensure(self) -> None:
        """Create what is missing. Raises SettingsError where that can't be done."""
        try:
            fresh = not self.path.exists() or not any(self.path.iterdir())
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if fresh:
                self.path.chmod(0o700)
                write_private(self.path / ".gitignore", b"*\n")
                with contextlib.suppress(PermissionError):  # it may be one we can't read
                    _sync_directory(self.path.absolute().parent)
            self.runs_dir.mkdir(mode=0o700, exist_ok=True)
        except OSError as exc:
            raise self._unusable(exc, "written") from exc

    def new_run(self, job_name: str, now: datetime, token_hex: Callable[[int], str]) -> RunDir:
        """A new run's directory, made. `now` is aware; `token_hex(n)` gives 2n random hex digits.

        Raises SettingsError where it can't be made.
        """
        if not _JOB_NAME.fullmatch(job_name):
            raise SettingsError(f"{job_name!r} can't name a run", "use letters, digits, . _ -")
        self.ensure()
        stamp = now.astimezone(UTC).strftime(_STAMP)
        for _ in range(_DRAWS):
            run = RunDir(self.runs_dir / f"{stamp}-{job_name}-{token_hex(2)}")
            try:
                run.path.mkdir(mode=0o700)
                _sync_directory(self.runs_dir)  # the rejects in it are relied on
            except FileExistsError:
                continue
            except OSError as exc:
                raise self._unusable(exc, "written") from exc
            return run
        raise SettingsError(f"{self.runs_dir}: no free run id for {stamp}-{job_name}")

    def runs(self) -> list[RunDir]:
        """All runs, the latest first; none if there is no state directory."""
        try:
            with os.scandir(self.runs_dir) as entries:
                found = [key for entry in entries if (key := _run_key(entry))]
        except FileNotFoundError:
            return []
        except OSError as exc:
            raise self._unusable(exc, "read") from exc
        return [RunDir(self.runs_dir / name) for _, _, name in sorted(found, reverse=True)]

    def latest(self) -> RunDir | None:
        """The run that was started last, or None."""
        return next(iter(self.runs()), None)

    def find(self, prefix: str | None = None) -> RunDir:
        """The run of that id or prefix; without one, the latest.

        Raises SettingsError naming the candidates where there is none or more than one.
        """
        runs = self.runs()
        if not runs:
            raise SettingsError(
                f"{self.path}: no runs here", "name the state directory with --state-dir"
            )
        if prefix is None:
            return runs[0]
        matches = beginning_so(runs, prefix)
        exact = [run for run in matches if run.id == prefix]
        if len(matches) == 1 or exact:
            return (exact or matches)[0]
        raise SettingsError(f"{prefix}: {len(matches)} runs begin so", _listed(matches))

    def _unusable(self, exc: OSError, verb: str) -> IngestError:
        where = exc.filename if isinstance(exc.filename, str) else self.path
        if exc.errno in _NO_ROOM:
            return IngestError(
                f"the disk is full: {where}: {exc.strerror or exc}; nothing was sent",
                f"make room in {self.path} (another state directory would know nothing of what"
                " earlier runs have sent)",
            )
        return SettingsError(
            f"the state directory can't be {verb}: {where}: {exc.strerror or exc}",
            "name another one with --state-dir DIR (or INGEST_STATE_DIR)",
        )


def is_run_id(name: str) -> bool:
    """Whether a directory of this name may be a run's."""
    return _RUN_ID.fullmatch(name) is not None


def beginning_so(runs: Sequence[RunDir], prefix: str) -> list[RunDir]:
    """The runs whose id begins so. Raises SettingsError naming the others where none does."""
    matches = [run for run in runs if run.id.startswith(prefix)]
    if not matches:
        raise SettingsError(f"{prefix}: no run begins so", _listed(runs))
    return matches


def write_private(path: Path, data: bytes) -> None:
    """Write `data` to `path` with mode 0600, wholly or not at all, and durably. Raises OSError.

    A temporary file beside it is synced and renamed. Only what is no plain file is written in
    place: `/dev/stderr`, a pipe from the shell, a link that somebody made on purpose.
    """
    if path.is_symlink() or (path.exists() and not path.is_file()):
        with path.open("wb") as file:
            file.write(data)
        return
    directory = path.absolute().parent
    temporary = directory / f".{path.name}.{os.getpid()}.tmp"
    temporary.unlink(missing_ok=True)
    try:
        _write_new(temporary, data)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_directory(directory)


def _run_key(entry: os.DirEntry[str]) -> tuple[str, int, str] | None:
    """What a run is sorted by: within one second the id's random tail says nothing, there the
    directory's time decides. None for what is no run, or is one no more (`clean` beside us)."""
    try:
        if not is_run_id(entry.name) or not entry.is_dir(follow_symlinks=False):
            return None
        return entry.name[:_STAMP_CHARS], entry.stat(follow_symlinks=False).st_mtime_ns, entry.name
    except FileNotFoundError:
        return None


def _listed(runs: Sequence[RunDir]) -> str:
    if not runs:
        return "there are none at all"
    more = f" and {len(runs) - _SHOWN} more" if len(runs) > _SHOWN else ""
    return "there are " + ", ".join(run.id for run in runs[:_SHOWN]) + more


def _write_new(path: Path, data: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_directory(path: Path) -> None:
    """Make the rename itself durable."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
