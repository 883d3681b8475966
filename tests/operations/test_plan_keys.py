"""Keys that stand twice: found whatever slice they stand in, bounded, with their places."""

from __future__ import annotations

from collections import Counter
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.operations.plan_keys import BYTES_A_KEY, KeyTally
from tests.pack.helpers import FILES, slice_of


def report(*groups: list[str], most: int = 1000) -> dict[str, Any]:
    """What is found in slices that bear these keys, a file each."""
    tally = KeyTally("k", b",\n", most)
    for index, keys in enumerate(groups):
        tally.look(slice_of([b"{}"] * len(keys), FILES[index], keys=keys))
    return tally.as_report()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.sampled_from("abcdefghij"), max_size=8), max_size=5))
def test_counts(groups: list[list[str]]) -> None:
    """Law: as a plain count of all keys says."""
    found = report(*groups)
    counts = Counter(key for keys in groups for key in keys)
    doubled = [number for number in counts.values() if number > 1]
    assert (found["keys_doubled"], found["records"]) == (len(doubled), sum(doubled))
    assert found["looked_at"] == counts.total()


def test_places() -> None:
    """Both places of a key, in the order of the input, at most three."""
    found = report(["a", "b"], ["c", "a"], ["a", "a"])
    places = [(one["file"], one["record"]) for one in found["examples"][0]]
    assert places == [("f0.csv", 1), ("f1.csv", 2), ("f2.csv", 1)]
    assert found["bytes_a_key"] == BYTES_A_KEY


@pytest.mark.parametrize(("most", "left"), [(0, 4), (1, 3), (2, 2), (4, 0), (5, 0)])
def test_bound(most: int, left: int) -> None:
    """Beyond the bound nothing is kept, and it is said."""
    found = report(["a", "b"], ["a", "b"], most=most)
    assert (found["looked_at"], found["not_looked_at"]) == (min(most, 4), left)
    assert found["keys_doubled"] == max(0, min(most, 4) - 2)


@pytest.mark.parametrize("end", [b",\n", b"\n"])
def test_read_from_records(end: bytes) -> None:
    """Without keys of an upsert they are read as they travel; null and absent are none; the
    numbers of rejected records are passed over."""
    values: list[dict[str, Any]] = [{"k": 1}, {"k": "1"}, {}, {"k": None}, {"x": 2, "k": 1}]
    tally = KeyTally("k", end)
    tally.look(slice_of([orjson.dumps(v) for v in values], rejected=(2,), end=end))
    found = tally.as_report()
    assert (found["looked_at"], found["without"], found["keys_doubled"]) == (3, 2, 1)
    assert [one["record"] for one in found["examples"][0]] == [1, 6]


def test_nothing() -> None:
    """No slice at all."""
    assert KeyTally("k", b"\n").as_report()["looked_at"] == 0
