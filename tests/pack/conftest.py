"""Machines that run tests are shared: an example may take its time. Marks stand close."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings

from ingest.pack import slices

settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.fixture(scope="module", autouse=True)
def _close_marks() -> Iterator[None]:
    """A mark every three records, so that the short slices of these tests have some."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slices, "MARK_EVERY", 3)
        yield
