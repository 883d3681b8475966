"""Durations as people write them."""

from __future__ import annotations

import pytest
import typer

from ingest.cli.options import positive_seconds, seconds


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0), ("1", 1), ("2", 2), ("90", 90), ("30s", 30), ("5m", 300), ("2h", 7200),
        ("1.5h", 5400), ("1d", 86400), (" 7 ", 7), (25.0, 25),
    ],
)  # fmt: skip
def test_durations(text, value):
    """Plain numbers are seconds."""
    assert seconds(text) == value


@pytest.mark.parametrize(
    "text", ["", "s", "-1", "1 h", "1h30", "1e3", "inf", "nan", "٣", "5min", "9" * 400, ".5"]
)
def test_what_is_no_duration(text):
    """A usage error that shows how."""
    with pytest.raises(typer.BadParameter, match="write 30s, 5m, 2h"):
        seconds(text)


def test_none_at_all_may_be_too_little():
    """`--max-duration 0` would stop before the start."""
    assert positive_seconds("0.001") == 0.001
    with pytest.raises(typer.BadParameter, match="more than 0"):
        positive_seconds("0s")
