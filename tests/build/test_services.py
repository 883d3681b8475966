"""The table of services: each under its own name, and imported when it is asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ingest.build.services import SERVICES

IMPORTED = """
import sys
from ingest.build.services import SERVICES
SERVICES[sys.argv[1]]
targets = {name.split(".")[2] for name in sys.modules if name.startswith("ingest.targets.")}
print(*sorted(targets & {"aito", "aito_batch", "avalanchio", "avalanchio_rows"}))
"""


def test_every_service_goes_by_its_name() -> None:
    """In the table as in itself, and says what a request may hold."""
    assert list(SERVICES) == ["avalanchio", "aito"]
    assert len(SERVICES) == 2
    for name, service in SERVICES.items():
        assert service.name == name
        assert service.limits.records > 0
    assert SERVICES["aito"].credentials != SERVICES["avalanchio"].credentials


def test_a_service_that_is_none() -> None:
    """Like any mapping."""
    assert "nowhere" not in SERVICES
    with pytest.raises(KeyError):
        SERVICES["nowhere"]


@pytest.mark.parametrize(
    ("name", "modules"),
    [("aito", "aito aito_batch"), ("avalanchio", "avalanchio avalanchio_rows")],
)
def test_only_the_service_that_is_asked_for_is_imported(name: str, modules: str) -> None:
    """The other one would cost every start its time."""
    command = [sys.executable, "-c", IMPORTED, name]
    assert (
        subprocess.run(command, capture_output=True, check=True).stdout.decode().strip() == modules
    )
