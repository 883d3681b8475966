"""Who stays, from facts alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ingest.housekeeping.rules import Facts, Kept, Wanted, why_kept

OLD = Facts(age_s=31.0, state="done", latest=True, held=False, rejects=False)
WANTED = Wanted(30.0)
ALL = Wanted(30.0, unfinished=True, with_rejects=True)


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ({}, None),
        ({"age_s": 30.0}, Kept.YOUNG),
        ({"age_s": 30.001}, None),
        ({"age_s": -5.0}, Kept.YOUNG),
        ({"held": True}, Kept.HELD),
        ({"state": "unfinished"}, Kept.UNFINISHED),
        ({"state": "unreadable"}, Kept.UNFINISHED),
        ({"state": "interrupted"}, Kept.RESUMABLE),
        ({"state": "failed"}, Kept.RESUMABLE),
        ({"state": "failed", "latest": False}, None),
        ({"state": "unfinished", "latest": False}, Kept.UNFINISHED),
        ({"rejects": True}, Kept.REJECTS),
        ({"state": "failed", "latest": False, "rejects": True}, Kept.REJECTS),
    ],
)
def test_why_kept(changes, kept):
    """Each reason, and the border of age."""
    assert why_kept(replace(OLD, **changes), WANTED) == kept


@pytest.mark.parametrize("older_than_s", [0, 1, 2, 30])
def test_the_age(older_than_s):
    """Older is strictly older, also than nothing."""
    wanted = Wanted(older_than_s)
    assert why_kept(replace(OLD, age_s=older_than_s), wanted) is Kept.YOUNG
    assert why_kept(replace(OLD, age_s=older_than_s + 0.1), wanted) is None


FACTS = st.builds(
    Facts,
    st.floats(-100, 100),
    st.sampled_from(["done", "failed", "interrupted", "unfinished", "unreadable"]),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)


@given(FACTS)
def test_what_is_held_or_young_never_goes(facts):
    """Whatever is asked for; and everything else goes if everything is asked for."""
    assert (why_kept(facts, ALL) is None) is (facts.age_s > 30 and not facts.held)


@given(FACTS, st.booleans(), st.booleans())
def test_asking_for_more_keeps_no_more(facts, unfinished, with_rejects):
    """Options only add to what goes."""
    if why_kept(facts, WANTED) is None:
        assert why_kept(facts, Wanted(30.0, None, unfinished, with_rejects)) is None
