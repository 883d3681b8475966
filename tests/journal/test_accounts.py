"""Cumulative accounts of a run that is taken up."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ingest.journal import IntervalSet, Tally, WrittenRejects, accounts_so_far
from ingest.model import Outcome
from tests.journal.helpers import begun, body, intend, opened, part_of, settle

COUNTS = st.integers(0, 10**10)


@given(COUNTS, COUNTS, st.integers(0, 10**6))
def test_they_are_balanced(accepted: int, ambiguous: int, rejected: int) -> None:
    """Only what is settled counts as read."""
    written = WrittenRejects(by_reason=Counter(bad=rejected))
    accounts = accounts_so_far(Tally(accepted, ambiguous), written)
    assert accounts.balanced
    assert accounts.read == accepted + ambiguous + rejected
    assert (accounts.accepted, accounts.ambiguous, accounts.rejected) == (
        accepted,
        ambiguous,
        rejected,
    )


def test_of_a_killed_run(tmp_path: Path) -> None:
    """Open, refused and unsent bodies are on no account: their records come again."""
    bodies = [body(n, part_of(10 * n, 5)) for n in range(1, 6)]
    ends = [Outcome.ACCEPTED, Outcome.AMBIGUOUS, Outcome.REJECTED, Outcome.UNSENT]
    written = WrittenRejects({"f0.csv": IntervalSet([(30, 34), (80, 81)])}, Counter(bad=7))
    with opened(tmp_path) as journal:
        run = begun(journal)
        journal.write(run, [intend(one) for one in bodies])
        journal.write(
            run, [settle(one, end, attempts=2) for one, end in zip(bodies, ends, strict=False)]
        )
        settled = journal.settled(run, written)
        accounts = accounts_so_far(settled.tally, written)
        assert (accounts.read, accounts.accepted, accounts.ambiguous) == (17, 5, 5)
        assert (accounts.rejected, accounts.unsent, accounts.skipped) == (7, 0, 0)
        assert (accounts.requests_sent, accounts.requests_retried) == (8, 4)
        assert accounts.requests_failed == 1 + 2 + 2 + 2
        assert accounts.bytes_sent == 2 * sum(one.size_bytes for one in bodies[:4])
        assert sum(found.records for found in settled.files.values()) == accounts.read
        assert accounts_so_far(replace(settled.tally, apart=3), written).isolated == 3
