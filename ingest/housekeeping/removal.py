"""Earlier runs taken away, in two steps: a plan to be shown, and its execution.

`rules` decides which run stays. Its facts are taken again, under its job's lock, in the moment
before it goes: between a plan and a person's answer to it anything may have happened. A run's age
counts from the last change in its directory, since one that is taken up keeps the id of its first
start.

A run goes in one step: a rename to a name with a dot, made durable. Only then is it deleted,
without the lock. A kill half-way leaves no half run in any listing, and the next removal sweeps up
what is left under such names (their removal was agreed to). Everything is done below one descriptor
of the runs' directory, which is never opened through a link; links inside are removed, not followed
(`shutil.rmtree` over descriptors).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct, field

from ingest.errors import JobHeld, SettingsError
from ingest.housekeeping.listing import is_fresh, read_past
from ingest.housekeeping.rules import Facts, Kept, Wanted, why_kept
from ingest.locking import Holder, JobLock
from ingest.state import RunDir, StateDir, is_run_id

_GONE = ".removed"
_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Going(Struct, frozen=True):
    """A run that may go, the bytes in its files, and whether it is the last in its job's books."""

    run: RunDir
    size_bytes: int
    latest: bool


class Plan(Struct, frozen=True):
    """What would go, the oldest first; how many runs of that age stay, and why.

    `leftovers` are names and sizes of what an earlier removal did not get done.
    """

    runs: tuple[Going, ...] = ()
    kept: Mapping[Kept, int] = field(default_factory=dict)
    leftovers: tuple[tuple[str, int], ...] = ()

    @property
    def size_bytes(self) -> int:
        """The bytes in all files that would go."""
        return sum(one.size_bytes for one in self.runs) + sum(size for _, size in self.leftovers)


class Cleaned(Struct, frozen=True):
    """What went: runs and bytes. How many stayed after all, and what could not be deleted."""

    runs: int
    freed_bytes: int
    kept: Mapping[Kept, int]
    failed: tuple[str, ...]


class Cleaning:
    """One removal. `now` gives wall time in seconds."""

    def __init__(self, state: StateDir, wanted: Wanted, now: Callable[[], float]) -> None:
        self.state = state
        self.wanted = wanted
        self.now = now

    def plan(self) -> Plan:
        """What would go; nothing is changed. Raises SettingsError for a directory unfit for it."""
        runs = self.state.runs()
        latest = _latest(runs)
        going: list[Going] = []
        kept: Counter[Kept] = Counter()
        with self._opened() as directory:
            if directory is None:
                return Plan()
            for run in reversed(runs):
                if not self._in_question(run):
                    continue
                one = Going(run, _measured(directory, run.id)[0], run == latest.get(run.job))
                with self._looked_at(directory, one) as why:
                    if why is None:
                        going.append(one)
                    else:
                        kept[why] += 1
            del kept[Kept.YOUNG]
            return Plan(tuple(going), kept, tuple(_leftovers(directory)))

    def remove(self, plan: Plan) -> Cleaned:
        """Carry the plan out, the oldest first, as far as it still holds."""
        kept: Counter[Kept] = Counter()
        failed: list[str] = []
        runs, freed_bytes = 0, 0
        with self._opened() as directory:
            if directory is None:
                return Cleaned(0, 0, kept, ())
            for name, size_bytes in plan.leftovers:
                freed_bytes += self._deleted(directory, name, failed) * size_bytes
            for one in plan.runs:
                if why := self._hidden(directory, one, failed):
                    kept[why] += 1
                elif self._deleted(directory, _gone(one.run), failed):
                    runs += 1
                    freed_bytes += one.size_bytes
        return Cleaned(runs, freed_bytes, kept, tuple(failed))

    def _in_question(self, run: RunDir) -> bool:
        """Whether its job is meant and its start long enough ago; quick, for the many others."""
        young = (
            run.started is not None
            and self.now() - run.started.timestamp() <= self.wanted.older_than_s
        )
        return not young and self.wanted.job in (None, run.job)

    @contextlib.contextmanager
    def _opened(self) -> Iterator[int | None]:
        """A descriptor of the runs' directory; None if there is none."""
        try:
            directory = os.open(self.state.runs_dir, _FLAGS)
        except FileNotFoundError:
            yield None
            return
        except OSError as exc:
            raise SettingsError(
                f"{self.state.runs_dir}: is no directory that can be opened (links are not"
                f" followed): {exc.strerror}",
                "name the state directory itself with --state-dir",
            ) from exc
        try:
            yield directory
        finally:
            os.close(directory)

    @contextlib.contextmanager
    def _looked_at(self, directory: int, one: Going) -> Iterator[Kept | None]:
        """Why a run stays (None: it may go), true for the block: its job's lock is held."""
        lock = self.state.lock_path(one.run.job)
        with contextlib.ExitStack() as stack:
            held = False
            # Without the file no run has ever locked this job; a lock's file is never removed.
            if os.path.lexists(lock):
                try:
                    stack.enter_context(JobLock(lock).held(Holder("ingest clean")))
                except JobHeld:
                    held = True
            yield why_kept(
                Facts(
                    self.now() - _measured(directory, one.run.id)[1],
                    read_past(one.run).state,
                    one.latest,
                    held,
                    _has_rejects(one.run.rejects_path),
                ),
                self.wanted,
            )

    def _hidden(self, directory: int, one: Going, failed: list[str]) -> Kept | None:
        """Take a run out of every listing; why not, if it has to stay."""
        if one.run.path.is_symlink() or not one.run.path.is_dir():
            return None  # somebody else has
        with self._looked_at(directory, one) as why:
            if why is None:
                try:
                    os.rename(
                        one.run.id, _gone(one.run), src_dir_fd=directory, dst_dir_fd=directory
                    )
                    os.fsync(directory)
                except OSError as exc:
                    failed.append(f"{one.run.path}: {exc.strerror}")
            return why

    def _deleted(self, directory: int, name: str, failed: list[str]) -> bool:
        """Delete a directory that is in no listing; whether this did it."""
        try:
            shutil.rmtree(name, dir_fd=directory)
        except FileNotFoundError:
            return False  # somebody else has, or it was never renamed
        except OSError as exc:
            failed.append(f"{self.state.runs_dir / name}: {exc.strerror or exc}")
            return False
        return True


def _latest(runs: Sequence[RunDir]) -> dict[str, RunDir]:
    """Of each job the last run in its books, which the next one may take up; `runs` begin with the
    latest. A later run outside of them (`--fresh`) changes nothing of that."""
    found: dict[str, RunDir] = {}
    for run in runs:
        if run.job not in found and not is_fresh(run):
            found[run.job] = run
    return found


def _gone(run: RunDir) -> str:
    return f".{run.id}{_GONE}"


def _leftovers(directory: int) -> Iterator[tuple[str, int]]:
    with os.scandir(directory) as entries:
        for entry in entries:
            name = entry.name
            marked = name.startswith(".") and name.endswith(_GONE)
            if marked and is_run_id(name[1 : -len(_GONE)]) and entry.is_dir(follow_symlinks=False):
                yield name, _measured(directory, name)[0]


def _measured(directory: int, name: str) -> tuple[int, float]:
    """The bytes in all files below, and when anything there last changed (seconds).

    What vanishes meanwhile counts nothing; a directory that is not there changed just never.
    """
    size_bytes, changed = 0, 0.0
    with contextlib.suppress(FileNotFoundError):
        for _, _, files, here in os.fwalk(name, dir_fd=directory):
            changed = max(changed, os.fstat(here).st_mtime)
            for file in files:
                with contextlib.suppress(FileNotFoundError):
                    found = os.stat(file, dir_fd=here, follow_symlinks=False)
                    size_bytes += found.st_size
                    changed = max(changed, found.st_mtime)
    return size_bytes, changed


def _has_rejects(path: Path) -> bool:
    """Whether there are any; what is no plain file is taken for some."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return False
    return not stat.S_ISREG(found.st_mode) or found.st_size > 0
