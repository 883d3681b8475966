"""What all tests share: both back ends of anyio, and properties that are not timed."""

from __future__ import annotations

import pytest
from hypothesis import settings

# How long an example takes says something about the machine and its neighbours, not about a law.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Async tests run on asyncio and on trio."""
    return str(request.param)
