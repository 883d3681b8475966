"""Hope, names and sizes."""

from __future__ import annotations

import pytest

from ingest.delivery.outlook import IN_VAIN, PROBES, Outlook
from ingest.errors import Permanent, TooLarge
from tests.batches import sized_batch
from tests.delivery.service import batches_of


def outlook(lowered: list[int] | None = None) -> Outlook:
    """A new one."""
    return Outlook((lowered if lowered is not None else []).append)


@pytest.mark.parametrize(
    ("refused", "probes", "hopeless"),
    [(0, 0, False), (IN_VAIN - 1, 0, False), (IN_VAIN, 0, True), (5, PROBES - 1, False),
     (5, PROBES, True)],
)  # fmt: skip
def test_when_hope_ends(refused, probes, hopeless):
    """After so many refusals, or so many single records from all over; never once one landed."""
    one = outlook()
    for _ in range(refused):
        one.refused()
    for _ in range(probes):
        one.probe_refused()
    assert one.is_hopeless is hopeless
    one.landed(sized_batch(20))
    assert not one.is_hopeless
    assert not one.nothing_landed


@pytest.mark.parametrize("record", [3, 4, 10**18, 2**63, -1])
def test_a_name_that_no_record_has(record):
    """It is passed over, and so are all names from then on."""
    one = outlook()
    assert one.named(Permanent("x", record=2), 3) == 2
    assert one.named(Permanent("x"), 3) is None
    assert one.names_records
    assert one.named(Permanent("x", record=record), 3) is None
    assert one.named(Permanent("x", record=2), 3) is None


def test_sizes():
    """Bodies as large as a refused one are not sent; new ones get half of it, or what landed."""
    lowered: list[int] = []
    one = outlook(lowered)
    small, large = batches_of(10, 10)[0], batches_of(100, 100)[0]
    assert not one.is_too_large(large)
    one.learn_size(large, TooLarge("413", status=413))
    assert one.is_too_large(large)
    assert not one.is_too_large(small)
    one.landed(batches_of(90, 90)[0])
    one.learn_size(large, TooLarge("413", status=413))
    one.learn_size(large, TooLarge("our own word"))
    assert lowered == [large.size_bytes // 2, batches_of(90, 90)[0].size_bytes]


def test_a_record_alone_is_never_too_large():
    """The service judges it."""
    one = outlook()
    single = batches_of(1, 1)[0]
    one.learn_size(single, TooLarge("413", status=413))
    assert not one.is_too_large(single)
