"""Machines that run tests are shared: an example may take its time. Short slices are long ones."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings

from ingest.pack import slices

settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.fixture(scope="module", autouse=True)
def _few_steps() -> Iterator[None]:
    """The short slices of these tests are looked at as long ones are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slices, "STEPS", 1)
        yield
