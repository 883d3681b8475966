"""A sandbox for the tests of targets: one process for the session, a table of its own a test."""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Iterator

import orjson
import pytest

from ingest.sandbox import child

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of a sandbox. Its token is `sandbox`."""
    data = tmp_path_factory.mktemp("sandbox")
    process = subprocess.Popen(
        child.command(["--data", str(data)]),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=child.environment(),
    )
    assert process.stdin
    assert process.stdout
    try:
        yield str(orjson.loads(process.stdout.readline())["ready"])
    finally:
        process.stdin.close()
        process.wait(10)
        process.stdout.close()


@pytest.fixture
def table() -> str:
    """A name that no other test uses."""
    return f"table_{next(_numbers)}"
