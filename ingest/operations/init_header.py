"""A header that a run would refuse or misread, and what to say in `[source]` about it. Pure.

`sources.dialect` takes the first record for the header and refuses blank and repeated names, as it
must: a loader does not guess. Here a person reads what is proposed, so three things are: names for
columns that have none (a table written with its row numbers), names for all where the first record
is data like the others, and to leave out first lines that are no part of the table.

Columns that are named so are those of every file, whatever its own header says: so `heading` is
asked of each file, and names for files of two headers are not proposed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import islice, pairwise
from typing import Any

from msgspec import Struct, field

from ingest import grammar
from ingest.job import SourceSettings
from ingest.model import Dialect
from ingest.operations.init_names import free
from ingest.shape.values import NUMBER
from ingest.sources.columns import names_of
from ingest.sources.dialect import sniff

MOST_TITLES = 20
RECORDS = 200
FEW_RECORDS = 5
DOUBT = "LOOK AT THIS: "


class Header(Struct, frozen=True):
    """Settings for `[source]`, and the sentence about them; nothing where none are needed.

    `row` (from 0) is the record that holds the header for which `columns` stand, None where there
    is none."""

    settings: dict[str, Any] = field(default_factory=dict)
    why: str = ""
    row: int | None = None


def header_of(head: bytes, settings: SourceSettings, *, final: bool) -> Header:
    """What to say of the header of the file that begins with `head` (UTF-8, no mark)."""
    said = settings.model_fields_set & {"header", "columns", "skip_rows"}
    if said or settings.format == "ndjson" or not head.strip() or head.lstrip()[:1] in (b"{", b"["):
        return Header()
    bare = settings.model_copy(update={"header": False, "format": "csv"})
    found = sniff(head, bare, final=final)
    if found is None:
        return Header()
    records = _records(head[found.data_start :], found.dialect, final=final)
    usual = Counter(map(len, records[1:])).most_common(1)
    if len(records) < 2 or not usual:
        return Header()
    width = usual[0][0]
    if settings.delimiter is None and (found_blanks := _by_blanks(records, width)).settings:
        return found_blanks
    first = next((i for i, one in enumerate(records) if len(one) in (width, width - 1)), 0)
    first = first if len(records[first]) == width or first == 0 else 0
    if width > 1 and len(records[0]) not in (width, width - 1) and 0 < first <= MOST_TITLES:
        return _without_titles(records, first)
    return _named(records[0], records[1:], width)


def heading(
    head: bytes, settings: SourceSettings, row: int, *, final: bool
) -> tuple[str, ...] | None:
    """The header of the file that begins with `head`, as it stands there; None where it ends before
    its record `row`."""
    bare = settings.model_copy(update={"header": False, "format": "csv"})
    found = sniff(head, bare, final=final)
    if found is None:
        return None
    records = _records(head[found.data_start :], found.dialect, final=final)
    return records[row] if row < len(records) else None


def _records(body: bytes, dialect: Dialect, *, final: bool) -> list[tuple[str, ...]]:
    extents = islice(grammar.split(body, dialect, final=final), RECORDS)
    texts = (body[one.start : one.stop] for one in extents if one.trouble is None)
    return [names for text in texts if (names := names_of(text, dialect)) is not None]


def _without_titles(records: Sequence[tuple[str, ...]], first: int) -> Header:
    """The table begins at record `first`: what stands before is left out."""
    rest = _named(records[first], records[first + 1 :], len(records[first]))
    settings = {**rest.settings, "skip_rows": first + rest.settings.get("skip_rows", 0)}
    plural = "s are" if first > 1 else " is"
    why = f"The first {first} line{plural} no part of the table: of another number of fields."
    row = None if rest.row is None else first + rest.row
    return Header(settings, f"{why} {rest.why}".strip(), row)


def _named(names: tuple[str, ...], data: Sequence[tuple[str, ...]], width: int) -> Header:
    if len(names) == width - 1 > 0:
        columns = _filled(("", *names))
        why = "The header has a name less than the records have fields: row numbers come first."
        return Header({"skip_rows": 1, "header": False, "columns": columns}, why, 0)
    if len(names) != width:
        return Header()
    if _is_data(names, data):
        columns = [f"column_{number}" for number in range(1, width + 1)]
        why = "The first record looks like the others, so there is no header: name the columns."
        return Header({"header": False, "columns": columns}, why)
    columns = _filled(names)
    if columns == list(names):
        return Header(why=_odd(names))
    why = "The header has columns without a name, or two of one name: here they have one each."
    return Header({"header": True, "columns": columns}, why, 0)


def _odd(names: Sequence[str]) -> str:
    """What a person should know of a header that is taken as it is."""
    numbers = [name for name in names if _is_number(name)]
    if not numbers or len(numbers) > len(names) / 2:
        return ""
    return f"{DOUBT}the header has a number for a name ({numbers[0]}): perhaps it is none."


def _by_blanks(records: Sequence[tuple[str, ...]], width: int) -> Header:
    """Columns of numbers with one blank between them, which nobody finds by himself."""
    parts = [record[0].split(" ") for record in records if len(record) == 1]
    data = parts[1:]
    same = width == 1 and len(data) >= FEW_RECORDS and len({len(one) for one in data}) == 1
    if not same or len(data[0]) < 2 or not all(_is_number(text) for one in data for text in one):
        return Header()
    rest = _named(tuple(parts[0]), [tuple(one) for one in data], len(data[0]))
    why = f"There is a blank between the numbers of each line. {rest.why}".strip()
    return Header({"delimiter": " ", **rest.settings}, why, rest.row)


def _is_data(names: tuple[str, ...], data: Sequence[tuple[str, ...]]) -> bool:
    """Whether numbers stand where the columns below have numbers, in most of such columns.

    Years are names often enough (a column for each), so a sequence of whole numbers is no proof.
    """
    numeric = [
        place
        for place in range(len(names))
        if data and all(_is_number(record[place]) for record in data if len(record) == len(names))
    ]
    numbers = [names[place].strip() for place in numeric if _is_number(names[place])]
    if numbers and all(text.isdigit() for text in numbers):
        steps = {int(after) - int(before) for before, after in pairwise(numbers)}
        if steps == {1} and len(numbers) > 2:
            return False
    return len(numbers) > len(numeric) / 2


def _is_number(text: str) -> bool:
    match = NUMBER.match(text.strip())
    return match is not None and bool(match[2] or match[3])


def _filled(names: Sequence[str]) -> list[str]:
    used: set[str] = set()
    columns = []
    for number, name in enumerate(names, 1):
        wanted = name if name.strip() else f"column_{number}"
        columns.append(wanted if wanted not in used else free(wanted, {u.casefold() for u in used}))
        used.add(columns[-1])
    return columns
