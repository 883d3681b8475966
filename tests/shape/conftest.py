"""Machines that run tests are shared: an example may take its time.

Few values are read one by one, without the native steps; so that the laws are asked of those, too,
the tests' few values count as many.
"""

from collections.abc import Iterator

import pytest
from hypothesis import settings

from ingest import kernel
from ingest.grammar import pcre2, regular
from ingest.shape import encode_values, json_unchanged, odd_lines, quoted, transcribed

settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.fixture(scope="module", autouse=True)
def _few_are_many() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encode_values, "FEW", 0)
        yield


@pytest.fixture(scope="module", params=["kernel", "PCRE2", "Polars"])
def either_engine(request: pytest.FixtureRequest) -> Iterator[None]:
    """Blocks are asked by PCRE2 and transcribed by the kernel, however small they are; once more
    as on a machine that can't have a kernel; and as on one that has no PCRE2 either."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transcribed, "SMALLEST_BYTES", 0)
        if request.param != "kernel":
            patch.setattr(kernel, "is_there", lambda: False)
        elif not kernel.is_there():
            pytest.skip("this machine can't have a kernel")
        if request.param == "Polars":
            for user in (odd_lines, regular, quoted, transcribed, json_unchanged):
                patch.setattr(user, "runs_of", lambda _pattern: None)
        elif pcre2.version() is None:
            pytest.skip("this machine has no PCRE2")
        yield
