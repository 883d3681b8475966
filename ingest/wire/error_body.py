"""Error bodies: the sentence for people in them, and the record that they name. Pure.

Known are `{"message", ...}` (aito v1, and many others), `{"kind": "error", "data": {"message",
...}}` (aito v2) and `{"error": {"message", ...}}` (the sandbox). *Guess*, and only here: that a
refusal names the one record at fault as `record`, counted from 0, beside its message. No service
documents it, so the delivery believes nothing of it but what it finds true.
"""

from __future__ import annotations

from typing import Any

import orjson


def error_message(body: bytes) -> str:
    """The sentence in a JSON error body of a known shape; empty: show the body as it is.

    What stands beside the message must be plain values, a status or a code: lists and objects are
    details that a person needs.
    """
    whole = _object(body)
    said = _said(whole)
    details = (v for v in (*whole.values(), *said.values()) if v is not said)
    if any(isinstance(value, dict | list) for value in details):
        return ""
    message = said.get("message")
    return message.strip() if isinstance(message, str) else ""


def named_record(body: bytes) -> int | None:
    """The place in the request's body (from 0) of the record that an error body names; None for
    all else. It may be beyond the body's end."""
    record = _said(_object(body)).get("record")
    return record if type(record) is int and record >= 0 else None


def _object(body: bytes) -> dict[str, Any]:
    try:
        whole = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return whole if isinstance(whole, dict) else {}


def _said(whole: dict[str, Any]) -> dict[str, Any]:
    """Where the message stands in an error body of a known shape."""
    inner = whole.get("data" if whole.get("kind") == "error" else "error")
    return inner if isinstance(inner, dict) else whole
