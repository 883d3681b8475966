"""Slices made by hand, and bodies taken apart again."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from ingest.model import Batch, FileInfo, Limits, Slice
from ingest.pack import MemoryEnvelope, Packer

FILES = tuple(FileInfo(index, f"f{index}.csv") for index in range(5))
RECORD = st.binary(max_size=12).map(lambda b: b.replace(b"\n", b""))
HEAD, TAIL = b'{"records":[\n', b"\n]}"


def envelope_of(records: int = 10**9, size: int = 10**9, end: bytes = b",\n") -> MemoryEnvelope:
    """Framing like an API's array, or bare lines."""
    if end == b"\n":
        return MemoryEnvelope(b"", b"", end, Limits(records, size))
    return MemoryEnvelope(HEAD, TAIL, end, Limits(records, size))


def slice_of(
    records: Sequence[bytes],
    file: FileInfo = FILES[0],
    first: int = 1,
    rejected: Sequence[int] = (),
    end: bytes = b",\n",
    keys: Sequence[str] | None = None,
) -> Slice:
    """Records with rejects among them, lying somewhere in a larger buffer."""
    data = b"".join(record + end for record in records)
    noise = b"zz" + end
    last = first + len(records) + len(rejected) - 1
    return Slice(
        file=file,
        buffer=noise + data + noise,
        start=len(noise),
        end=len(noise) + len(data),
        count=len(records),
        first=first,
        last=last,
        rejected=tuple(sorted(rejected)),
        keys=None if keys is None else tuple(keys),
    )


def records_in(part: Slice, end: bytes = b",\n") -> list[bytes]:
    """The records that a slice holds."""
    return bytes(part.view).split(end)[:-1]


def numbers_in(part: Slice) -> list[int]:
    """The numbers of the records that a slice holds."""
    return [n for n in range(part.first, part.last + 1) if n not in part.rejected]


def body_of(batch: Batch) -> bytes:
    """The whole body."""
    return b"".join(batch.body)


def records_of(batch: Batch, end: bytes = b",\n") -> list[bytes]:
    """The records of a body, framing checked and taken off."""
    body = body_of(batch)
    assert len(body) == batch.size_bytes
    if end == b"\n":
        return body.split(end)[:-1]
    assert body.startswith(HEAD)
    assert body.endswith(TAIL)
    inner = body[len(HEAD) : len(body) - len(TAIL)]
    return inner.split(end)


@st.composite
def slices(draw: st.DrawFn, end: bytes = b",\n", keyed: bool = False) -> list[Slice]:
    """Slices of a few files in order, rejects and gaps among them."""
    made = []
    for file in FILES[: draw(st.integers(1, 4))]:
        first = 1
        for _ in range(draw(st.integers(0, 3))):
            records = draw(st.lists(RECORD, max_size=6))
            total = len(records) + draw(st.integers(0, 3))
            places = draw(st.permutations(range(first, first + total)))
            rejected = places[: total - len(records)]
            names = st.sampled_from(["a", "b", "c", "d", "e"])
            keys = [draw(names) for _ in records] if keyed else None
            if records:
                made.append(slice_of(records, file, first, rejected, end, keys))
            first += total
    return made


def packed(envelope: MemoryEnvelope, parts: Sequence[Slice]) -> list[Batch]:
    """All batches of these slices."""
    packer = Packer(envelope)
    batches = [batch for part in parts for batch in packer.add(part)]
    return batches + packer.finish()


def runs(parts: Sequence[Slice]) -> list[tuple[int, bytes]]:
    """Numbers and records of some slices."""
    return [pair for p in parts for pair in zip(numbers_in(p), records_in(p), strict=True)]


def assert_spans(batches: Sequence[Batch], parts: Sequence[Slice]) -> None:
    """Each record that was not rejected stands in exactly one span, and the counts agree."""
    answered: list[tuple[int, int]] = []
    rejected = {(p.file.index, n) for p in parts for n in p.rejected}
    for batch in batches:
        inside = [
            (span.file, n)
            for span in batch.spans
            for n in range(span.first, span.last + 1)
            if (span.file, n) not in rejected
        ]
        assert sum(span.count for span in batch.spans) == len(inside) == batch.records
        answered += inside
    assert answered == [(p.file.index, n) for p in parts for n in numbers_in(p)]
