"""File names, which are bytes to the system, as text that can be printed anywhere."""

from __future__ import annotations

import os
from collections.abc import Sequence


def shown_name(path: str) -> str:
    """A path that can be printed anywhere: what is no text in it stands with a backslash."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def listed(names: Sequence[str], most: int = 3) -> str:
    """The first `most` names, and how many more there are."""
    shown = ", ".join(shown_name(name) for name in names[:most])
    more = len(names) - most
    return f"{shown} and {more:,} more" if more > 0 else shown
