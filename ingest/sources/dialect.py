"""How a file is spelt: CSV or NDJSON, which marks, which columns, where its data begin.

Decided on the first bytes alone (`head`), and what the settings say is never questioned. Found are:

- the format: the first character that is no white space is `{` in NDJSON; `[` is a JSON array,
  which is no file of lines and is refused; anything else is CSV;
- the delimiter, among `, ; tab |`: the one under which the records of the head, read strictly, all
  have one same number of fields, more than one. Two such: the one with more fields, then in that
  order. None: the one under which most records have as many fields as the first, if that is at
  least half of them; and failing that the comma (a file of one column);
- the quote, `"` unless the head's records enclose whole fields in `'`, most of them at least one
  field, without any fault, and enclose none in `"`;
- the escape: a backslash if only with it all records of the head have one number of fields;
- the header: there is one, unless `columns` names the columns and the first record is not exactly
  these names. Columns without any name are called column_1, column_2, ...

A header with blank or repeated names is an error that names them, before anything is sent; given
`columns`, they are not needed. Messages don't name the file: the caller, who knows it, does.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice

from msgspec import Struct
from msgspec.structs import replace

from ingest import grammar
from ingest.errors import SourceError
from ingest.job import SourceSettings
from ingest.model import Dialect, Format, Layout
from ingest.sources.columns import headed, names_of, unheaded

DELIMITERS = (",", ";", "\t", "|")
SAMPLE_RECORDS = 500


class Sniffed(Struct, frozen=True):
    """How a file is spelt. Data start at `head[data_start]`, in physical line `data_line`.

    `notes` are sentences for people, about what was found rather than said in the settings.
    An empty file has no columns.
    """

    format: Format
    dialect: Dialect
    columns: tuple[str, ...]
    data_start: int
    data_line: int
    notes: tuple[str, ...] = ()

    @property
    def layout(self) -> Layout:
        """What its blocks are read by."""
        return Layout(self.format, self.columns, self.dialect)


def sniff(head: bytes, settings: SourceSettings, *, final: bool) -> Sniffed | None:
    """How the file that starts with `head` (UTF-8, without byte order mark) is spelt.

    `final`: the file ends there. None: the header is longer than `head`, so read more of it.
    Raises SourceError for an array or a header that can't be used, SettingsError where the settings
    don't fit the file.
    """
    start = _skip_rows(head, settings.skip_rows)
    body = head[start:] if start is not None else b""
    if start is None or not body.strip():
        return _nothing(head, settings, final)
    if _format(body, settings) == "ndjson":
        return Sniffed("ndjson", Dialect(), (), start, 1 + settings.skip_rows)
    dialect, notes = _dialect(body, settings, final)
    return _with_columns(head, start, settings, final, dialect, notes)


def check(first: Sniffed, head: bytes, settings: SourceSettings, *, final: bool) -> Sniffed | None:
    """The columns of a later file, spelt like the `first` one that had any. Answers like `sniff`.

    The order of the columns, and the columns themselves, may differ: that is another layout.
    """
    if first.format == "csv" and not first.columns:
        return sniff(head, settings, final=final)
    start = _skip_rows(head, settings.skip_rows)
    body = head[start:] if start is not None else b""
    if start is None or not body.strip():
        nothing = _nothing(head, settings, final)
        return nothing and replace(
            first, data_start=nothing.data_start, data_line=nothing.data_line, notes=()
        )
    if (found := _format(body, settings)) != first.format:
        raise SourceError(
            f"is {found.upper()}, but the first file is {first.format.upper()}",
            "give files of another format a job of their own",
        )
    if found == "ndjson":
        return replace(first, data_start=start, data_line=1 + settings.skip_rows, notes=())
    sniffed = _with_columns(head, start, settings, final, first.dialect)
    if sniffed and len(sniffed.columns) == 1 < len(first.columns):
        others = [d for d in DELIMITERS if d != first.dialect.delimiter]
        if rival := _best(body, others, first.dialect, final):
            shown = _shown(first.dialect.delimiter), _shown(rival.dialect.delimiter)
            note = "has one column with the first file's delimiter, {}; with {} it would have more"
            return replace(sniffed, notes=(note.format(*shown),))
    return sniffed


def _skip_rows(head: bytes, rows: int) -> int | None:
    """Where the line behind the first `rows` physical lines starts; None: not in the head."""
    position = 0
    for _ in range(rows):
        if not (line := grammar.LINE_END.search(head, position)):
            return None
        position = line.end()
    return None if head[:position].endswith(b"\r") and position == len(head) else position


def _nothing(head: bytes, settings: SourceSettings, final: bool) -> Sniffed | None:
    """The answer where the head holds no record: an empty file, or too short a head."""
    if not final:
        if len(head) < settings.max_record_bytes:
            return None
        raise SourceError(
            f"no header in the first {len(head):,} bytes",
            "check the quotes of the header, or raise [source] max_record_bytes",
        )
    format_: Format = "ndjson" if settings.format == "ndjson" else "csv"
    dialect = _given(settings) if format_ == "csv" else Dialect()
    lines = grammar.count_lines(head)
    return Sniffed(format_, dialect, settings.columns or (), len(head), 1 + lines)


def _format(body: bytes, settings: SourceSettings) -> Format:
    if settings.format == "csv":
        return "csv"
    first = body.lstrip()[:1]
    if first == b"[":
        raise SourceError(
            "starts with [: an array, not lines",
            "make it lines with jq -c '.[]'"
            + (' (if it is CSV, set format = "csv")' if settings.format == "auto" else ""),
        )
    return "ndjson" if first == b"{" or settings.format == "ndjson" else "csv"


def _given(settings: SourceSettings) -> Dialect:
    """The dialect as far as the settings say it, with the commonest marks for the rest."""
    taken = {settings.delimiter, settings.escape, settings.comment}
    quote = settings.quote
    if quote is None:
        quote = "" if '"' in taken else '"'
    delimiter = settings.delimiter or next(d for d in DELIMITERS if d not in {quote, *taken})
    return Dialect(delimiter, quote or None, settings.escape or None, settings.comment or None)


class _Sample(Struct, frozen=True):
    """The head's first whole records under a dialect; `counts` of fields, 0 where in trouble."""

    dialect: Dialect
    records: Sequence[bytes]
    counts: Sequence[int]

    @property
    def sound(self) -> bool:
        """All records have one same number of fields."""
        return len(set(self.counts)) == 1 and self.counts[0] > 0

    @property
    def agreeing(self) -> float:
        """The share of records with as many fields as the first, if that is more than one."""
        if not self.counts or self.counts[0] < 2:
            return 0.0
        return self.counts.count(self.counts[0]) / len(self.counts)


def _sample(body: bytes, dialect: Dialect, final: bool) -> _Sample:
    extents = list(islice(grammar.split(body, dialect, final=final), SAMPLE_RECORDS))
    records = [body[extent.start : extent.stop] for extent in extents]
    counts = [
        0 if extent.trouble else grammar.field_count(record, dialect)
        for extent, record in zip(extents, records, strict=True)
    ]
    return _Sample(dialect, records, counts)


def _best(body: bytes, delimiters: Sequence[str], dialect: Dialect, final: bool) -> _Sample | None:
    """The sample under the best of these delimiters; None if none makes more than one column."""
    samples = [
        _sample(body, replace(dialect, delimiter=delimiter), final)
        for delimiter in delimiters
        if delimiter.encode() in body
    ]
    sound = [s for s in samples if s.sound and s.counts[0] > 1]
    if sound:
        return max(sound, key=lambda s: s.counts[0])
    likely = [s for s in samples if s.agreeing >= 0.5]
    return max(likely, key=lambda s: s.agreeing, default=None)


def _dialect(body: bytes, settings: SourceSettings, final: bool) -> tuple[Dialect, tuple[str, ...]]:
    """The dialect, and sentences about what of it was found out."""
    given = _given(settings)
    marks = {given.quote, given.escape, given.comment}
    candidates = [settings.delimiter] if settings.delimiter else DELIMITERS
    delimiters = [d for d in candidates if d not in marks]

    def under(dialect: Dialect) -> _Sample:
        return _best(body, delimiters, dialect, final) or _sample(body, dialect, final)

    usual = under(given)
    found, free = usual.dialect, marks | {settings.delimiter}
    if settings.quote is None and "'" not in free and b"'" in body:
        single = under(replace(given, quote="'"))
        found = single.dialect if _encloses_fields(single, body) else found
    if settings.escape is None and "\\" not in free and b'\\"' in body and not usual.sound:
        escaped = under(replace(given, escape="\\"))
        found = escaped.dialect if escaped.sound else found
    notes = [
        f"found {_shown(getattr(found, name))} as the {name}"
        for name in ("delimiter", "quote", "escape")
        if getattr(found, name) != getattr(given, name)
    ]
    return found, tuple(notes)


def _encloses_fields(sample: _Sample, body: bytes) -> bool:
    """Whether the sample's quote, and not `"`, is what this file encloses its fields in."""
    if not sample.sound or _opens_field('"', sample.dialect, body):
        return False
    data = sample.records[1:]
    enclosed = sum(_opens_field("'", sample.dialect, record) for record in data)
    return enclosed > len(data) / 2


def _opens_field(quote: str, dialect: Dialect, text: bytes) -> bool:
    delimiter = re.escape(dialect.delimiter.encode())
    return re.search(rb"(?:\A|[\r\n%b])%b" % (delimiter, quote.encode()), text) is not None


def _shown(mark: str) -> str:
    return {"\t": "a tab"}.get(mark, mark)


def _with_columns(
    head: bytes,
    start: int,
    settings: SourceSettings,
    final: bool,
    dialect: Dialect,
    notes: tuple[str, ...] = (),
) -> Sniffed | None:
    """The columns, by the header or without one, and where the data start."""
    limit = settings.max_record_bytes
    extents = grammar.split(head, dialect, final=final, max_record_bytes=limit, start=start)
    first = next(extents, None)
    if first is None:
        return _nothing(head, settings, final)
    names = None if first.trouble else names_of(head[first.start : first.stop], dialect)
    header = settings.header
    if header is None:
        header = settings.columns is None or names == settings.columns
    if header:
        line = 1 + grammar.count_lines(head, 0, first.start)
        columns, data_start = headed(names, first, line, settings), first.end
    else:
        counts = _sample(head[start:], dialect, final).counts
        columns, data_start = unheaded(counts, settings), start
    data_line = 1 + grammar.count_lines(head, 0, data_start)
    return Sniffed("csv", dialect, columns, data_start, data_line, notes)
