"""S3's way to say no: XML with a code that programs read and a message for people.

Source: Amazon S3 API Reference, "Error Responses". Codes, statuses and messages are S3's own, so
that a client that knows them is rehearsed. A `SignatureDoesNotMatch` shows, as the real one does,
the text that was signed and the signature that came: whoever logs an error body whole leaks it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.sax.saxutils import escape

VALUE_CHARACTERS = 2000
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class S3Error(Exception):
    """A refusal: HTTP `status`, S3's `code`, and further elements of the body in `details`."""

    def __init__(
        self, status: int, code: str, message: str, details: Mapping[str, object] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.details = dict(details or {})

    def as_xml(self, request_id: str) -> bytes:
        """The error body."""
        elements = {
            "Code": self.code,
            "Message": self.message,
            **self.details,
            "RequestId": request_id,
            "HostId": "sandbox",
        }
        body = "".join(f"<{name}>{_text(value)}</{name}>" for name, value in elements.items())
        return f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{body}</Error>'.encode()


def denied(message: str, details: Mapping[str, object] | None = None) -> S3Error:
    """403 AccessDenied: the request is understood and not allowed."""
    return S3Error(403, "AccessDenied", message, details)


def slow_down() -> S3Error:
    """503 SlowDown: nothing was stored; send the same again, later."""
    return S3Error(503, "SlowDown", "Please reduce your request rate.")


def no_such_key(key: str) -> S3Error:
    """404 NoSuchKey."""
    return S3Error(404, "NoSuchKey", "The specified key does not exist.", {"Key": key})


def _text(value: object) -> str:
    """As XML 1.0 can hold it: characters that it has no form for are replaced."""
    return escape(_NO_XML.sub("\ufffd", str(value)[:VALUE_CHARACTERS]))
