"""One way to say no: a status, words, and where they apply.

Every layer below HTTP raises `Refused`; only `answers` turns it into a response. The words say
what is wrong, where, and what to do; values in them are cut, because a refusal of a 6 MB text must
not be 6 MB long. The shape `{"error": {...}}` is a guess: the services document no error body.
"""

from __future__ import annotations

import orjson

VALUE_CHARACTERS = 80


class Refused(Exception):  # noqa: N818 - an answer, not an error
    """A request that can't be served: `status` is the HTTP status, `where` goes into the body."""

    def __init__(self, status: int, message: str, **where: object) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.where = where

    def as_json(self) -> dict[str, object]:
        """The error body: `{"error": {"status", "message", ...where}}`."""
        return {"error": {"status": self.status, "message": self.message, **self.where}}


def bad(message: str, **where: object) -> Refused:
    """A 400: the request is wrong and sending it again won't help."""
    return Refused(400, message, **where)


def shown(value: object) -> str:
    """`value` as JSON, at most about `VALUE_CHARACTERS` long."""
    if isinstance(value, str):
        value = value[: VALUE_CHARACTERS + 1]
    elif isinstance(value, list):
        value = value[:VALUE_CHARACTERS]
    elif isinstance(value, dict):
        value = dict(list(value.items())[:VALUE_CHARACTERS])
    text = _json(value)
    return text if len(text) <= VALUE_CHARACTERS else text[: VALUE_CHARACTERS - 1] + "…"


def _json(value: object) -> str:
    try:
        return orjson.dumps(value).decode()
    except (TypeError, orjson.JSONEncodeError):
        return repr(value)
