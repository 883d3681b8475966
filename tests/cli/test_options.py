"""Durations as people write them, and the options that commands share."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
import typer

from ingest.cli.options import Wishes, age, positive_seconds, seconds, wishing
from ingest.errors import SettingsError


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


@pytest.mark.parametrize(
    ("text", "value"), [("0", 0), ("0d", 0), ("30d", 2_592_000), ("12h", 43200), ("45 s", None)]
)
def test_ages(text, value):
    """With a unit."""
    if value is None:
        with pytest.raises(typer.BadParameter, match="no duration"):
            age(text)
    else:
        assert age(text) == value


@pytest.mark.parametrize("text", ["30", "1", "0.5", " 7 "])
def test_an_age_without_its_unit(text):
    """Thirty what? Seconds would take everything."""
    with pytest.raises(typer.BadParameter, match="has no unit: write 30d"):
        age(text)


def test_wishing_gives_a_command_every_option():
    """The signature is the command's own with the wishes' fields in place of `wishes`."""
    seen: list[tuple[str, int, Wishes]] = []

    @wishing
    def command(first: str, wishes: Wishes, more: int = 1) -> int:
        seen.append((first, more, wishes))
        return 7

    parameters = inspect.signature(command).parameters
    fields = list(Wishes.__struct_fields__)
    assert list(parameters) == ["first", "more", *fields]
    defaults = {name: parameters[name].default for name in fields}
    assert command(first="a", more=2, **{**defaults, "limit": 5, "state_dir": Path("s")}) == 7
    assert seen == [("a", 2, Wishes(Path("s"), limit=5))]


@pytest.mark.parametrize(("restart", "fresh"), [(False, False), (True, False), (False, True)])
def test_wishes_that_go_together(restart, fresh):
    """One or none."""
    wishes = Wishes(restart=restart, fresh=fresh)
    assert (wishes.restart, wishes.fresh) == (restart, fresh)


def test_wishes_that_do_not():
    """Both names are said."""
    with pytest.raises(SettingsError, match="--restart and --fresh"):
        Wishes(restart=True, fresh=True)
