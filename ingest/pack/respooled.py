"""A recorded spool taken over from a killed run: its records as places, its source on the disk.

The spool itself is not written again: the file is taken, if it still is what was recorded. What the
killed process knew of the places where each record came from went with it; so the blocks that come
by again are written to a new file beside the spool, as `spool` does, and memory stays flat. Only
that file is deleted here: the spool goes when its intent is settled (`spool_folder`). Blocking.
"""

from __future__ import annotations

import hashlib

from msgspec.structs import replace

from ingest.errors import IngestError
from ingest.model import Origin, Restorable, Slice, Spool
from ingest.pack.origins import OnDisk, Origins
from ingest.pack.private_file import PrivateFile


class Places:
    """Slices of one recorded spool, in order, without their bytes."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._origins: Origins | None = None
        self._last: tuple[Restorable, OnDisk] | None = None

    def placed(self, part: Slice) -> Slice:
        """`part` as a place that leads to its source on the disk. Raises IngestError if that can't
        be written."""
        origin = part.origin and self._on_disk(part.origin)
        return part.placed(origin)

    def remove(self) -> None:
        """Delete the source's file: these records can't be shown as they came any more."""
        if self._origins is not None:
            self._origins.remove()

    def _on_disk(self, origin: Origin) -> Origin:
        # Slices come in order, so those of one block are neighbours: the last one is enough.
        if self._last is None or self._last[0] is not origin.kept:
            origins = self._opened()
            self._last = origin.kept, origins.place()
            origins.write(origin.kept)
        return replace(origin, kept=self._last[1])

    def _opened(self) -> Origins:
        if self._origins is None:
            path = self._spool.path.with_name(f"{self._spool.path.name}.origins-again")
            try:
                path.unlink(missing_ok=True)  # of an earlier taking up that was killed
            except OSError as exc:
                raise IngestError(f"{path}: can't be deleted: {exc.strerror or exc}") from exc
            self._origins = Origins()
            self._origins.opened(PrivateFile(path))
        return self._origins


def is_whole(spool: Spool) -> bool:
    """Whether the spool's file is there, as it was sealed."""
    try:
        with spool.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == spool.sha256
    except OSError:
        return False
