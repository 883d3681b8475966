"""Files read whole in a worker thread: small ones for the run, the first ones for the sample.

A hop to a thread costs 0.1 ms, and a file of 10 KB is read, hashed and cut in about as long, so
small files are read many at a time in one hop. They give the very pieces that a `Feed` and a
`FileCutter` would give.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing

from ingest.errors import SourceError
from ingest.model import Block, FileInfo
from ingest.sources.at_once import read_at_once
from ingest.sources.discover import Place
from ingest.sources.encoding import Encoding
from ingest.sources.headers import Head, settle
from ingest.sources.outcome import Outcome, Reading
from ingest.sources.pieces import FileCutter, Piece, seal_all
from ingest.sources.plain import texts

SMALL_TEXT_BYTES = 4 * 1024 * 1024


def read_many(inputs: Sequence[tuple[FileInfo, Place]], reading: Reading) -> list[Outcome]:
    """Read the first of these small files, up to `SMALL_TEXT_BYTES` of text together. Blocks."""
    outcomes: list[Outcome] = []
    size = 0
    for file, place in inputs:
        outcomes.append(read_whole(file, place, reading))
        size += sum(len(piece.cut.data) for piece in outcomes[-1].pieces)
        if size > SMALL_TEXT_BYTES or outcomes[-1].too_large:
            break
    return outcomes


def read_whole(file: FileInfo, place: Place, reading: Reading) -> Outcome:
    """Read and cut one small file. Blocks; raises nothing for what is wrong with the file."""
    return read_at_once(file, place, reading) or _read_with_care(file, place, reading)


def _read_with_care(file: FileInfo, place: Place, reading: Reading) -> Outcome:
    outcome = Outcome(file)
    intake = reading.intake(file, place)
    parts: list[bytes] = []
    size = 0
    try:
        with closing(texts(place, intake, file.shown, notes=outcome.notes)) as pieces:
            for text in pieces:
                parts.append(text)
                size += len(text)
                if size > SMALL_TEXT_BYTES:
                    return Outcome(file, too_large=True)
    except SourceError as exc:
        outcome.error = exc
    whole = outcome.error is None
    outcome.facts = intake.facts(file, whole=whole)
    outcome.guess = intake.encoding.note if intake.encoding else ""
    try:
        outcome.pieces = cut_whole(outcome, b"".join(parts), intake.encoding, reading)
    except SourceError as exc:
        outcome.error = outcome.error or exc
    return outcome


def cut_whole(
    outcome: Outcome, text: bytes, found: Encoding | None, reading: Reading, *, final: bool = True
) -> list[Piece]:
    """The whole records of a file's text. `final`: it is all of it (if it did not break off)."""
    final = final and outcome.error is None

    def head_of(size: int) -> Head:
        return Head(text[:size], final and size >= len(text), outcome.error)

    sniffed = settle(outcome.file, head_of, reading.ask)
    if sniffed is None:
        return []
    cutter = FileCutter(outcome.file, sniffed, found or Encoding("utf-8"), reading.settings)
    return cutter.feed(text) + (cutter.finish() if final else cutter.break_off())


def read_sample(
    inputs: Iterable[tuple[FileInfo, Place]], reading: Reading, size_bytes: int
) -> tuple[Block, ...]:
    """About the first `size_bytes` of these regular files' text, as blocks.

    Ends at a file of another layout. What is wrong with a file is left for the run to say.
    """
    taken: list[Piece] = []
    left, layout = size_bytes, None
    for file, place in inputs:
        pieces = _sample_of(file, place, reading, left)
        if pieces and layout not in (None, pieces[0].layout):
            break
        layout = pieces[0].layout if pieces else layout
        taken += pieces
        left -= sum(len(piece.cut.data) for piece in pieces)
        if left <= 0:
            break
    return seal_all(taken, reading.settings.block_bytes)


def _sample_of(file: FileInfo, place: Place, reading: Reading, size_bytes: int) -> list[Piece]:
    intake = reading.intake(file, place)
    parts: list[bytes] = []
    final = False
    try:
        with closing(texts(place, intake, file.shown)) as pieces:
            for text in pieces:
                parts.append(text)
                if sum(map(len, parts)) > size_bytes:
                    break
            else:
                final = True
        return cut_whole(Outcome(file), b"".join(parts), intake.encoding, reading, final=final)
    except SourceError:
        return []
