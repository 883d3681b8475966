"""A replay's own directory: what it began with, what it writes, and what came of it.

While a replay goes on it is a run within the run: `replay/<run id>/` in the run's directory has a
journal, rejects and a report of its own, besides what it began with: `input.ndjson` (the mended
lines, as they were then) and `before.json` (the run's report). It bears the run's id, so its stamps
are the run's; its batches are numbered behind the run's, so no two have one name.

It is there whole or not at all (made beside its place, then renamed), and before the first intent.
From then on `input.ndjson` is what is replayed, whatever is mended in the rejects file meanwhile: a
body that was perhaps sent can be made again, byte for byte. It goes by a rename, too, once all of
it is booked (`replay_books`).
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from ingest.display import encodable
from ingest.errors import IngestError
from ingest.journal import (
    IntentRecord,
    IntervalSet,
    Journal,
    RunRecord,
    Tally,
    read_back,
)
from ingest.sources.reject_lines import Key, Mended, read_mended
from ingest.state import RunDir, write_private


class ReplayDir(Struct, frozen=True):
    """The directory of a replay of `run` that is not booked yet; it need not be there."""

    run: RunDir

    @property
    def as_run(self) -> RunDir:
        """The replay as a run of its own, which bears the run's id."""
        return RunDir(self.run.replay_dir / self.run.id)

    @property
    def input_path(self) -> Path:
        """The lines that are replayed."""
        return self.as_run.path / "input.ndjson"

    @property
    def before_path(self) -> Path:
        """The run's report before."""
        return self.as_run.path / "before.json"

    @property
    def there(self) -> bool:
        """Whether a replay was begun and is not booked to its end."""
        return self.run.replay_dir.is_dir()

    def journal(self) -> Journal:
        """The replay's journal, open. The job's lock must be held."""
        return Journal.open(self.as_run.path / "journal.sqlite", self.run.job, time.time)

    def begin(self, mended: Sequence[Mended], before: bytes) -> None:
        """Make it, whole or not at all. Raises IngestError where there is no room for it."""
        made = self.run.path / ".replay.new"
        inner = made / self.run.id
        try:
            _remove(made)
            inner.mkdir(mode=0o700, parents=True)
            made.chmod(0o700)
            write_private(inner / self.input_path.name, joined(one.text for one in mended))
            write_private(inner / self.before_path.name, before)
            made.rename(self.run.replay_dir)
            _sync(self.run.path)
        except OSError as exc:
            raise unwritable(made, exc) from exc

    def discard(self) -> None:
        """It is booked to its end: it goes in one step."""
        gone = self.run.path / ".replay.removed"
        try:
            _remove(gone)
            self.run.replay_dir.rename(gone)
            _sync(self.run.path)
            _remove(gone)
        except OSError as exc:
            raise unwritable(self.run.replay_dir, exc) from exc


class Outcome(Struct, frozen=True):
    """What came of a replay so far, and when it began (wall time in seconds).

    Records that `landed`, or perhaps did, by file; the lines of those that were rejected `again`;
    `ambiguous` batches, whose spans name `files` by place. `open_bodies` may have been sent.
    """

    started_at: float
    landed: Mapping[str, IntervalSet]
    again: Mapping[Key, Mended]
    tally: Tally
    ambiguous: Sequence[IntentRecord] = ()
    files: Sequence[str] = ()
    open_bodies: int = 0
    highest: int = 0

    def has_landed(self, key: Key) -> bool:
        """Whether this record is rejected no more."""
        file, record = key
        return file in self.landed and record in self.landed[file]


def outcome_of(home: ReplayDir) -> Outcome | None:
    """What came of the replay so far; None if its journal has not begun. Blocks.

    Raises SettingsError where it can't be read back.
    """
    with home.journal() as journal:
        runs = journal.runs()
        return _outcome(home, journal, runs[-1]) if runs else None


def _outcome(home: ReplayDir, journal: Journal, record: RunRecord) -> Outcome:
    files = [replace(file, index=index) for index, file in enumerate(journal.files(record))]
    journal.put_files(record, files)
    settled = journal.settled(record)
    path = home.as_run.rejects_path
    read_back(path)  # cuts off a line that a kill has torn
    again = read_mended(path, doubled=True) if path.exists() else []
    return Outcome(
        started_at=record.started_at,
        landed={encodable(files[index].shown): found for index, found in settled.files.items()},
        again={one.key: one for one in again},
        tally=settled.tally,
        ambiguous=journal.ambiguous(record),
        files=[file.shown for file in files],
        open_bodies=len(journal.open_intents(record)),
        highest=record.highest,
    )


def joined(lines: Iterable[bytes]) -> bytes:
    """Lines as a file, each with its end."""
    return b"".join(line + b"\n" for line in lines)


def _remove(path: Path) -> None:
    if os.path.lexists(path):
        shutil.rmtree(path)


def _sync(directory: Path) -> None:
    """Make a rename in it durable."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def unwritable(path: Path, exc: OSError) -> IngestError:
    """What a replay needs can't be written."""
    return IngestError(
        f"the replay can't be recorded: {path}: {exc.strerror or exc}",
        "make room; then the same command goes on where it was",
    )
