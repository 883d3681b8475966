"""Headers that a run would refuse or misread, and what is said instead."""

from __future__ import annotations

import pytest

from ingest.job import SourceSettings
from ingest.operations.init_header import header_of

DATA = "5.1,3.5,x\n4.9,3.0,y\n4.7,3.2,z\n"


def said(text: str, **settings: object) -> dict[str, object]:
    """The settings for a file of this text."""
    source = SourceSettings.model_validate({"paths": "x", **settings})
    return header_of(text.encode(), source, final=True).settings


@pytest.mark.parametrize(
    "text",
    [
        "", "a,b\n", "a,b\n1,2\n", "a\nx\n", '{"a": 1}\n{"a": 2}\n', "[1, 2]\n", "a,b\n1,2\n1\n",
        "year,2001,2002,2003\nx,1,2,3\n", "a b\nc d\n",
    ],
)  # fmt: skip
def test_nothing_is_said_where_nothing_is_wrong(text: str):
    """Years in a header are names; one ragged record is none of the header's."""
    assert said(text) == {}


def test_columns_without_a_name():
    """Row numbers, as R writes them; and names that stand twice."""
    assert said("\"\",mpg,mpg\nMazda,21,6\n") == {
        "header": True, "columns": ["column_1", "mpg", "mpg_2"],
    }  # fmt: skip


def test_a_name_less_than_fields():
    """Row numbers without even an empty name."""
    assert said("mpg,cyl\nMazda,21,6\nFiat,22,4\n") == {
        "skip_rows": 1, "header": False, "columns": ["column_1", "mpg", "cyl"],
    }  # fmt: skip


def test_no_header():
    """The first record is data like the others."""
    assert said(DATA) == {"header": False, "columns": ["column_1", "column_2", "column_3"]}


@pytest.mark.parametrize("lines", [1, 2, 3])
def test_titles(lines: int):
    """First lines of another width are no part of the table."""
    titles = "".join(f"Report {n}\n" for n in range(lines))
    assert said(titles + "a,b,c\n" + DATA) == {"skip_rows": lines}
    assert said(titles + DATA)["skip_rows"] == lines
    assert said(titles + DATA)["header"] is False


def test_blanks_between_numbers():
    """Numbers in columns, with a header or without."""
    body = "".join(f"{n} {n}.5\n" for n in range(6))
    assert said("a b\n" + body) == {"delimiter": " "}
    assert said(body) == {
        "delimiter": " ", "header": False, "columns": ["column_1", "column_2"],
    }  # fmt: skip


def test_what_a_person_says_is_not_questioned():
    """With a header or columns set, nothing is looked for."""
    assert said(DATA, header=True) == {}
    assert said(DATA, columns=["a", "b", "c"]) == {}
    assert said(DATA, format="ndjson") == {}


def test_a_number_in_a_header_is_doubtful():
    """It is taken as it is, and a person is told."""
    text = "150,4,setosa,versicolor,virginica\n5.1,3.5,1.4,0.2,0\n"
    found = header_of(text.encode(), SourceSettings(paths=("x",)), final=True)
    assert found.settings == {}
    assert "150" in found.why
