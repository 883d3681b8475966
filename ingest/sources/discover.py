"""The paths of a job to the files of a run: in a fixed order, each once, nothing dropped unsaid.

The order of `paths` is kept; the files of one glob or directory come by name (bytewise), a zip's
members in the archive's order. A path that exists is taken as it stands, even with `*` in its name;
else `*`, `?` and `[` make it a glob (`**` goes through directories). A directory gives its own
files with a known ending, one level deep: what lies below is asked for by a glob. Hidden files, and
with them the `._x.csv` litter that macOS leaves behind, are left out of globs and directories, and
said; named outright, litter is an error.

Names are bytes to the system. One that is no UTF-8, or holds a newline or an escape sequence, is
opened as it is (`Place.path`) and shown with backslashes (`FileInfo.path`).
"""

from __future__ import annotations

import difflib
import glob
import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from ingest.errors import SettingsError, SourceError
from ingest.job import SourceSettings
from ingest.model import FileInfo
from ingest.sources.archive import Window, members
from ingest.sources.compression import MAGIC_BYTES, codec_of, refuse
from ingest.sources.names import listed, shown_name

if TYPE_CHECKING:
    from ingest.sources.opening import Input  # which opens what is found here

STDIN = "-"
TEXT_ENDINGS = (".csv", ".tsv", ".txt", ".json", ".ndjson", ".jsonl")
PACKED_ENDINGS = (".gz", ".zst", ".zstd", ".bz2")
APPLE_DOUBLE = b"\x00\x05\x16\x07"


class Place(Struct, frozen=True):
    """Where an input's bytes are: what to open (or "-"), and which part of it (a zip's member).

    `given` is an input that is open already: the records of a program.
    """

    path: str
    window: Window | None = None
    given: Input | None = None


class Discovery(Struct, frozen=True):
    """The inputs of a run. `places[i]` is where `files[i]` is opened; `notes` are for people."""

    files: tuple[FileInfo, ...]
    places: tuple[Place, ...]
    notes: tuple[str, ...] = ()


def discover(settings: SourceSettings, base: Path) -> Discovery:
    """Find the inputs of `settings.paths`, relative to `base`. Blocks: call it in a thread.

    Raises SettingsError for a path that names nothing, SourceError for what can't be opened or is
    no text (a workbook, an encrypted archive, litter).
    """
    search = _Search(base)
    for path in settings.paths:
        search.add(path)
    return Discovery(tuple(search.files), tuple(search.places), tuple(search.notes))


class _Search:
    """The inputs found so far. `base` is the directory that relative paths start from."""

    def __init__(self, base: Path) -> None:
        self._base = base
        self._seen: dict[tuple[int, int], list[str]] = {}
        self.files: list[FileInfo] = []
        self.places: list[Place] = []
        self.notes: list[str] = []

    def add(self, path: str) -> None:
        """Take what one entry of `paths` names."""
        if path == STDIN:
            self._add_stdin()
            return
        real = self._base / path
        found = _stat(real)
        if found is None and glob.has_magic(path):
            self._add_glob(path)
        elif found is None:
            raise _missing(path, real)
        elif stat.S_ISDIR(found.st_mode):
            self._add_directory(path, real)
        else:
            self._add_file(path, found, explicit=True)

    def _add_stdin(self) -> None:
        if any(place.path == STDIN for place in self.places):
            self.notes.append("standard input is named twice: it is read once")
            return
        self.files.append(FileInfo(len(self.files), STDIN, regular=False))
        self.places.append(Place(STDIN))

    def _add_glob(self, pattern: str) -> None:
        names = glob.glob(pattern, root_dir=self._base, recursive=True)  # noqa: PTH207 - names as they were given
        directory, slash, last = pattern.rpartition("/")
        if last[:1] in ("*", "?", "[") and last != "**":
            hidden = f"{directory}{slash}.{last.removeprefix('?')}"
            self._say_left_out(pattern, glob.glob(hidden, root_dir=self._base, recursive=True))  # noqa: PTH207 - names as they were given
        taken = self._add_found(pattern, set(names))
        if not taken:
            where = shown_name(str(self._base.absolute() / pattern))
            raise SettingsError(
                f"{shown_name(pattern)}: no file matches (looked for {where})",
                "check the pattern; relative paths start from the job file's directory",
            )

    def _add_directory(self, path: str, real: Path) -> None:
        try:
            names = [entry.name for entry in real.iterdir()]
        except OSError as exc:
            raise _unreadable(path, exc) from exc
        known = [name for name in names if _known_ending(name)]
        hidden = [name for name in known if name.startswith(".")]
        self._say_left_out(path, hidden)
        under = path.rstrip("/")
        wanted = (f"{under}/{name}" for name in known if not name.startswith("."))
        if not self._add_found(path, wanted):
            endings = f"{' '.join(TEXT_ENDINGS)}, packed or not, or .zip"
            raise SettingsError(
                f"{shown_name(path)}: none of the {len(names)} entries of this directory is a file"
                f" that ends in {endings}; directories below it are not searched",
                f"a glob names others: {shown_name(under)}/**/*.csv",
            )

    def _add_found(self, origin: str, names: Iterable[str]) -> int:
        """Take the regular files among `names`; returns how many there were, doubles included."""
        taken, special = 0, []
        for name in sorted(names, key=os.fsencode):
            found = _stat(self._base / name)
            if found is None or stat.S_ISDIR(found.st_mode):
                continue
            if stat.S_ISREG(found.st_mode):
                self._add_file(name, found, explicit=False)
                taken += 1
            else:
                special.append(name)
        if special:
            self.notes.append(
                f"{shown_name(origin)}: left out {listed(special)}: no regular file; name a FIFO"
                " or a device outright to read it"
            )
        return taken

    def _add_file(self, path: str, found: os.stat_result, *, explicit: bool) -> None:
        shown = shown_name(path)
        real = str(self._base / path)
        if self._is_known(real, found):
            self.notes.append(f"{shown}: is named twice: it is read once")
            return
        if not stat.S_ISREG(found.st_mode):
            _require_stream(shown, found)
            self.files.append(FileInfo(len(self.files), shown, regular=False))
            self.places.append(Place(real))
            return
        head = _head(path, real)
        if head.startswith(APPLE_DOUBLE) and not explicit:
            self.notes.append(f"{shown}: left out: AppleDouble litter of macOS, no data")
            return
        refuse(head, shown)
        if codec_of(head) == "zip":
            self._add_members(real, shown)
            return
        self.files.append(FileInfo(len(self.files), shown, found.st_size))
        self.places.append(Place(real))

    def _is_known(self, real: str, found: os.stat_result) -> bool:
        """Whether this file was taken already, under whatever name (but for hard links)."""
        names = self._seen.setdefault((found.st_dev, found.st_ino), [])
        names.append(real)
        others = (os.path.realpath(name) for name in names[:-1])
        return len(names) > 1 and os.path.realpath(real) in others

    def _add_members(self, real: str, shown: str) -> None:
        packed = members(real, shown)
        if not packed:
            self.notes.append(f"{shown}: this zip archive holds no files")
        for name, window in packed:
            info = FileInfo(len(self.files), shown, window.length, member=shown_name(name))
            self.files.append(info)
            self.places.append(Place(real, window))

    def _say_left_out(self, origin: str, names: list[str]) -> None:
        if names:
            count = "1 hidden file" if len(names) == 1 else f"{len(names)} hidden files"
            self.notes.append(
                f"{shown_name(origin)}: left out {count}: {listed(sorted(names, key=os.fsencode))}"
            )


def _stat(real: Path) -> os.stat_result | None:
    """The file's facts, None where there is none. Raises SourceError where that can't be told."""
    try:
        return real.stat()
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    except OSError as exc:
        raise _unreadable(str(real), exc) from exc


def _head(path: str, real: str) -> bytes:
    try:
        descriptor = os.open(real, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.read(descriptor, MAGIC_BYTES)
        finally:
            os.close(descriptor)
    except OSError as exc:
        raise _unreadable(path, exc) from exc


def _require_stream(shown: str, found: os.stat_result) -> None:
    if not (stat.S_ISFIFO(found.st_mode) or stat.S_ISCHR(found.st_mode)):
        kind = "a socket" if stat.S_ISSOCK(found.st_mode) else "a block device"
        raise SourceError(f"{shown}: is {kind}, not a file", "name a file or a FIFO")


def _unreadable(path: str, exc: OSError) -> SourceError:
    hint = "check the permissions" if isinstance(exc, PermissionError) else ""
    return SourceError(f"{shown_name(path)}: can't be opened: {exc.strerror}", hint)


def _missing(path: str, real: Path) -> SettingsError:
    """Says what is missing: the file (with its nearest namesakes), its directory, a link's end."""
    shown, relative = shown_name(path), "relative paths start from the job file's directory"
    if "\0" in path:
        return SettingsError(f"{shown}: no file name can hold a NUL")
    if real.is_symlink():
        return SettingsError(f"{shown}: is a link to {shown_name(str(real.readlink()))}: no file")
    directory = real.parent.absolute()
    if not directory.is_dir():
        return SettingsError(
            f"{shown}: there is no directory {shown_name(str(directory))}", relative
        )
    names = [entry.name for entry in directory.iterdir()]
    close = difflib.get_close_matches(real.name, names, n=3, cutoff=0.6)
    nearest = f"did you mean {' or '.join(shown_name(name) for name in close)}?"
    return SettingsError(
        f"{shown}: no such file in {shown_name(str(directory))}", nearest if close else relative
    )


def _known_ending(name: str) -> bool:
    lowered = name.lower()
    if lowered.endswith(".zip"):
        return True
    for ending in PACKED_ENDINGS:
        lowered = lowered.removesuffix(ending)
    return lowered.endswith(TEXT_ENDINGS)
