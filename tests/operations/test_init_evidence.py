"""What a column's values look like, counted."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.operations.init_evidence import FEW, Evidence, Kind
from tests.operations.made import evidence


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("", Kind.EMPTY), ("  ", Kind.NULL), ("NA", Kind.NULL), ("n/a", Kind.NULL),
        ("\\N", Kind.NULL), ("-", Kind.NULL), (" NULL ", Kind.NULL), ("0000-00-00", Kind.NULL),
        ("0", Kind.WHOLE), ("-12", Kind.WHOLE), (" 7 ", Kind.WHOLE), ("9" * 40, Kind.WHOLE),
        ("12.0", Kind.POINT_ZERO), ("1.5E3", Kind.WHOLE_EXPONENT), ("1.5e-3", Kind.EXPONENT),
        ("00100", Kind.PADDED), ("-05", Kind.PADDED), ("00.5", Kind.PADDED),
        ("1.5", Kind.FRACTION), (".5", Kind.FRACTION), ("10.00", Kind.FRACTION),
        ("0.5", Kind.FRACTION), ("+5", Kind.PLUS), ("1,5", Kind.COMMA), ("0,125", Kind.COMMA),
        ("1,234", Kind.COMMA_OR_GROUP), ("1,234,567", Kind.GROUPED), ("1.234,56", Kind.GROUPED),
        ("1_000", Kind.OTHER), ("infinity", Kind.OTHER), ("٣", Kind.OTHER), ("1e", Kind.OTHER),
        ("0x1F", Kind.OTHER), ("5\n", Kind.OTHER),
    ],
)  # fmt: skip
def test_kinds(value: str, kind: Kind):
    """By the spelling alone; blanks around a value don't count."""
    found = evidence([value])
    assert +found.counts == {kind: 1}


def test_the_range_of_whole_numbers():
    """Also of those spelt with a point, a plus or an exponent; beyond 128 bits it is just far."""
    found = evidence(["5", "-3.0", "+7", "1.2E2"])
    assert (found.least, found.most) == (-3, 120)
    assert (evidence(["9" * 50]).most or 0) > 2**64


def test_null_words_are_kept_as_they_are_spelt():
    """Each with its count, for a job must name it exactly."""
    found = evidence(["NA", "na", "NA", " ", "5"])
    assert found.nulls == {"NA": 2, "na": 1, " ": 1}
    assert (found.values, found.without) == (1, 4)


@pytest.mark.parametrize("different", [0, 1, 2, FEW, FEW + 1])
def test_few_values_are_remembered(different: int):
    """Up to a limit; over several parts as well."""
    values = [f"v{n}" for n in range(different)]
    for parts in (1, 2):
        found = evidence(values, parts)
        assert found.few == (dict.fromkeys(values, 1) if different <= FEW else None)


@pytest.mark.parametrize(
    ("values", "unique"),
    [(["a"], True), (["a", "b"], True), (["a", "a"], False), (["a", ""], False), ([], False)],
)
def test_unique(values: list[str], unique: bool):
    """Once each, none empty."""
    assert evidence(values).is_unique() is unique


def test_unique_over_parts():
    """A value that comes again in another part is seen."""
    assert evidence(["a", "b", "c", "d"], 2).is_unique()
    assert not evidence(["a", "b", "c", "a"], 2).is_unique()


def test_json_and_long_texts():
    """Objects and lists only; a newline makes a text long."""
    assert evidence(['{"a": 1}', "[1, 2]"]).is_json
    assert not evidence(['{"a": 1}', "[1, 2"]).is_json
    assert not evidence(['{"a": 1}', "5"]).is_json
    assert evidence(["x" * 256]).is_long
    assert evidence(["x\ny"]).is_long
    assert not evidence(["x" * 255]).is_long


VALUES = st.sampled_from(["", "NA", "1", "2.0", "3.5", "x", "2024-01-31", "+1", "1e3", '{"a":1}'])


@settings(max_examples=20, deadline=None)
@given(st.lists(VALUES, min_size=2, max_size=30), st.integers(1, 5))
def test_parts_don_t_matter(values: list[str], parts: int):
    """The same values in other parts are the same evidence."""
    assert facts(evidence(values, parts)) == facts(evidence(values))


def facts(found: Evidence) -> tuple[object, ...]:
    """What is decided by."""
    ends = (found.least, found.most, found.shortest, found.longest, found.is_json)
    return (+found.counts, found.nulls, found.few, ends, found.is_unique(), found.dates.whole)
