"""The names of a CSV file's columns."""

from __future__ import annotations

import pytest

from ingest.errors import SettingsError, SourceError
from ingest.grammar import Extent
from ingest.job import SourceSettings
from ingest.model import Dialect
from ingest.sources.columns import headed, names_of, unheaded


def source(**more) -> SourceSettings:
    """Source settings."""
    return SourceSettings(paths=("x",), **more)


def test_names_are_the_fields_as_text():
    """Unquoted; None if they are no text."""
    assert names_of(b'a,"b ""x""",', Dialect()) == ("a", 'b "x"', "")
    assert names_of(b"a,\xff", Dialect()) is None


def test_a_long_list_of_faults_is_cut():
    """Ten names are enough to know what is wrong, and a name may be a whole file."""
    names = tuple(f"n{i}" for i in range(20)) * 2
    with pytest.raises(SourceError, match=r"n0, n1, .*n9 and 10 more$"):
        headed(names, Extent(0, 1, 2), 1, source())
    with pytest.raises(SourceError) as caught:
        headed(("x" * 1000,) * 2, Extent(0, 1, 2), 1, source())
    assert len(caught.value.message) < 200


def test_names_in_the_header_may_be_anything_else():
    """Spaces, case and odd characters are names."""
    names = ("a", "A", " a", "a\n", "0", "é")
    assert headed(names, Extent(0, 1, 2), 1, source()) == names


@pytest.mark.parametrize(("counts", "columns"), [([], 1), ([0], 1), ([2, 3, 3, 0], 3), ([1], 1)])
def test_columns_are_numbered(counts, columns):
    """As many as most records have; records in trouble have no say."""
    assert unheaded(counts, source()) == tuple(f"column_{i}" for i in range(1, columns + 1))


def test_named_columns_need_one_record_that_fits():
    """No record at all objects to nothing."""
    named = source(columns=("a", "b"))
    assert unheaded([], named) == unheaded([0, 3, 2], named) == ("a", "b")
    with pytest.raises(SettingsError, match="names 2 columns, but the records have 3"):
        unheaded([3, 3, 1], named)
