"""What the machine has to give, judged."""

from __future__ import annotations

import pytest

from ingest.operations.check_machine import (
    SPARE_FILES,
    Place,
    clock,
    open_files,
    room,
    state_directory,
)


@pytest.mark.parametrize(
    ("place", "states"),
    [
        (Place("s", True), ["ok"]),
        (Place("s", False, file_system="ext4"), ["ok", "ok"]),
        (Place("s", True, file_system="overlay"), ["ok", "warn"]),
        (Place("s", True, file_system="tmpfs"), ["ok", "warn"]),
        (Place("s", True, mode=0o750, file_system="xfs"), ["ok", "warn", "ok"]),
        (Place("s", True, trouble="can't be written"), ["mend"]),
        (Place("s", True, journal="network"), ["mend"]),
    ],
)
def test_state_directory(place: Place, states: list[str]) -> None:
    """What lasts, what others may read, what can't be used."""
    found = state_directory(place)
    assert [one.state for one in found] == states
    assert all(one.mend for one in found if one.state != "ok")


@pytest.mark.parametrize(("free", "state"), [(0, "mend"), (1, "mend"), (2, "ok"), (3, "ok")])
def test_room(free: int, state: str) -> None:
    """As much as is needed is enough."""
    assert room(free, 2, "two spools", "/there").state == state


@pytest.mark.parametrize(
    ("limit", "state"),
    [(None, "ok"), (SPARE_FILES + 9, "mend"), (SPARE_FILES + 10, "ok"), (1024, "ok")],
)
def test_open_files(limit: int | None, state: str) -> None:
    """A connection for each request in flight, and what else is open."""
    assert open_files(limit, 8).state == state


@pytest.mark.parametrize(
    ("ahead_s", "state", "word"),
    [
        (0.0, "ok", "agrees"),
        (10.0, "ok", "agrees"),
        (-11.0, "warn", "11 s ahead of"),
        (11.0, "warn", "11 s behind"),
        (301.0, "mend", "301 s behind"),
    ],
)
def test_clock(ahead_s: float, state: str, word: str) -> None:
    """By how much, and which of them is behind."""
    found = clock(ahead_s)
    assert (found.state, word in found.said) == (state, True)
