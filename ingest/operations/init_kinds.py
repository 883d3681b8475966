"""Whether the files that a job is drafted for are of one kind. Pure.

A run takes files with other columns than the first one's, as long as they share some. Two things it
would not notice: names that a draft gives to columns hold for every file, whatever its own header
says, so that values would come to stand under another file's names; and files that have no column
in common make a table of which every row is empty in most columns. Both are refused here, where a
person is still looking.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ingest.errors import SettingsError
from ingest.job import SourceSettings
from ingest.model import FileInfo, Layout
from ingest.operations.init_header import heading
from ingest.sources.headers import Head

HINT = "make a job for each kind of file: give init those of one header at a time"


def check_same(
    first: tuple[FileInfo, Head],
    others: Iterable[tuple[FileInfo, Head]],
    row: int,
    settings: SourceSettings,
) -> None:
    """Raise SettingsError for a file that has not the first one's header in its record `row`."""
    measure, head = first
    wanted = heading(head.text, settings, row, final=head.final)
    for file, one in others:
        if one.empty or heading(one.text, settings, row, final=one.final) == wanted:
            continue
        raise SettingsError(
            f"{file.shown}: its header is not that of {measure.shown}, of which some columns have"
            " no name or the same one, and would be named for all files alike",
            HINT,
        )


def check_related(layouts: Mapping[Layout, str]) -> None:
    """Raise SettingsError for CSV files that have not one column in common. `layouts` names a file
    of each."""
    (first, shown), *others = layouts.items()
    common = set(first.columns).intersection(*(layout.columns for layout, _ in others))
    if others and first.format == "csv" and not common:
        more = " and others" if len(others) > 1 else ""
        raise SettingsError(
            f"no column stands in all of the files {shown}, {others[-1][1]}{more}", HINT
        )
