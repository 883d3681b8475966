"""Files of spools by their names alone: which are ours, and which nobody needs any more."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from pathlib import Path

NAME = "spool-"  # what the names of all files of ours begin with


def sweep(directory: Path, needed: Collection[str] = ()) -> None:
    """Delete what packings left in `directory`, but for the names that are needed. Blocking."""
    with contextlib.suppress(FileNotFoundError):
        for path in list(directory.iterdir()):
            if path.name.startswith(NAME) and path.name not in needed:
                with contextlib.suppress(OSError):
                    path.unlink()
