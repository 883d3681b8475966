"""Looking at the input for `ingest init`: the heads, then all records or a bounded sample.

The whole input goes through `FileSource`, as in a run. A sample's middle and end are read from
inside of files: the first bytes there belong to a record that began before, so they are passed over
until records of the layout's width follow one another. Nothing is held but the evidence.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from itertools import islice
from pathlib import Path

from anyio import to_thread
from msgspec import Struct
from msgspec.structs import replace

from ingest import grammar
from ingest.errors import SettingsError
from ingest.job import SourceSettings
from ingest.model import Block, FileInfo, Layout
from ingest.operations.init_header import Header, header_of
from ingest.operations.init_kinds import check_related, check_same
from ingest.operations.init_look import Look
from ingest.operations.init_sample import PLACE_BYTES, PLACES, Input, Part, is_small, parts
from ingest.operations.init_seen import Seen
from ingest.shape.shaped import pseudo_value
from ingest.sources.compression import MAGIC_BYTES, codec_of
from ingest.sources.discover import Place, discover
from ingest.sources.encoding import Encoding, Transcoder
from ingest.sources.files import FileSource
from ingest.sources.headers import Headers, read_head, settle
from ingest.sources.outcome import Reading
from ingest.sources.pieces import FileCutter, seal_all
from ingest.sources.plain import texts
from ingest.sources.whole import read_sample

TRIED_LINES = 200
TRIED_RECORDS = 20
SAME_FILES = 50  # so many are looked at to see whether they share an encoding
_FROM_ANYWHERE = frozenset({"utf-8", "cp1252", "iso8859-1"})

Note = Callable[[str], None]


class Looked(Struct, frozen=True):
    """What was seen, and the settings that it was read by, with those found out to be needed."""

    seen: Seen
    source: SourceSettings
    header: Header
    files: int


async def look(settings: SourceSettings, base: Path, sample: int | None, note: Note) -> Looked:
    """Look at the input, at about `sample` records of it where that is given.

    Raises SettingsError or SourceError for what a run could not read either, or holds nothing.
    """
    notes: list[str] = []
    inputs = await to_thread.run_sync(_inputs, settings, base)
    header = await to_thread.run_sync(_header, settings, inputs)
    settings = SourceSettings.model_validate(
        {**settings.model_dump(exclude_unset=True), **header.settings}
    )
    source = FileSource(settings, base, notes.append, fingerprint=False)
    prepared = await source.prepare(0)
    if not prepared.layouts:
        raise SettingsError("there are no records to look at", "give init data of the kind to load")
    check_related(prepared.layouts)
    whole = sample is None and is_small([one for _, _, one in inputs])
    found = Look()
    if whole:
        async with source.opened():
            async for block in source.blocks():
                await to_thread.run_sync(found.take, block)
    else:
        reading = Reading(settings, Headers(settings), fingerprint=False)
        await to_thread.run_sync(_sample, found, reading, inputs, sample)
    for said in notes:
        note(said)
    stems = [pseudo_value("@stem", file) for file in prepared.files]
    seen = Seen(found, prepared.layouts, whole, stems, notes)
    return Looked(seen, settings, header, len(prepared.files))


Inputs = Sequence[tuple[FileInfo, Place, Input]]


def _inputs(settings: SourceSettings, base: Path) -> Inputs:
    found = discover(settings, base)
    if any(not file.regular for file in found.files):
        raise SettingsError(
            "a pipe can't be looked at and loaded afterwards: what was read of it is gone",
            "give init a file: a part of the data will do",
        )
    return [
        (file, place, Input(file.size_bytes or 0, _is_plain(place)))
        for file, place in zip(found.files, found.places, strict=True)
    ]


def _header(settings: SourceSettings, inputs: Inputs) -> Header:
    """What has to be said of the first file's header, and of the encoding that the files share."""
    found, heads = Header(), ((file, read_head(file, place, settings)) for file, place, _ in inputs)
    for file, head in heads:
        if not head.empty:
            found = header_of(head.text, settings, final=head.final)
            if found.row is not None:
                check_same((file, head), heads, found.row, settings)
            break
    names = {_encoding_name(file, place, settings) for file, place, _ in inputs[:SAME_FILES]}
    if settings.encoding is not None or len(names) > 1 or not any(names):
        return found
    why = f"The encoding was found out from the bytes. {found.why}".strip()
    return replace(found, settings={**found.settings, "encoding": names.pop()}, why=why)


def _encoding_name(file: FileInfo, place: Place, settings: SourceSettings) -> str:
    """The encoding to be named: none of UTF-8, and of a file that says its own by a mark."""
    found = _encoding(file, place, Reading(settings, Headers(settings), fingerprint=False))
    return "" if found.bom_bytes or found.name == "utf-8" else found.name


def _is_plain(place: Place) -> bool:
    if place.window:
        return False
    with Path(place.path).open("rb") as file:
        return codec_of(file.read(MAGIC_BYTES)) is None


def _sample(found: Look, reading: Reading, inputs: Inputs, records: int | None) -> None:
    """Look at the start, the middle and the end, at a third of `records` in each."""
    _settle_first(reading, inputs)
    place_bytes, each = PLACE_BYTES, None
    if records is not None:
        each = -(-records // PLACES)
        place_bytes = min(PLACE_BYTES, (each + 1) * _record_bytes(reading, inputs) * 2)
    left = dict.fromkeys(range(PLACES), each)
    for part in parts([one for _, _, one in inputs], place_bytes):
        file, place, _ = inputs[part.index]
        for block in _blocks(file, place, part, reading):
            still = left[part.place]
            if still is not None and records is not None:
                still = min(still, records - found.records)
            taken = found.take(block, still)
            if still is not None:
                left[part.place] = still - taken


def _settle_first(reading: Reading, inputs: Inputs) -> None:
    """Let the first file that holds anything be the measure of the others."""
    for file, place, _ in inputs:
        head_of = partial(read_head, file, place, reading.settings)
        if settle(file, head_of, reading.headers.of) is not None:
            return


def _record_bytes(reading: Reading, inputs: Inputs) -> int:
    """About how long a record is."""
    pairs = [(file, place) for file, place, _ in inputs]
    sample = read_sample(pairs, reading, 64 * 1024)
    lines = sum(block.data.count(b"\n") for block in sample)
    return sum(len(block.data) for block in sample) // max(lines, 1) + 1


def _blocks(file: FileInfo, place: Place, part: Part, reading: Reading) -> Sequence[Block]:
    """The whole records of a part of a file."""
    head_of = partial(read_head, file, place, reading.settings)
    sniffed = settle(file, head_of, reading.headers.of)
    encoding = _encoding(file, place, reading)
    if sniffed is None:
        return ()
    if encoding.name not in _FROM_ANYWHERE or not _is_plain(place):
        return read_sample([(file, place)], reading, part.size_bytes) if part.start == 0 else ()
    raw = _read(place, part)
    if part.start == 0:
        raw = raw[encoding.bom_bytes :]
    text, _ = Transcoder(encoding.name, file.shown).feed(raw)
    if part.start:
        start = _first_border(text, sniffed.layout)
        if start is None:
            return ()
        text, sniffed = text[start:], replace(sniffed, data_start=0, data_line=1)
    cutter = FileCutter(file, sniffed, Encoding("utf-8"), reading.settings)
    pieces = cutter.feed(text)
    is_end = part.start + part.size_bytes == file.size_bytes
    pieces += cutter.finish() if is_end else cutter.break_off()
    return seal_all(pieces, reading.settings.block_bytes)


def _encoding(file: FileInfo, place: Place, reading: Reading) -> Encoding:
    intake = reading.intake(file, place)
    with closing(texts(place, intake, file.shown)) as pieces:
        next(pieces, b"")
    return intake.encoding or Encoding("utf-8")


def _read(place: Place, part: Part) -> bytes:
    descriptor = os.open(place.path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.pread(descriptor, part.size_bytes, part.start)
    finally:
        os.close(descriptor)


def _first_border(text: bytes, layout: Layout) -> int | None:
    """Where records begin in a text that begins anywhere; None where none can be made out."""
    lines = islice(grammar.LINE_END.finditer(text), TRIED_LINES)
    for line in lines:
        start = line.end()
        if layout.format == "ndjson" or _is_border(text, start, layout):
            return start
    return None


def _is_border(text: bytes, start: int, layout: Layout) -> bool:
    """Whether the records that would begin here all are of the layout's width."""
    body = text[start : start + 256 * 1024]
    extents = list(islice(grammar.split(body, layout.dialect, final=False), TRIED_RECORDS))
    return bool(extents) and all(
        one.trouble is None
        and grammar.field_count(body[one.start : one.stop], layout.dialect) == len(layout.columns)
        for one in extents
    )
