"""What a journal keeps of an upload: whole, as text, and only what matters to whoever goes on."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from ingest.targets.aito_upload_record import State, Upload

UPLOAD = Upload(3, State.TRIGGERED, "id", "place", 5.5, 7, 1, 2, 1, 0, "words “ü”")


@pytest.mark.parametrize("state", State)
def test_text_and_back(state):
    """In every state; one line."""
    upload = replace(UPLOAD, state=state)
    text = upload.as_text()
    assert Upload.from_text(text) == upload
    assert "\n" not in text


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "3", "{}", '{"state":"elsewhere"}', '{"state":"spooled","x":1}']
)
def test_other_text_is_refused(text):
    """By an error that a caller knows."""
    with pytest.raises((ValueError, TypeError)):
        Upload.from_text(text)


@pytest.mark.parametrize(
    ("change", "further"),
    [
        ({}, False),
        ({"completed": 3}, False),
        ({"listed": 2}, False),
        ({"words": ""}, False),
        ({"state": State.FINISHED}, True),
        ({"id": "other"}, True),
        ({"triggers": 2}, True),
        ({"rows_before": 8}, True),
        ({"expired": 1}, True),
    ],
)
def test_what_is_worth_a_commit(change, further):
    """Not what the next status tells anyway."""
    assert replace(UPLOAD, **change).is_further(UPLOAD) is further
