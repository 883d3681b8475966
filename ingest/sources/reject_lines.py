"""The lines of a rejects file, read back to be replayed.

Only the keys that a replay needs are asked for, each with its type and range; others are somebody's
own matter. A line that is no reject is refused with its number: to pass over it would lose a record
without a word.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Struct

from ingest.errors import SettingsError

Key = tuple[str, int]
_FromOne = Annotated[int, msgspec.Meta(ge=1)]


class _Line(msgspec.Struct):
    """Those keys of the contract's object that a replay needs."""

    file: str
    line: _FromOne
    byte: Annotated[int, msgspec.Meta(ge=0)]
    record: _FromOne
    reason: str
    raw: str | None = None
    raw_base64: bytes | None = None
    raw_truncated: bool = False


class Mended(Struct, frozen=True):
    """One line of a rejects file, `text` without its end. `raw` are the record's bytes as they
    stand there now; `truncated`: only its head was kept."""

    text: bytes
    file: str
    line: int
    byte: int
    record: int
    reason: str
    raw: bytes
    truncated: bool = False

    @property
    def key(self) -> Key:
        """What names the record: its file as shown, and its number there."""
        return self.file, self.record


def read_mended(path: Path, *, doubled: bool = False) -> list[Mended]:
    """The rejects in the file at `path`, in its order; blank lines are none. Blocks.

    Raises SettingsError naming the line that is no reject or, unless they may be `doubled`, whose
    record has a line before.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as exc:
        raise SettingsError(f"{path}: the rejects can't be read: {exc.strerror or exc}") from exc
    found: list[Mended] = []
    seen: dict[Key, int] = {}
    for number, text in enumerate(lines, 1):
        if not text.strip():
            continue
        try:
            one = _read(text.rstrip(b"\r"))
        except (ValueError, RecursionError) as exc:  # msgspec's errors are ValueErrors
            raise SettingsError(
                f"{path}: line {number} is no reject: {exc}",
                "mend only what stands in raw, and leave one line a record",
            ) from exc
        if (before := seen.setdefault(one.key, number)) != number and not doubled:
            raise SettingsError(
                f"{path}: line {number}: record {one.record} of {one.file} stands in line"
                f" {before} already",
                "leave one of the two",
            )
        found.append(one)
    return found


def _read(text: bytes) -> Mended:
    """Raises ValueError saying why it is none."""
    line = msgspec.json.decode(text, type=_Line)
    if (line.raw is None) == (line.raw_base64 is None):
        raise ValueError("it has no raw" if line.raw is None else "it has raw and raw_base64")
    raw = line.raw_base64 or b"" if line.raw is None else line.raw.encode()
    place = (line.file, line.line, line.byte, line.record)
    return Mended(text, *place, line.reason, raw, line.raw_truncated)
