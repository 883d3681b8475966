"""Folding changes nothing that is asked, whenever it happens."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.journal import Journal, RunRecord, store
from ingest.model import Outcome, Refusal, Verdict
from tests.journal.helpers import begun, body, intend, opened, part_of, settle

OUTCOMES = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.integers(1, 3),
        st.sampled_from([*Outcome, None, "refused", "doubtful"]),
    ),
    max_size=30,
)


def said(journal: Journal, run: RunRecord) -> object:
    """All that is asked of the journal about a run."""
    settled = journal.settled(run)
    files = {file: list(found) for file, found in settled.files.items() if found}
    numbers = [one.number for one in journal.open_intents(run)]
    return (files, settled.tally, numbers, journal.ambiguous(run), journal.runs()[0].highest)


@given(OUTCOMES, st.integers(1, 5), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_folded_or_not(
    bodies: list[tuple[int, int, Outcome | str | None]], every: int, seed: int
) -> None:
    """Sums, settled records, open and ambiguous bodies are the same."""
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        told = []
        for name, fold_every in (("never", 10**9), ("often", every)):
            patch.setattr(store, "FOLD_EVERY", fold_every)
            with opened(Path(folder) / name) as journal:
                vars(journal)["_connection"].execute("PRAGMA synchronous=OFF")  # no kill here
                run = begun(journal)
                _play(journal, run, bodies, random.Random(seed))
                told.append(said(journal, run))
                journal.resume(run)
                told.append(said(journal, run))
        assert told == [told[0]] * 4


def _play(
    journal: Journal,
    run: RunRecord,
    bodies: list[tuple[int, int, Outcome | str | None]],
    chance: random.Random,
) -> None:
    firsts = dict.fromkeys(range(3), 1)
    ends = []
    for number, (file, count, end) in enumerate(bodies, 1):
        batch = body(number, part_of(firsts[file], count, file=file))
        firsts[file] += count
        journal.write(run, [intend(batch)])
        verdict = Verdict(refused=(Refusal(0, ""),)) if end == "refused" else Verdict()
        verdict = Verdict(doubtful=1) if end == "doubtful" else verdict
        outcome = end if isinstance(end, Outcome) else Outcome.ACCEPTED
        if end is not None:
            ends.append(settle(batch, outcome, verdict=verdict, attempts=count))
    chance.shuffle(ends)
    for op in ends:
        journal.write(run, [op])


def test_what_is_left_of_many_batches(tmp_path: Path) -> None:
    """Rows for the last few, one interval for the rest."""
    with opened(tmp_path) as journal:
        run = begun(journal)
        for start in range(1, 3001, 50):
            batches = [body(n, part_of(2 * n - 1, 2)) for n in range(start, start + 50)]
            journal.write(run, [op for one in batches for op in (intend(one), settle(one))])
        connection: sqlite3.Connection = vars(journal)["_connection"]
        rows = [
            connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("intents", "spans", "folded", "sums")
        ]
        # Folded by the commits that brought the 1,050th and the 2,100th outcome.
        assert rows == [900, 900, 1, 1]
        assert list(journal.settled(run).files[0]) == [(1, 6000)]
        assert journal.settled(run).tally.accepted == 6000
        journal.resume(run)
        assert connection.execute("SELECT count(*) FROM intents").fetchone() == (0,)
        assert list(journal.settled(run).files[0]) == [(1, 6000)]
