"""File names as text that can be printed."""

from __future__ import annotations

import os

import pytest

from ingest.sources.names import listed, shown_name


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"data/a.csv", "data/a.csv"),
        ("Größe 5.csv".encode(), "Größe 5.csv"),
        (b"caf\xe9.csv", "caf\\xe9.csv"),
        (b"two\nlines.csv", "two\\nlines.csv"),
        (b"\x1b[31mred.csv", "\\x1b[31mred.csv"),
        ("rtl\u202e.csv".encode(), "rtl\\u202e.csv"),
    ],
)
def test_shown_name(raw, shown):
    """What is no text, or would do something to a terminal, stands with a backslash."""
    assert shown_name(os.fsdecode(raw)) == shown
    shown_name(os.fsdecode(raw)).encode()


@pytest.mark.parametrize(
    ("count", "shown"),
    [(0, ""), (1, "0"), (2, "0, 1"), (3, "0, 1, 2"), (4, "0, 1, 2 and 1 more")],
)
def test_listed(count, shown):
    """Three names, and the number of the others."""
    assert listed([str(n) for n in range(count)]) == shown
