"""Uploaded bodies on the disk, or only counted: bounded memory, whole or not there at all.

A body is written under a name that nobody else uses and gets its own name when it is whole, so a
body that ends short leaves nothing, and two uploads to one URL don't mix: the later wins, as on S3.
File names come from our own UUIDs and nothing else; the files are 0600 in a directory of 0700.

With `--discard` nothing is kept but the number of lines in the gzip that came, beside what was
wrong with it, in a small file `<uuid>.lines`: counting while the body arrives costs no disk.

A process that is killed while a body arrives leaves a `*.part` behind. It is not swept up, because
two sandboxes may share a data directory.

Everything here blocks: call it on a thread.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import IO, Protocol

import orjson

from ingest.sandbox.aito_file_lines import Broken, Counter

FOLDER = "s3"
NAME = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.ASCII)


class Sink(Protocol):
    """Where the pieces of one body go."""

    def write(self, piece: bytes) -> None:
        """Take the next piece."""
        ...

    def commit(self) -> None:
        """The body is whole: give it its name."""
        ...

    def abandon(self) -> None:
        """The body never became whole: leave nothing."""
        ...


class Upload:
    """One body on its way into a sink, with its MD5, which S3 calls the ETag."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._md5 = hashlib.md5(usedforsecurity=False)

    @property
    def md5(self) -> bytes:
        """The digest of what came so far."""
        return self._md5.digest()

    def write(self, piece: bytes) -> None:
        """Take the next piece."""
        self._md5.update(piece)
        self._sink.write(piece)

    def commit(self) -> None:
        """The body is whole."""
        self._sink.commit()

    def abandon(self) -> None:
        """The body never became whole."""
        self._sink.abandon()


class Objects:
    """The bodies under one data directory."""

    def __init__(self, data_dir: Path, *, discard: bool = False) -> None:
        self._folder = data_dir / FOLDER
        self._discard = discard

    def path(self, name: str) -> Path:
        """Where the body of that name lies, if it was uploaded."""
        return self._file(name, "")

    def begin(self, name: str) -> Upload:
        """Start an upload. `name` must be a UUID in lower case."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Upload(_Count(self._lines(name)) if self._discard else _File(self.path(name)))

    def counted(self, name: str) -> tuple[int, str]:
        """Lines of a discarded body and what was wrong with it, "" if nothing."""
        lines, broken = orjson.loads(self._lines(name).read_bytes())
        return int(lines), str(broken)

    def take(self, name: str) -> None:
        """Take an uploaded body off S3, to be processed. Raises FileNotFoundError; twice is fine.

        From then on an upload to the same URL can't change what is being processed.
        """
        if self._discard:
            self._lines(name).stat()
            return
        try:
            self.path(name).replace(self.taken(name))
        except FileNotFoundError:
            self.taken(name).stat()

    def taken(self, name: str) -> Path:
        """Where a body lies while it is processed."""
        return self._file(name, ".taken")

    def forget(self, name: str) -> None:
        """The body was processed: free its space."""
        self.taken(name).unlink(missing_ok=True)
        self._lines(name).unlink(missing_ok=True)

    def etag(self, name: str) -> str:
        """The quoted MD5 of a body. Raises FileNotFoundError."""
        with self.path(name).open("rb") as file:
            return quoted(hashlib.file_digest(file, _md5).digest())

    def delete(self, name: str) -> None:
        """Delete an uploaded body, or its count; none is fine too."""
        self.path(name).unlink(missing_ok=True)
        self._lines(name).unlink(missing_ok=True)

    def _lines(self, name: str) -> Path:
        return self._file(name, ".lines")

    def _file(self, name: str, ending: str) -> Path:
        assert NAME.fullmatch(name), "names of files come from our own UUIDs"
        return self._folder / f"{name}{ending}"


class _File:
    """Pieces into a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part, self._file = _opened(path)

    def write(self, piece: bytes) -> None:
        self._file.write(piece)

    def commit(self) -> None:
        self._file.close()
        self._part.replace(self._path)

    def abandon(self) -> None:
        self._file.close()
        self._part.unlink(missing_ok=True)


class _Count:
    """Pieces counted; what was wrong is kept for who asks how the processing went."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._counter = Counter()
        self._broken = ""

    def write(self, piece: bytes) -> None:
        self._try(lambda: self._counter.feed(piece))

    def commit(self) -> None:
        self._try(self._counter.finish)
        part, file = _opened(self._path)
        with file:
            file.write(orjson.dumps([self._counter.lines, self._broken]))
        part.replace(self._path)

    def abandon(self) -> None:
        """Nothing was written."""

    def _try(self, step: Callable[[], None]) -> None:
        if self._broken:
            return
        try:
            step()
        except Broken as broken:
            self._broken = str(broken)


def quoted(md5: bytes) -> str:
    """An ETag."""
    return f'"{md5.hex()}"'


def _md5() -> hashlib._Hash:
    return hashlib.md5(usedforsecurity=False)


def _opened(path: Path) -> tuple[Path, IO[bytes]]:
    """A new file beside `path`, for us alone."""
    part = path.with_name(f"{path.name}.{secrets.token_hex(8)}.part")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    return part, os.fdopen(os.open(part, flags, 0o600), "wb")
