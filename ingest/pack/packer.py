"""Slices to batches: bodies as full as the tighter limit allows, across file borders. Pure.

Two laws, both properties in the tests. *Limits*: no sealed body holds more records or bytes than
the envelope's limits, framing included. *Fullness*: a body is sealed only because the next record
would not fit, or at the end of the input; so the number of requests is the least possible for
records in this order. (But see `KEPT_BYTES`.)

In an upsert a key must not stand twice in a body: the last record of a key in input order wins and
the earlier one is dropped from the open body and counted as superseded. It is kept beside the body
all the same: should the service refuse the later one, the earlier one is the key's last good record
and has to be sent (`earlier`). A body that keeps more than `KEPT_BYTES` of these is sealed, full or
not, since with few keys it would come to hold the whole input.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from ingest.errors import TargetError
from ingest.model import Batch, Slice, Span, spans_of
from ingest.pack.slices import (
    last_of_each_key,
    split,
    superseded_in,
    with_keys,
    without_keys,
)
from ingest.protocols import Envelope, OpenBody

KEPT_BYTES = 4 * 2**20  # some ten times that in memory: a slice for each record


class Packer:
    """Fills bodies from slices in input order; `add` and `finish` return the batches that closed.

    The caller guarantees that no single record exceeds `envelope.largest_record` (the shaper
    rejects those). The first batch gets `first_number`: a run that is taken up goes on counting.
    `kept_bytes`: of what is superseded in one body.
    """

    def __init__(
        self,
        envelope: Envelope,
        first_number: int = 1,
        offset: int = 0,
        kept_bytes: int | None = None,
    ) -> None:
        self._most_kept = KEPT_BYTES if kept_bytes is None else kept_bytes
        self._full = envelope
        self._envelope = envelope
        self._number = first_number - 1
        self._offset = offset
        self._reset()

    def _reset(self) -> None:
        self._body = self._envelope.open()
        self._parts: list[Slice] = []
        self._spans: list[Span] = []
        self._keys: dict[str, None] = {}
        self._dropped: list[Slice] = []
        self._kept_bytes = 0

    def add(self, part: Slice) -> list[Batch]:
        """Take one slice; the batches that it closed, in order."""
        closed: list[Batch] = []
        rest: Slice | None = part if part.count else None
        while rest is not None:
            part, fitting = rest, self._body.fits(rest)
            if fitting:
                head, rest = (part, None) if fitting == part.count else split(part, fitting)
                self._take(head)
                if self._kept_bytes > self._most_kept:
                    closed.append(self._seal())
            elif self._parts:
                closed.append(self._seal())
            elif self._envelope is not self._full:
                # Larger than what was learned, and alone: the service judges it by itself.
                self._body = self._full.open()
            else:
                raise TargetError(
                    f"{part.file.shown}: record {part.first} does not fit into any request",
                    "this is a defect: such a record should have been rejected",
                )
        return closed

    def lower(self, size_bytes: int) -> None:
        """Bodies that are opened from now on are at most this large."""
        if size_bytes < self._envelope.limits.size_bytes:
            self._envelope = self._envelope.lowered(size_bytes)
            if not self._parts:
                self._body = self._envelope.open()

    @property
    def pending(self) -> int:
        """Records that stand in the open body or were superseded in it."""
        return sum(part.count for part in (*self._parts, *self._dropped))

    def finish(self) -> list[Batch]:
        """The last, partly filled batch, if there is one."""
        return [self._seal()] if self._parts else []

    def _take(self, part: Slice) -> None:
        _join(self._spans, part)
        if part.keys is None:
            self._parts.append(part)
            self._body.add(part)
            return
        if doubled := self._keys.keys() & set(part.keys):
            self._drop(doubled)
        self._keep(superseded_in(part))
        self._keys.update(dict.fromkeys(part.keys))
        for piece in last_of_each_key(part):
            self._parts.append(piece)
            self._body.add(piece)

    def _drop(self, keys: set[str]) -> None:
        """Take the records with these keys out of the open body."""
        self._keep([piece for part in self._parts for piece in with_keys(part, keys)])
        kept = [piece for part in self._parts for piece in without_keys(part, keys)]
        self._parts = kept
        self._body = self._envelope.open()
        for piece in kept:
            self._body.add(piece)

    def _keep(self, superseded: Sequence[Slice]) -> None:
        self._dropped += superseded
        self._kept_bytes += sum(piece.size_bytes for piece in superseded)

    def _seal(self) -> Batch:
        self._number += 1
        place = (self._number, self._offset)
        batch = _sealed(self._envelope, place, self._parts, self._dropped, self._body)
        batch = replace(batch, spans=tuple(self._spans))
        self._reset()
        return batch


def _join(spans: list[Span], part: Slice) -> None:
    """Add the span of `part`, as one with the last where it goes on."""
    last = spans[-1] if spans else None
    if last and last.file == part.file.index and last.last + 1 == part.first:
        spans[-1] = Span(last.file, last.first, part.last, last.count + part.count)
    else:
        spans.append(Span(part.file.index, part.first, part.last, part.count))


def cut(batch: Batch, at: int, envelope: Envelope) -> tuple[Batch, Batch]:
    """A batch as its first `at` records and the rest, in order, with the same number.

    What was superseded goes with the record that superseded it. Either part may be empty.
    """
    left: list[Slice] = []
    right: list[Slice] = []
    wanted = at
    for part in batch.slices:
        head, rest = split(part, min(part.count, wanted))
        wanted -= head.count
        left += [head] if head.count else []
        right += [rest] if rest.count else []
    keys = {key for part in left for key in part.keys or ()}
    low = [piece for part in batch.dropped for piece in with_keys(part, keys)]
    high = [piece for part in batch.dropped for piece in without_keys(part, keys)]
    first = _sealed(envelope, (batch.number, batch.offset), left, low)
    second = _sealed(envelope, (batch.number, batch.offset + first.count), right, high)
    return replace(first, part=2 * batch.part), replace(second, part=2 * batch.part + 1)


def halves(batch: Batch, envelope: Envelope) -> tuple[Batch, Batch]:
    """A batch of two records or more as two."""
    return cut(batch, batch.count // 2, envelope)


def earlier(batch: Batch, envelope: Envelope) -> Batch:
    """The last record that this batch's only one superseded, as a batch of its own."""
    *others, last = batch.dropped
    rest, record = split(last, last.count - 1)
    dropped = [*others, *([rest] if rest.count else [])]
    found = _sealed(envelope, (batch.number, batch.offset), [record], dropped)
    return replace(found, part=2 * batch.part)


def _sealed(
    envelope: Envelope,
    place: tuple[int, int],
    parts: list[Slice],
    dropped: list[Slice],
    body: OpenBody | None = None,
) -> Batch:
    """The batch of these parts, of which `body` is the body, if it has been made already. `place`
    is the batch's number and the offset in its whole body."""
    if body is None:
        body = envelope.open()
        for part in parts:
            body.add(part)
    pieces, size_bytes = body.seal()
    count = sum(part.count for part in parts)
    if envelope.stamp is not None:
        pieces = envelope.stamp.applied(pieces, count, *place)
    return Batch(
        number=place[0],
        offset=place[1],
        body=pieces,
        size_bytes=size_bytes,
        count=count,
        spans=spans_of(parts),
        slices=tuple(parts),
        keys=frozenset(key for part in parts for key in part.keys or ()),
        dropped=tuple(dropped),
    )
