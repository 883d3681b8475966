"""Reading records back from a body."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ingest.model import Spool
from ingest.settling.bodies import content, ids_of, runs, sampled, stamp_of, values
from tests.batches import raw_batch
from tests.settling.fakes import ARRAY, LINES, NAMED, batch_of, stamped

ENVELOPES = [ARRAY, LINES, NAMED]
TEXTS = st.text(max_size=8) | st.sampled_from([",\n", "]", '],"upsert_key":"k"}', "\n", '"', "\\"])


@given(st.lists(TEXTS, min_size=1, max_size=20), st.sampled_from(ENVELOPES))
@settings(max_examples=100, deadline=None)
def test_every_value_is_read_as_it_was_sent(texts, envelope):
    """In order, whatever stands in the records; the sample is the first, one between, the last."""
    batch = batch_of([{"v": text} for text in texts], envelope)
    records = content(batch, envelope)
    assert records is not None
    assert values(records, envelope, "v") == texts
    few = sampled(records, envelope, "v")
    assert (few[0], few[-1]) == (texts[0], texts[-1])
    assert len(few) <= 3
    assert set(few) <= set(texts)


@pytest.mark.parametrize("envelope", ENVELOPES)
@pytest.mark.parametrize(("count", "few"), [(1, 1), (2, 2), (3, 3), (10, 3)])
def test_a_sample_is_of_different_records(count, few, envelope):
    """Of one record once, of two both, of more three."""
    records = content(batch_of(stamped(count), envelope), envelope)
    assert records is not None
    assert len(set(sampled(records, envelope, "k"))) == few


@pytest.mark.parametrize("record", [b"[1]", b"5", b"{", b'{"v":', b'{"w":1}', b'{"v":null}', b""])
def test_what_can_not_be_read_is_none(record):
    """No error: the batch is just not settled."""
    assert values(record, LINES, "v") == [None]
    assert sampled(record, LINES, "v") == [None]


def test_a_body_of_another_framing_is_none():
    """Neither a foreign head, nor a foreign tail, nor nothing between them, nor a file."""
    for body in (b'{"v":1}]', b'[{"v":1}', b"[]", b"", b"]["):
        assert content(raw_batch(body), ARRAY) is None
    spooled = replace(raw_batch(b"x"), body=(), spool=Spool(Path("x"), 1, 1, "0"))
    assert content(spooled, LINES) is None
    assert content(replace(spooled, body=(memoryview(b"{}\n"),)), LINES) is None


@pytest.mark.parametrize("count", [1, 2, 500])
def test_a_stamp_is_the_text_of_every_record(count):
    """Read from the records themselves."""
    assert stamp_of(batch_of(stamped(count)), ARRAY, "stamp") == "r:7"


@pytest.mark.parametrize(
    "records",
    [[{"a": 1}], [{"stamp": None}], [{"stamp": 7}], [{"stamp": ""}],
     [{"stamp": "r:1"}, {"stamp": "r:2"}], [{"stamp": "r:1"}, {"a": 1}]],
)  # fmt: skip
def test_what_is_no_stamp_is_none(records):
    """Missing, null, no text, nothing, or not the same."""
    assert stamp_of(batch_of(records), ARRAY, "stamp") is None


def test_ids_are_sorted_and_all_there():
    """One a record, each its own."""
    assert ids_of(batch_of([{"id": 9}, {"id": -2}, {"id": 3}]), ARRAY, "id") == [-2, 3, 9]
    assert ids_of(batch_of([{"id": 2**62 - 1}]), ARRAY, "id") == [2**62 - 1]


@pytest.mark.parametrize(
    "records",
    [[{"a": 1}], [{"id": None}], [{"id": "1"}], [{"id": 1.0}], [{"id": True}],
     [{"id": 1}, {"id": 1}], [{"id": 1}, {}]],
)  # fmt: skip
def test_records_without_ids_of_their_own_have_none(records):
    """One such record is enough."""
    assert ids_of(batch_of(records), ARRAY, "id") is None


def test_a_count_that_differs_from_the_records_has_no_ids():
    """Then the body is not what it is said to be."""
    assert ids_of(replace(batch_of([{"id": 1}]), count=2), ARRAY, "id") is None


@given(st.sets(st.integers(-30, 30)))
@settings(max_examples=200, deadline=None)
def test_runs_hold_exactly_their_numbers(numbers):
    """And are as few as can be: no two of them meet."""
    found = runs(sorted(numbers))
    assert {n for low, high in found for n in range(low, high + 1)} == numbers
    assert all(low <= high for low, high in found)
    assert all(a[1] + 1 < b[0] for a, b in pairwise(found))
