"""Which spelling of dates a column has: counted by what a run would read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.operations.init_dates import DateEvidence, Form, forms
from ingest.shape.values import BadValue


def whole(*values: str) -> list[str]:
    """The formats of all forms that read every value."""
    return [form.format for form in _evidence([values]).whole]


def _evidence(parts: Sequence[Sequence[str]]) -> DateEvidence:
    found = DateEvidence()
    for values in parts:
        found.look(
            pl.Series(values, dtype=pl.String), pl.Series([1] * len(values), dtype=pl.UInt32)
        )
    return found


def test_every_form_is_one_that_a_run_takes():
    """None is refused as a format, none stands twice."""
    known = list(forms())
    assert len(set(known)) == len(known)
    assert all(form.rule for form in known)


@pytest.mark.parametrize(
    ("values", "first"),
    [
        (("2024-01-31", "2024-12-01"), ""),
        (("2024-01-31T10:00:00Z", "2024-01-31 10:00"), ""),
        (("31.01.2024", "1.2.2024"), "%d.%m.%Y"),
        (("01/31/2024", "02/01/2024"), "%m/%d/%Y"),
        (("2024/1/31", "2024/12/1"), "%Y/%m/%d"),
        (("Jan 31 2024", "Feb 1 2024"), "%b %d %Y"),
        (("31-Jan-24", "01-Feb-24"), "%d-%b-%y"),
        (("January 31, 2024", "May 1, 2024"), "%B %d, %Y"),
        (("20240131", "20241201"), "%Y%m%d"),
        (("31.01.2024 17:05", "01.02.2024 00:00"), "%d.%m.%Y %H:%M"),
        (("1/31/2024 5:05 PM", "2/1/2024 12:00 AM"), "%m/%d/%Y %I:%M %p"),
    ],
)
def test_a_spelling_is_found(values: tuple[str, ...], first: str):
    """The plainest form that reads all of them comes first."""
    assert whole(*values)[0] == first


def test_two_readings_are_both_kept():
    """03/04/2024 is either; a 13 in a later part decides."""
    assert whole("03/04/2024", "05/06/2024") == ["%d/%m/%Y", "%m/%d/%Y"]
    decided = _evidence([["03/04/2024", "05/06/2024"] * 20, ["13/04/2024"]])
    assert [form.format for form in decided.whole] == ["%d/%m/%Y"]
    assert decided.deciding(Form("date", "%d/%m/%Y")) == 1
    assert _evidence([["2024-01-31"]]).deciding(Form("date")) is None


def test_days_that_do_not_exist_are_no_dates():
    """The pattern alone does not make one."""
    assert whole("2023-02-29") == []
    assert whole("31.02.2023", "30.02.2023") == []


@pytest.mark.parametrize("odd", [0, 1, 2, 12])
def test_nearly_a_date(odd: int):
    """Up to a tenth may be something else; beyond that a form is given up."""
    found = _evidence([["2024-01-31"] * 10, ["soon"] * odd])
    if odd == 0:
        assert (found.nearly, len(found.whole) > 0) == (None, True)
    elif odd == 1:
        assert found.nearly == (Form("date"), 10)
    else:
        assert (found.nearly, found.whole) == (None, [])


def test_words_cost_nothing_and_are_none():
    """Texts that look like no date start no form."""
    assert whole("abc", "1,234", "x-y-z") == []


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(list(forms())),
    st.lists(st.integers(0, 3_000_000), min_size=1, max_size=5),
    st.sampled_from(["", "x", " "]),
)
def test_reading_is_what_the_run_reads(form: Form, hours: list[int], behind: str):
    """`reads` says of each value what the form's own rule says."""
    moments = [datetime(1900, 1, 1, tzinfo=UTC) + timedelta(hours=h) for h in hours]
    iso = "%Y-%m-%d" if form.kind == "date" else "%Y-%m-%dT%H:%M:%S"
    values = [m.strftime(form.format or iso) + behind for m in moments] + ["2024-02-30"]
    assert form.reads(pl.Series(values)).to_list() == [_runs(form, value) for value in values]


def _runs(form: Form, value: str) -> bool:
    try:
        form.rule.scalar(value)
    except BadValue:
        return False
    return True
