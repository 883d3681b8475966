"""A run that is taken up: recorded bodies again byte for byte, the rest once, settled never."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from unittest import mock

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace

from ingest.errors import IngestError, SettingsError
from ingest.journal import IntentRecord, IntervalSet, Settled
from ingest.journal.answering import answered, places_at
from ingest.model import Batch, Slice, Span
from ingest.pack import MemoryEnvelope, MemoryPacking, Packer, halves, split
from ingest.pack import packer as packer_module
from ingest.pack.recut import RecutPacking
from tests.pack.helpers import FILES, RECORD, body_of, envelope_of, numbers_in, slice_of

NONE = Settled({})


def intent_of(batch: Batch) -> IntentRecord:
    """What a journal would say of this body."""
    return IntentRecord(
        id=batch.number,
        number=batch.number,
        offset=batch.offset,
        part=batch.part,
        count=batch.count,
        spans=answered(batch),
        size_bytes=batch.size_bytes,
        digest=batch.digest(),
        where="f0.csv, records 1 to 9",
        first_sent_at=0.0,
        last_sent_at=0.0,
        sendings=1,
        spool=batch.spool,
    )


def places_of(slices: Sequence[Slice]) -> list[tuple[int, int]]:
    """File and record number of each record of a body."""
    return places_at(slices, range(sum(part.count for part in slices)))


def settled_by(batches: Sequence[Batch], rejects: Sequence[tuple[int, int]] = ()) -> Settled:
    """The records of accepted bodies, and rejects that were written."""
    spans = [(s.file, s.first, s.last) for batch in batches for s in answered(batch)]
    files: dict[int, IntervalSet] = {}
    for file, first, last in (*spans, *((file, n, n) for file, n in rejects)):
        files.setdefault(file, IntervalSet()).add(first, last)
    return Settled(files)


def taken_up(packing: RecutPacking, parts: Sequence[Slice]) -> list[Batch]:
    """All batches of a run that goes through these slices."""

    async def run() -> list[Batch]:
        batches: list[Batch] = []
        for part in parts:
            batches += await packing.add(part)
        return batches + await packing.finish()

    return anyio.run(run)


def recut(
    parts: Sequence[Slice],
    intents: Sequence[IntentRecord],
    settled: Settled = NONE,
    envelope: MemoryEnvelope | None = None,
    *,
    limited: bool = False,
) -> tuple[RecutPacking, list[Batch]]:
    """Take up a run; new bodies are numbered from 100 on."""
    frame = envelope or envelope_of(3)
    packing = RecutPacking(MemoryPacking(frame, 100), intents, settled, frame, limited=limited)
    return packing, taken_up(packing, parts)


# --- the law --------------------------------------------------------------------------------


class Killed(Struct, frozen=True):
    """A run that was killed: its input, the bodies by their fate, and the input cut otherwise."""

    open: list[Batch]
    settled: list[Batch]
    rejects: list[tuple[int, int]]
    again: list[Slice]


def cut(draw: st.DrawFn, whole: Slice) -> list[Slice]:
    """The same records in other slices."""
    parts, rest = [], whole
    while rest.count > 1 and draw(st.booleans()):
        head, rest = split(rest, draw(st.integers(1, rest.count - 1)))
        parts.append(head)
    return [*parts, rest]


@st.composite
def killed_runs(draw: st.DrawFn, *, keyed: bool, kept_bytes: int | None = None) -> Killed:
    """Files with rejects among them, packed, and each body's fate drawn: any subset of intents
    open, settled, free, or taken apart."""
    wholes = []
    for file in FILES[: draw(st.integers(1, 3))]:
        records = draw(st.lists(RECORD, min_size=1, max_size=12))
        total = len(records) + draw(st.integers(0, 3))
        rejected = draw(st.permutations(range(1, total + 1)))[: total - len(records)]
        names = [draw(st.sampled_from("abcde")) for _ in records] if keyed else None
        wholes.append(slice_of(records, file, 1, rejected, keys=names))
    envelope = envelope_of(draw(st.integers(1, 6)), draw(st.integers(60, 200)))
    packer = Packer(envelope, kept_bytes=kept_bytes)
    batches = [b for whole in wholes for part in cut(draw, whole) for b in packer.add(part)]
    run = Killed([], [], [], [part for whole in wholes for part in cut(draw, whole)])
    for batch in (*batches, *packer.finish()):
        _decide(draw, run, batch, envelope)
    run.rejects.extend(
        (whole.file.index, n) for whole in wholes for n in whole.rejected if draw(st.booleans())
    )
    return run


def _decide(draw: st.DrawFn, run: Killed, batch: Batch, envelope: MemoryEnvelope) -> None:
    fate = draw(st.sampled_from(["open", "settled", "free", "apart"]))
    if fate == "apart" and batch.count > 1:
        left, right = halves(batch, envelope)
        _decide(draw, run, left, envelope)
        _decide(draw, run, right, envelope)
    elif fate == "settled":
        run.settled.append(batch)
    elif fate == "open":
        run.open.append(batch)


Sent = list[tuple[int, bytes, list[tuple[int, int]]]]


def check(run: Killed, envelope: MemoryEnvelope) -> Sent:
    """Take the run up and hold the law; number, body and records of all that was sent."""
    intents = [intent_of(batch) for batch in run.open]
    settled = settled_by(run.settled, run.rejects)
    packing, batches = recut(run.again, intents, settled, envelope)
    old = [batch for batch in batches if batch.number < 100]
    new = [batch for batch in batches if batch.number >= 100]
    # Bodies in doubt: the same bytes, each once, under the old number, and known as such.
    assert _facts(old) == _facts(run.open)
    assert {(b.number, b.offset, b.part) for b in old} == {
        (b.number, b.offset, b.part) for b in run.open
    }
    assert {b.spans for b in old} == {answered(b) for b in run.open}
    assert sorted(packing.recut) == sorted(intent.key for intent in intents)
    # The rest: every record that stands nowhere once, in order, and no other.
    every = [(p.file.index, n) for p in run.again for n in numbers_in(p)]
    held = {place for b in run.open for place in places_of((*b.slices, *b.dropped))}
    done = {place for b in run.settled for place in places_of((*b.slices, *b.dropped))}
    sent = [sorted(places_of((*b.slices, *b.dropped))) for b in new]
    assert [place for places in sent for place in places] == [
        place for place in every if place not in held | done
    ]
    assert [b.number for b in new] == list(range(100, 100 + len(new)))
    assert packing.skipped_settled == len(done)
    assert packing.pending == 0
    _check_spans(batches, run)
    return _facts(batches)


def _facts(batches: Sequence[Batch]) -> Sent:
    records = [sorted(places_of((*b.slices, *b.dropped))) for b in batches]
    return sorted(
        (b.number, body_of(b), places) for b, places in zip(batches, records, strict=True)
    )


def _check_spans(batches: Sequence[Batch], run: Killed) -> None:
    """Each batch's spans hold its records and gaps, and no two spans overlap."""
    gaps = {(p.file.index, n) for p in run.again for n in p.rejected}
    taken: set[tuple[int, int]] = set()
    for batch in batches:
        spans = answered(batch)
        places = {(s.file, n) for s in spans for n in range(s.first, s.last + 1)}
        assert places - gaps == set(places_of((*batch.slices, *batch.dropped)))
        assert sum(span.count for span in spans) == batch.records
        assert not places & taken
        taken |= places


@given(killed_runs(keyed=False), st.integers(1, 8), st.integers(60, 200))
@settings(max_examples=150)
def test_sent_once_and_the_same(run: Killed, records: int, size: int) -> None:
    """Whatever was open, settled, free or taken apart at the kill, whatever the limits are now."""
    check(run, envelope_of(records, size))


@given(killed_runs(keyed=True), st.integers(1, 8))
@settings(max_examples=150)
def test_keys_are_superseded_as_before(run: Killed, records: int) -> None:
    """In an upsert the body is what it was, and earlier records of a key are answered for."""
    check(run, envelope_of(records))


@given(st.sampled_from([0, 8, 30]).flatmap(lambda kept: killed_runs(keyed=True, kept_bytes=kept)))
@settings(max_examples=100)
def test_a_body_that_was_sealed_for_what_it_kept_is_made_again(run: Killed) -> None:
    """Whatever is kept today."""
    with mock.patch.object(packer_module, "KEPT_BYTES", 0):
        check(run, envelope_of())


@given(killed_runs(keyed=False), st.data())
@settings(max_examples=60)
def test_borders_of_slices_change_nothing(run: Killed, data: st.DataObject) -> None:
    """One record a slice, or as they came: the same bodies."""
    finer = [part for whole in run.again for part in data.draw(st.composite(cut)(whole))]
    assert check(replace(run, again=finer), envelope_of(4)) == check(run, envelope_of(4))


# --- single cases ---------------------------------------------------------------------------


def ten(first: int = 1, count: int = 10, rejected: Sequence[int] = ()) -> Slice:
    """Records of one file, each its number."""
    numbers = [n for n in range(first, first + count + len(rejected)) if n not in rejected]
    return slice_of([b"%d" % n for n in numbers], first=first, rejected=rejected)


def test_a_body_comes_as_soon_as_its_last_record() -> None:
    """Before anything behind it; not held back, so that few bodies are gathered at once."""
    (_, second, *_) = packed(envelope_of(3), ten())
    frame = envelope_of(2)
    packing = RecutPacking(MemoryPacking(frame, 100), [intent_of(second)], NONE, frame)
    steps = []

    async def run() -> None:
        for number in range(1, 11):
            batches = await packing.add(ten(number, 1))
            steps.append(([batch.number for batch in batches], packing.pending))
        steps.append(([batch.number for batch in await packing.finish()], packing.pending))

    anyio.run(run)
    # A body closes when the next record does not fit: 100 holds 1 and 2, 101 holds 3 and 7.
    assert [numbers for numbers, _ in steps] == [
        *([], [], [100], [], [], [2], [], [101], [], [102]),
        [103],
    ]
    assert [pending for _, pending in steps] == [1, 2, 1, 2, 3, 1, 2, 1, 2, 1, 0]


def packed(envelope: MemoryEnvelope, *parts: Slice) -> list[Batch]:
    """The first run's batches."""
    packer = Packer(envelope)
    return [b for part in parts for b in packer.add(part)] + packer.finish()


def test_the_later_record_of_a_key_goes_out_later() -> None:
    """What was packed anew before a body made again is handed on before it."""
    records = slice_of([b"1", b"2", b"3", b"4"], keys=["a", "b", "a", "c"])
    _, second = packed(envelope_of(2), records)
    _, sent = recut([records], [intent_of(second)], envelope=envelope_of(9))
    assert [(b.number, sorted(b.keys)) for b in sent] == [(100, ["a", "b"]), (2, ["a", "c"])]
    plain = replace(records, keys=None)
    _, second = packed(envelope_of(2), plain)
    _, sent = recut([plain], [intent_of(second)], envelope=envelope_of(9))
    assert [b.number for b in sent] == [2, 100]


@pytest.mark.parametrize(
    "change",
    [
        lambda: slice_of([b"1", b"2", b"33", b"4"]),
        lambda: slice_of([b"1", b"2", b"4", b"4"], rejected=[]),
        lambda: ten(1, 3, rejected=[2]),
    ],
)
def test_other_bytes_are_refused(change: Callable[[], Slice]) -> None:
    """The data or the encoding changed since: which batch, where, and the way on."""
    (batch,) = packed(envelope_of(), ten(1, 4))
    with pytest.raises(SettingsError, match="batch 1 was perhaps sent") as caught:
        recut([change()], [intent_of(batch)])
    assert caught.value.exit_code == 2
    assert "--restart" in caught.value.hint
    assert "f0.csv, records 1 to 9" in caught.value.message


def test_another_framing_is_refused() -> None:
    """The digest is of the whole body."""
    (batch,) = packed(envelope_of(), ten(1, 4))
    frame = replace(envelope_of(), head=b'{"rows":[')
    with pytest.raises(SettingsError, match="would not be the same body"):
        recut([ten(1, 4)], [intent_of(batch)], envelope=frame)


def test_what_is_pending_after_a_refusal() -> None:
    """Every record that came and is in no batch that was handed on is accounted for."""
    frame = envelope_of(2)
    (batch,) = packed(envelope_of(), ten(4, 3))
    intent = replace(intent_of(batch), digest="00" * 32)
    settled = settled_by(packed(envelope_of(), ten(9, 1)))
    packing = RecutPacking(MemoryPacking(frame, 100), [intent], settled, frame)

    async def run() -> None:
        handed_on = await packing.add(ten(1, 2))
        assert [b.count for b in handed_on] == []
        with pytest.raises(IngestError):
            await packing.add(ten(3, 8))  # closes a batch, then meets the refused body

    anyio.run(run)
    assert packing.skipped_settled + packing.pending == 10


@pytest.mark.parametrize("there", [0, 1, 3])
def test_a_file_that_is_shorter_now(there: int) -> None:
    """Records of a recorded body did not come again: the facts, and nothing is made up."""
    batches = packed(envelope_of(4), ten(1, 8))
    intents = [intent_of(batch) for batch in batches]
    parts = [ten(1, 4), *([ten(5, there)] if there else [])]
    with pytest.raises(SettingsError, match=f"batch 2 .* of its 4 records .* only {there} are"):
        recut(parts, intents)
    packing, sent = recut(parts, intents, limited=True)
    assert [batch.number for batch in sent] == [1]
    assert packing.pending == there


def test_several_bodies_that_are_gone() -> None:
    """The first is named, the others are counted; a file that is not there any more among them."""
    intents = [intent_of(batch) for batch in packed(envelope_of(4), ten(1, 8))]
    gone = replace(intents[1], spans=(Span(-1, 5, 8, 4),))
    other = replace(gone, number=7)
    with pytest.raises(SettingsError, match=r"only 0 are there now \(and 2 more batches\)"):
        recut([], [intents[0], gone, other])


def test_two_bodies_over_one_record() -> None:
    """That would send it twice: a defect of the journal, not to be passed over."""
    one, other = (intent_of(packed(envelope_of(), ten(n, 4))[0]) for n in (1, 4))
    with pytest.raises(IngestError, match="both recorded as holding record 4"):
        recut([ten()], [one, replace(other, number=2)])


def test_a_record_whose_line_was_lost() -> None:
    """It stands in the gap of a recorded body: at its end, it is sent like any other."""
    (batch,) = packed(envelope_of(), ten(1, 3, rejected=[4]))
    assert batch.spans == (Span(0, 1, 4, 3),)
    for parts in ([ten(1, 6)], [ten(n, 1) for n in range(1, 7)]):
        _, sent = recut(parts, [intent_of(batch)])
        assert [(b.number, numbers_in(b.slices[0])[0]) for b in sent] == [(1, 1), (100, 4)]


def test_a_record_that_was_rejected_then_and_is_good_now() -> None:
    """Its line stands: it is settled, and the body around it is made again without it."""
    (batch,) = packed(envelope_of(), ten(1, 3, rejected=[2]))
    settled = settled_by([], [(0, 2)])
    packing, sent = recut([ten(1, 4)], [intent_of(batch)], settled)
    assert [b.number for b in sent] == [1]
    assert body_of(sent[0]) == body_of(batch)
    assert packing.skipped_settled == 1


def test_a_body_beyond_the_limits_of_today() -> None:
    """It was within those that held when it was cut."""
    (batch,) = packed(envelope_of(10), ten())
    _, sent = recut([ten()], [intent_of(batch)], envelope=envelope_of(2, 40))
    assert [(b.number, b.count) for b in sent] == [(1, 10)]


def test_nothing_recorded() -> None:
    """A run without intents is packed as ever."""
    packing, sent = recut([ten()], [])
    assert [(b.number, b.count) for b in sent] == [(100, 3), (101, 3), (102, 3), (103, 1)]
    assert (packing.recut, packing.skipped_settled) == ({}, 0)
