"""Machines that run tests are shared: an example may take its time.

Few values are read one by one, without the native steps; so that the laws are asked of those, too,
the tests' few values count as many.
"""

from collections.abc import Iterator

import pytest
from hypothesis import settings

from ingest.shape import encode_values

settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.fixture(scope="module", autouse=True)
def _few_are_many() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encode_values, "FEW", 0)
        yield
