"""S3's error bodies."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from ingest.sandbox.s3_errors import VALUE_CHARACTERS, S3Error, denied, no_such_key, slow_down


def elements(error: S3Error) -> dict[str, str | None]:
    """What an XML parser finds."""
    root = ET.fromstring(error.as_xml("ID"))
    assert root.tag == "Error"
    return {element.tag: element.text for element in root}


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (denied("Access Denied"), 403, "AccessDenied"),
        (slow_down(), 503, "SlowDown"),
        (no_such_key("k"), 404, "NoSuchKey"),
    ],
)
def test_the_elements_that_programs_read(error: S3Error, status: int, code: str) -> None:
    """A code, a message, and the request's id at the end."""
    found = elements(error)
    assert (error.status, found["Code"], found["Message"]) == (status, code, error.message)
    assert list(found)[-2:] == ["RequestId", "HostId"]
    assert found["RequestId"] == "ID"


def test_whatever_stands_in_it_is_xml() -> None:
    """Markup, characters that XML has no form for, and endless texts."""
    found = elements(no_such_key("<&\x00\ud800\ufffe\U0001f600>\ue000" + "x" * 9000))
    key = found["Key"] or ""
    assert key.startswith("<&\ufffd\ufffd\ufffd\U0001f600>\ue000xxx")
    assert len(key) == VALUE_CHARACTERS
