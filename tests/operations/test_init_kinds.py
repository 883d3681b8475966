"""Files of which a draft would name the columns wrongly, or that have nothing in common."""

from __future__ import annotations

import pytest

from ingest.errors import SettingsError
from ingest.job import SourceSettings
from ingest.model import FileInfo, Layout
from ingest.operations.init_header import header_of
from ingest.operations.init_kinds import check_related, check_same
from ingest.sources.headers import Head


def held_against(first: str, *others: str) -> None:
    """Hold other files against the first one's header."""
    settings = SourceSettings(paths=("x",))
    heads = [
        (FileInfo(number, f"{number}.csv"), Head(text.encode(), final=True))
        for number, text in enumerate((first, *others))
    ]
    row = header_of(first.encode(), settings, final=True).row
    assert row is not None
    check_same(heads[0], heads[1:], row, settings)


BLANK = ",a,b\n1,2,3\n2,3,4\n"
SHORT = "a,b\n1,2,3\n2,3,4\n"
TITLED = "A title\nAnother\n" + BLANK


@pytest.mark.parametrize("first", [BLANK, SHORT, TITLED])
def test_the_same_header(first: str):
    """However few records follow, however its names are quoted; empty files have none."""
    last = first.splitlines()[-3]
    held_against(first, first, first.replace(last, last.replace("a", '"a"')), "", "\n")
    held_against(first, first.removesuffix("2,3,4\n"))


@pytest.mark.parametrize("first", [BLANK, SHORT, TITLED])
@pytest.mark.parametrize("change", [("b", "c"), ("a,b", "b,a"), ("a,b", "a,b,c")])
def test_another_header(first: str, change: tuple[str, str]):
    """Other names, another order, one more: each would be read under the first one's names."""
    with pytest.raises(SettingsError, match=r"2\.csv: its header is not that of 0\.csv"):
        held_against(first, first, first.replace(*change))


def test_a_file_that_ends_before_the_header():
    """Its lines are none that the first file's titles are."""
    with pytest.raises(SettingsError, match=r"1\.csv"):
        held_against(TITLED, "A title\n")


@pytest.mark.parametrize(
    ("columns", "refused"),
    [
        (["ab"], False),
        (["ab", "bc"], False),
        (["ab", "cd"], True),
        (["ab", "bc", "ca"], True),
        (["abx", "bcx", "cax"], False),
    ],
)
def test_a_column_of_all(columns: list[str], refused: bool):
    """One is enough; without any no row is whole."""
    layouts = {Layout("csv", tuple(one)): f"{one}.csv" for one in columns}
    if not refused:
        check_related(layouts)
        return
    with pytest.raises(SettingsError, match=rf"ab\.csv, {columns[-1]}\.csv") as caught:
        check_related(layouts)
    assert "each kind" in caught.value.hint


def test_objects_have_no_columns():
    """NDJSON names its members in each record."""
    check_related({Layout("ndjson"): "a.ndjson"})
