"""Intents and outcomes: what is settled and what is open after each, and after a kill at each."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from ingest.errors import IngestError, SettingsError
from ingest.journal import (
    IntervalSet,
    Journal,
    NoteState,
    Op,
    RunRecord,
    State,
    TakeApart,
    WrittenRejects,
)
from ingest.journal.answering import answered
from ingest.model import Outcome, Refusal, Span, Spool, Verdict
from ingest.pack import Packer, earlier, halves
from tests.journal.helpers import Wall, begun, body, intend, opened, part_of, settle, taken_up
from tests.pack.helpers import envelope_of


def open_keys(journal: Journal, run: RunRecord) -> list[tuple[int, int, int]]:
    """Number, offset and count of what may have been sent."""
    return [one.key for one in journal.open_intents(run)]


def settled_of(journal: Journal, run: RunRecord, file: int = 0) -> list[tuple[int, int]]:
    """The settled records of a file."""
    return list(journal.settled(run).files.get(file, ()))


def test_an_intent_is_read_back_as_it_was(tmp_path: Path) -> None:
    """Spans, count, digest, time; after a kill, too."""
    batch = body(7, part_of(11, 4, rejected=[12]), part_of(1, 2, file=1))
    with opened(tmp_path) as journal:
        run = begun(journal)
        assert journal.write(run, [intend(batch, at=1234.5)]) == [None]
    with opened(tmp_path) as journal:
        run = taken_up(journal)
        (found,) = journal.open_intents(run)
        assert (found.key, found.part) == ((7, 0, 6), 1)
        assert found.spans == (Span(0, 11, 15, 4), Span(1, 1, 2, 2))
        assert (found.records, found.size_bytes) == (6, batch.size_bytes)
        assert found.digest == batch.digest()
        assert (found.first_sent_at, found.last_sent_at, found.sendings) == (1234.5, 1234.5, 1)
        assert (found.state, found.upload, found.spool) == (State.OPEN, None, None)
        assert journal.settled(run).files == {}


@pytest.mark.parametrize(
    ("outcome", "state", "settles"),
    [
        (Outcome.ACCEPTED, State.ACCEPTED, True),
        (Outcome.AMBIGUOUS, State.AMBIGUOUS, True),
        (Outcome.REJECTED, State.REJECTED, False),
        (Outcome.UNSENT, State.UNSENT, False),
    ],
)
def test_outcomes(tmp_path: Path, outcome: Outcome, state: State, settles: bool) -> None:
    """Accepted and ambiguous settle the records; a rejected one is settled by its line alone."""
    batch = body(1, part_of(1, 1))
    with opened(tmp_path) as journal:
        run = begun(journal)
        journal.write(run, [intend(batch), settle(batch, outcome)])
        assert open_keys(journal, run) == []
        assert settled_of(journal, run) == ([(1, 1)] if settles else [])
        assert [one.state for one in journal.ambiguous(run)] == [State.AMBIGUOUS] * (
            state is State.AMBIGUOUS
        )
        lines = WrittenRejects({"f0.csv": IntervalSet([(1, 1)])})
        assert journal.settled(run, lines).holds(0, 1)


def test_a_body_taken_apart(tmp_path: Path) -> None:
    """At every instant the records that may have landed stand in one open intent."""
    whole = body(1, part_of(1, 10))
    left, right = halves(whole, envelope_of(end=b"\n"))
    quarter, _ = halves(left, envelope_of(end=b"\n"))
    with opened(tmp_path) as journal:
        run = begun(journal)
        journal.write(run, [intend(whole)])
        assert open_keys(journal, run) == [(1, 0, 10)]
        journal.write(run, [intend(right)])
        assert open_keys(journal, run) == [(1, 5, 5)]
        journal.write(run, [intend(left)])
        assert open_keys(journal, run) == [(1, 0, 5), (1, 5, 5)]
        journal.write(run, [settle(right), TakeApart((1, 0, 5), 1.0)])
        assert open_keys(journal, run) == []
        assert settled_of(journal, run) == [(6, 10)]
        journal.write(run, [intend(quarter)])
        assert open_keys(journal, run) == [(1, 0, 2)]
        journal.write(run, [settle(quarter)])
        assert settled_of(journal, run) == [(1, 2), (6, 10)]
        assert journal.settled(run).tally.apart == 2


def test_an_intent_again(tmp_path: Path) -> None:
    """After a kill the same body is the same row; another body in its place is refused."""
    batch = body(1, part_of(1, 3))
    with opened(tmp_path) as journal:
        run = begun(journal)
        journal.write(run, [intend(batch, at=10.0)])
    with opened(tmp_path) as journal:
        run = taken_up(journal)
        other = body(1, part_of(4, 3))
        (error,) = journal.write(run, [intend(other)])
        assert isinstance(error, SettingsError)
        assert "--restart" in error.hint
        assert "batch 1" in error.message
        journal.write(run, [settle(batch, Outcome.UNSENT)])
        assert open_keys(journal, run) == [(1, 0, 3)]
        journal.write(run, [intend(batch, at=20.0)])
        (found,) = journal.open_intents(run)
        assert (found.sendings, found.first_sent_at, found.last_sent_at) == (2, 10.0, 20.0)
        journal.write(run, [settle(batch, Outcome.UNSENT)])
        assert open_keys(journal, run) == [(1, 0, 3)]  # its first sending may have landed
        journal.write(run, [settle(batch)])
        assert settled_of(journal, run) == [(1, 3)]


def test_a_refused_op_does_not_touch_its_company(tmp_path: Path) -> None:
    """Those in the same commit are recorded."""
    one, other = body(1, part_of(1, 3)), body(2, part_of(4, 3))
    with opened(tmp_path) as journal:
        run = begun(journal)
        answers = journal.write(run, [intend(one), settle(other), intend(other)])
        assert [answer is None for answer in answers] == [True, False, True]
        assert "no intent of it is open" in str(answers[1])
        assert open_keys(journal, run) == [(1, 0, 3), (2, 0, 3)]


def test_ops_without_an_intent(tmp_path: Path) -> None:
    """An outcome needs its intent; only that a body never intended is unsent is no news."""
    batch = body(1, part_of(1, 3))
    with opened(tmp_path) as journal:
        run = begun(journal)
        ops: list[Op] = [settle(batch), TakeApart((1, 0, 3), 1.0), NoteState((1, 0, 3), "{}")]
        assert all(isinstance(answer, IngestError) for answer in journal.write(run, ops))
        assert journal.write(run, [settle(batch, Outcome.UNSENT)]) == [None]
        stray = body(1, part_of(1, 3, file=9))
        (answer,) = journal.write(run, [intend(stray)])
        assert "file 9" in str(answer)
        assert journal.open_intents(run) == []


def test_records_that_a_service_left_out(tmp_path: Path) -> None:
    """They are settled by their lines: one whose line was lost with a kill is sent again, once."""
    batch = body(1, part_of(1, 6, rejected=[2]), part_of(1, 3, file=1))  # 1 3 4 5 6 7 and 1 2 3
    verdict = Verdict(taken=7, refused=(Refusal(2, "bad"), Refusal(7, "bad")))
    with opened(tmp_path) as journal:
        run = begun(journal)
        journal.write(run, [intend(batch), settle(batch, verdict=verdict)])
        assert settled_of(journal, run) == [(1, 3), (5, 7)]
        assert settled_of(journal, run, file=1) == [(1, 1), (3, 3)]
        tally = journal.settled(run).tally
        assert (tally.accepted, tally.refused, tally.ambiguous) == (7, 2, 0)
        lines = WrittenRejects({"f0.csv": IntervalSet([(2, 2), (4, 4)])})
        settled = journal.settled(run, lines)
        assert list(settled.files[0]) == [(1, 7)]
        assert not settled.holds(1, 2)
        anew = body(2, part_of(2, 1, file=1))
        journal.write(run, [intend(anew), settle(anew)])
        assert settled_of(journal, run, file=1) == [(1, 3)]


def test_doubtful_records_are_named(tmp_path: Path) -> None:
    """A body that was accepted but for some that may be missing is among the ambiguous."""
    batch = body(1, part_of(1, 6))
    verdict = Verdict(taken=3, refused=(Refusal(0, "bad"),), doubtful=2, message="50 of them")
    with opened(tmp_path) as journal:
        run = begun(journal)
        journal.write(run, [intend(batch), settle(batch, verdict=verdict)])
        run = journal.resume(run)
        (found,) = journal.ambiguous(run)
        assert (found.doubtful, found.state, found.spans) == (
            2,
            State.ACCEPTED,
            (Span(0, 2, 6, 5),),
        )
        tally = journal.settled(run).tally
        assert (tally.accepted, tally.ambiguous, tally.refused) == (3, 2, 1)


def test_keys_in_an_upsert(tmp_path: Path) -> None:
    """What a record superseded stands in the spans of its half; if it is refused, what it
    superseded is free until it is intended itself."""
    envelope = envelope_of(end=b"\n")
    packer = Packer(envelope)
    packer.add(part_of(1, 6, keys=["a", "b", "a", "c", "b", "d"]))
    (whole,) = packer.finish()
    left, right = halves(whole, envelope)
    assert [answered(one) for one in (whole, left, right)] == [
        (Span(0, 1, 6, 6),),
        (Span(0, 1, 1, 1), Span(0, 3, 4, 2)),
        (Span(0, 2, 2, 1), Span(0, 5, 6, 2)),
    ]
    single, rest = halves(left, envelope)  # a, that superseded record 1; and c
    before = earlier(single, envelope)
    with opened(tmp_path) as journal:
        run = begun(journal)
        journal.write(run, [intend(whole)])
        journal.write(run, [intend(left)])
        journal.write(run, [intend(single)])
        assert [span.first for one in journal.open_intents(run) for span in one.spans] == [1, 3]
        refused = replace(single, dropped=())
        journal.write(run, [settle(refused, Outcome.REJECTED)])
        assert open_keys(journal, run) == []
        journal.write(run, [intend(before)])
        assert open_keys(journal, run) == [(1, 0, 1)]
        journal.write(run, [settle(before), intend(rest), settle(rest)])
        journal.write(run, [intend(right), settle(right)])
        assert settled_of(journal, run) == [(1, 2), (4, 6)]
        tally = journal.settled(run).tally
        assert (tally.accepted, tally.superseded) == (5, 1)


def test_an_upload_by_way_of_a_file(tmp_path: Path) -> None:
    """Where the body lies, and how far its upload is."""
    spool = Spool(Path("/spool/caf\udce9.gz"), 123, 4567, "ab" * 32)
    batch = replace(body(1, part_of(1, 3)), body=(), size_bytes=123, spool=spool)
    with opened(tmp_path, Wall()) as journal:
        run = begun(journal)
        journal.write(run, [intend(batch)])
        for text in ('{"step":"put"}', '{"step":"triggered"}'):
            assert journal.write(run, [NoteState((1, 0, 3), text)]) == [None]
    with opened(tmp_path) as journal:
        (found,) = journal.open_intents(taken_up(journal))
        assert found.spool == spool
        assert found.upload == '{"step":"triggered"}'
        assert found.digest == "ab" * 32


def test_what_attempts_cost(tmp_path: Path) -> None:
    """Over all sendings of a body."""
    batch = body(1, part_of(1, 3))
    with opened(tmp_path) as journal:
        run = begun(journal)
        journal.write(run, [intend(batch), settle(batch, Outcome.AMBIGUOUS, attempts=4)])
        other = body(2, part_of(4, 3))
        journal.write(run, [intend(other), settle(other, attempts=1)])
        tally = journal.settled(run).tally
        assert (tally.requests, tally.failed, tally.retried) == (5, 4, 3)
        assert tally.bytes_sent == 4 * batch.size_bytes + other.size_bytes
        assert (tally.accepted, tally.ambiguous) == (3, 3)


def test_a_message_is_bounded_and_text(tmp_path: Path) -> None:
    """A service's words may hold anything."""
    batch = body(1, part_of(1, 3))
    receipt = replace(settle(batch, Outcome.AMBIGUOUS).receipt, message="\udce9" + "x" * 10_000)
    with opened(tmp_path) as journal:
        run = begun(journal)
        op = replace(settle(batch), receipt=replace(receipt, resent=True))
        assert journal.write(run, [intend(batch), op]) == [None, None]
        (found,) = journal.ambiguous(run)
        assert found.message.startswith("\\xe9xx")
        assert len(found.message) == 2000
        assert found.resent


def test_many_stretches_are_named_in_few_words(tmp_path: Path) -> None:
    """Three of them, and how many more."""
    batch = body(1, *(part_of(10 * n, 2) for n in range(1, 7)))
    with opened(tmp_path) as journal:
        run = begun(journal)
        journal.write(run, [intend(batch)])
        (found,) = journal.open_intents(run)
        assert found.where.endswith("f0.csv, records 30 to 31 and 3 more")
