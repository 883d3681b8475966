"""Which way to aito, and what is said about it."""

from __future__ import annotations

import pytest

from ingest.build.ways import FILE_FROM_BYTES, chosen_way
from ingest.errors import SettingsError

OWN, SHARED = "https://mine.aito.app", "https://shared.aito.ai/db/mine"


@pytest.mark.parametrize(
    ("total_bytes", "base_url", "way", "said"),
    [
        (None, OWN, "batch", "not known"),
        (0, OWN, "batch", "less than 100 MB"),
        (FILE_FROM_BYTES - 1, OWN, "batch", "less than 100 MB"),
        (FILE_FROM_BYTES, OWN, "file", "beta"),
        (10**12, OWN, "file", "beta"),
        (10**12, SHARED, "batch", "shared instance"),
        (10**12, SHARED + "/deeper", "batch", "shared instance"),
        (10**12, "https://db.aito.app/dbx", "file", "beta"),
    ],
)
def test_auto_chooses_by_size_and_instance(total_bytes, base_url, way, said):
    """And says why, with the word beta where it applies."""
    chosen, sentence = chosen_way("auto", total_bytes, base_url)
    assert chosen == way
    assert said in sentence


@pytest.mark.parametrize("size", [None, 0, 10**12])
@pytest.mark.parametrize("via", ["batch", "stream", "file"])
def test_a_way_that_is_named_is_taken(via, size):
    """Whatever the size; what is in beta is said to be."""
    way, sentence = chosen_way(via, size, OWN)
    assert way == via
    assert ("beta" in sentence) == (via != "batch")


@pytest.mark.parametrize("size", [None, 0, 10**12])
def test_auto_never_streams(size):
    """Stream does what batch does, in beta."""
    assert chosen_way("auto", size, OWN)[0] != "stream"


def test_a_shared_instance_takes_no_file():
    """Said before anything is sent, with the way on."""
    with pytest.raises(SettingsError, match="/db/") as caught:
        chosen_way("file", 10, SHARED)
    assert "batch" in caught.value.hint
