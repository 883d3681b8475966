"""How a run ended, in one sentence."""

from __future__ import annotations

from typing import Any

import pytest

from ingest.page.headline import headline, lede
from tests.page.reports import report


def said(
    state: str = "done",
    exit_code: int = 0,
    error: Any = None,
    read: int | None = None,
    **found: int,
) -> tuple[str, str]:
    """The headline of a run with these accounts, which add up unless `read` is given."""
    records = {"read": sum(found.values()) if read is None else read, **found}
    return headline({"state": state, "exit_code": exit_code, "error": error, "records": records})


@pytest.mark.parametrize(
    ("found", "tone", "sentence"),
    [
        ({"accepted": 1}, "good", "The one record is in."),
        ({"accepted": 2000}, "good", "All 2,000 records are in."),
        ({"accepted": 2, "skipped": 3}, "good", "All 5 records are in, 3 of them before."),
        ({"skipped": 3}, "good", "Nothing new: all 3 records are in already."),
        ({}, "good", "Nothing to load: the inputs hold no records."),
        ({"accepted": 8, "rejected": 1}, "doubtful", "8 of 9 records are in; 1 was rejected."),
        ({"rejected": 2}, "doubtful", "0 of 2 records are in; 2 were rejected."),
        (
            {"accepted": 1, "ambiguous": 2, "rejected": 3},
            "doubtful",
            "1 of 6 records are in; 3 were rejected; 2 may be missing or doubled.",
        ),
    ],
)
def test_finished(found, tone, sentence):
    """Only what is not nought is mentioned."""
    assert said(**found) == (tone, sentence)


@pytest.mark.parametrize(
    ("code", "state", "tone", "begins"),
    [
        (130, "interrupted", "doubtful", "Interrupted: "),
        (143, "interrupted", "doubtful", "Interrupted: "),
        (4, "failed", "bad", "Stopped at the reject limit: "),
        (7, "failed", "bad", "Stopped by the service: "),
        (1, "failed", "bad", "Failed: "),
        (2, "failed", "bad", "Failed: "),
    ],
)
def test_ended_before_its_time(code, state, tone, begins):
    """Why, and how far it came."""
    found = said(state, code, accepted=5, unsent=2)
    assert found == (tone, f"{begins}5 of 7 records read are in; 2 were never sent.")


def test_nothing_was_read():
    """A failure before the first record."""
    assert said("failed", 1)[1] == "Failed: nothing was read, and nothing was sent."


def test_an_error_after_the_load():
    """A report with an error never says that all is well."""
    assert said(error={"message": "x"}, accepted=1)[0] == "bad"


@pytest.mark.parametrize("code", [0, 3, 7, 130])
def test_accounts_that_do_not_add_up(code):
    """Before anything else, whatever the run says of itself."""
    tone, sentence = said(exit_code=code, read=3, accepted=2)
    assert (tone, sentence) == ("bad", "The accounts do not add up: 3 read, 2 accounted for.")


def test_what_where_and_when():
    """In pieces; what is missing is left out, what is no time stands as it is."""
    wanted = ["avalanchio h:1 table stock", "21 November 2026, 22:15 UTC", "took 8.00 s"]
    assert lede(report()) == wanted
    assert lede({"started_at": "soon"}) == ["soon"]
    assert lede({}) == []
