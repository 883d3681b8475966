"""aito's answers about files: slots, statuses, and what a finished status means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.targets.aito_file_answers import (
    ROWS_LISTED,
    Settled,
    Slot,
    Status,
    read_moment,
    read_slot,
    read_status,
    settled,
)

ID = "9b38de74-0694-46ad-b239-1af5626f1fc9"
URL = "https://s3.example/x?X-Amz-Signature=secret0123456789"
GOOD = {"id": ID, "url": URL, "method": "PUT", "expires": "2018-07-30T14:41:55"}


def test_a_slot_as_documented():
    """`expires` is UTC; the URL does not print."""
    slot = read_slot(GOOD)
    assert isinstance(slot, Slot)
    assert (slot.id, slot.url.reveal(), slot.expires_at) == (ID, URL, 1532961715.0)
    assert "secret" not in repr(slot)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"id": "42"}, "UUID"),
        ({"id": None}, "UUID"),
        ({"id": 7}, "UUID"),
        ({"id": "../../../" + ID}, "UUID"),
        ({"id": "{" + ID + "}"}, "UUID"),
        ({"method": "POST"}, "POST"),
        ({"method": None}, "PUT"),
        ({"url": None}, "url"),
        ({"url": ["https://x"]}, "url"),
    ],
)
def test_an_answer_that_is_no_slot_is_said_without_the_url(change, word):
    """The id goes into paths, the method is PUT or nothing."""
    problem = read_slot({**GOOD, **change})
    assert isinstance(problem, str)
    assert word in problem
    assert "secret" not in problem


@pytest.mark.parametrize("answer", [None, [], "x", 7])
def test_no_object_is_no_slot(answer):
    """An array, a text, nothing."""
    assert read_slot(answer) == "it is no JSON object"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2018-07-30T14:41:55", 1532961715.0),
        ("2018-07-30T14:41:55Z", 1532961715.0),
        ("2018-07-30T16:41:55+02:00", 1532961715.0),
        ("soon", None),
        ("", None),
        (None, None),
        (1532961715, None),
    ],
)
def test_moments_without_a_zone_are_utc(text, expected):
    """What can't be read is as if it were not there."""
    assert read_moment(text) == expected


def status(**changes: object) -> dict[str, object]:
    """The documented status answer."""
    inner = {"finished": True, "completedCount": 20, "lastSuccessfulElement": {"a": None},
             "startedAt": "20180730T172233.473+0300"}  # fmt: skip
    errors = {"message": "Last 0 failing rows", "rows": None}
    return {"status": {**inner, **changes}, "errors": errors}


def test_a_status_as_documented():
    """And with failing rows."""
    assert read_status(status()) == Status(True, 20, True, (), "Last 0 failing rows")
    failing = {**status(), "errors": {"message": "Last 1 failing rows", "rows": [{"a": 1}]}}
    found = read_status(failing)
    assert found is not None
    assert found.rows == ({"a": 1},)


@pytest.mark.parametrize(
    ("changes", "begun"),
    [
        ({"finished": False, "completedCount": 0, "startedAt": None}, False),
        ({"finished": False, "completedCount": 0, "startedAt": "20180730T172233.473+0300"}, True),
        ({"finished": False, "completedCount": 1, "startedAt": None}, True),
        ({"finished": True, "completedCount": 0, "startedAt": None}, True),
    ],
)
def test_whether_it_has_begun(changes, begun):
    """A start, a row, or an end."""
    found = read_status(status(**changes))
    assert found is not None
    assert found.begun is begun


@pytest.mark.parametrize(
    "answer",
    [None, [], "x", {}, {"status": []}, {"status": {}}, status(finished="true"), status(finished=1),
     status(completedCount=None), status(completedCount=-1), status(completedCount="20"),
     status(completedCount=True), status(completedCount=1.5)],
)  # fmt: skip
def test_an_answer_that_is_no_status(answer):
    """It is borne like any other trouble."""
    assert read_status(answer) is None


@pytest.mark.parametrize("errors", [None, [], {}, {"rows": {}}, {"message": 7, "rows": "x"}])
def test_errors_of_another_shape_list_nothing(errors):
    """The counts then say that something is missing."""
    found = read_status({**status(), "errors": errors})
    assert found is not None
    assert (found.rows, found.message) == ((), "")


def finished(completed: int, listed: int) -> Status:
    """An end with so many rows in and so many named."""
    return Status(True, completed, True, ({},) * listed, f"Last {listed} failing rows")


FULL = ROWS_LISTED


@pytest.mark.parametrize(
    ("sent", "completed", "listed", "found", "taken", "doubtful"),
    [
        (100, 100, 0, 0, 100, 0),
        (1, 1, 0, 0, 1, 0),
        (1, 0, 1, 1, 0, 0),
        (100, 98, 2, 2, 98, 0),
        (100, 98, 2, 1, 98, 1),  # one of them is not in the file
        (100, 98, 2, 0, 98, 2),
        (100, 90, 2, 2, 90, 8),  # more failed than are listed
        (100, 0, 0, 0, 0, 100),
        (1000, 900, FULL, FULL, 900, 50),
        (100, 100, 2, 2, 98, 0),  # completedCount holds the failing ones too
        (100, 100, 2, 1, 98, 1),
        (100, 100, 49, 49, 51, 0),
        (100, 100, FULL, FULL, 0, 50),  # and perhaps more failed than 50
        (100, 99, 2, 2, 97, 1),  # fits no reading
        (3, 1, 3, 3, 0, 0),
    ],
)
def test_what_a_finished_status_means(sent, completed, listed, found, taken, doubtful):
    """Never more taken than under any reading; what is not known is doubtful, and said."""
    result = settled(sent, finished(completed, listed), found)
    assert isinstance(result, Settled)
    assert (result.taken, result.doubtful) == (taken, doubtful)
    assert bool(result.words) == bool(doubtful)


def test_more_completed_than_sent_says_nothing_certain():
    """The whole is ambiguous, with the facts."""
    words = settled(100, finished(101, 0), 0)
    assert isinstance(words, str)
    assert "101" in words
    assert "100" in words


def test_an_incomplete_list_is_said():
    """With the service's own words where they are not the usual ones."""
    result = settled(1000, Status(True, 900, True, ({},) * 50, "engine \x1b[31mfailed"), 49)
    assert isinstance(result, Settled)
    for part in ("1,000", "900", "50 failing", "1 of them not found", "incomplete", "51 rows"):
        assert part in result.words
    assert '"engine failed"' in result.words


@given(st.integers(1, 200), st.integers(0, 200), st.integers(0, 60), st.integers(0, 60))
def test_every_row_has_one_end(sent, completed, listed, found):
    """Taken, refused and doubtful add up to what was sent; none of them is negative."""
    found = min(found, listed, sent)
    result = settled(sent, finished(completed, listed), found)
    if completed > sent:
        assert isinstance(result, str)
        return
    assert isinstance(result, Settled)
    assert result.taken + found + result.doubtful == sent
    assert result.taken >= 0
    assert result.doubtful >= 0
