"""The fault table: what one attempt's end means for its batch. Pure, and driven by tables.

The question is always the same: were the records applied? `None` is a certain success; `Retryable`
says surely not, `Ambiguous` perhaps, `Permanent` (and its kinds) surely not and never will be. In
doubt it is Ambiguous, because a wrong "surely not" doubles records and a wrong "success" loses
them. Two facts sharpen the answer: whether the body was wholly handed over (a server can't apply a
JSON body whose end it never got), and whether the answer came whole.

Sources: the services' pages for 401, 403, 404, 409 `write.contention`, 413, 429 and `Quota
Exceeded`; RFC 9110 for the rest. *Guess*, and only here: in which keys a 2xx answer would list
errors per record (`itemised_errors`); that a 2xx answer with an HTML page is a login page or a
proxy's, so that the service never saw the records.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

import orjson
from msgspec import Struct

from ingest.errors import (
    Ambiguous,
    NotFound,
    Permanent,
    QuotaExceeded,
    Retryable,
    TooLarge,
    Trouble,
    Unauthorized,
)
from ingest.wire.error_body import error_message, named_record
from ingest.wire.redact import Secret, safe_words, without_query
from ingest.wire.timing import parse_retry_after

_BY_STATUS: dict[int, type[Trouble]] = {
    401: Unauthorized,
    403: Unauthorized,
    404: NotFound,
    408: Retryable,
    413: TooLarge,
    429: Retryable,
    501: Permanent,
    503: Retryable,
    505: Permanent,
}
_BY_CLASS: dict[int, type[Trouble]] = {3: Permanent, 4: Permanent, 5: Ambiguous}
_BY_WORDS: tuple[tuple[int, bytes, type[Trouble]], ...] = (
    (409, b"write.contention", Retryable),
    (429, b"quota exceeded", QuotaExceeded),
    (500, b"request too large", TooLarge),
)
# Envoy's words for a service that it lost; in these cases it never had a connection.
_LOST_BEHIND_PROXY = b"disconnect/reset before headers"
_NEVER_REACHED = (b"connection failure", b"connection timeout", b"overflow")
_NAMING = (400, 422)
_ERROR_KEYS = ("errors", "error", "failures", "failed", "rejected")
_RESULT_KEYS = ("results", "items")
_TITLE = re.compile(r"<title[^>]*>([^<]{0,200})", re.IGNORECASE)


class Ending(enum.Enum):
    """How an answer's body ended: whole, cut off by the peer, or dropped by us at the bound."""

    WHOLE = "whole"
    CUT = "cut"
    OVERLONG = "overlong"


class Reply(Struct, frozen=True):
    """An answer as it was read. Header names are in lower case; `body` is bounded."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    ending: Ending = Ending.WHOLE
    handed_over: bool = True

    @property
    def media_type(self) -> str:
        """The content type without its parameters, in lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def is_json(self) -> bool:
        """The content type says JSON (`application/json`, `application/problem+json`, ...)."""
        return self.media_type == "application/json" or self.media_type.endswith("+json")

    @property
    def is_html(self) -> bool:
        """An HTML page, by its type or by its first words."""
        by_type = self.media_type in ("text/html", "application/xhtml+xml")
        return by_type or self.body[:256].lstrip().lower().startswith((b"<!doctype html", b"<html"))


class FailureKind(enum.Enum):
    """Where an attempt without an answer broke off."""

    CONNECT = "no connection could be opened"
    SEND = "the connection broke while sending"
    RECEIVE = "the connection broke before the answer was complete"
    TIMEOUT = "it took too long"


class Failure(Struct, frozen=True):
    """An attempt without a complete answer. `hopeless`: trying again soon would not help."""

    kind: FailureKind
    words: str
    handed_over: bool
    hopeless: bool = False


def classify(
    reply: Reply, wall_s: float, secrets: Iterable[Secret] = (), *, records: bool = True
) -> Trouble | None:
    """The trouble that an answer means; None: applied, surely.

    `wall_s` is the wall clock for a Retry-After date. `records`: the request carried records, so
    that a 2xx answer is also searched for errors per record; small calls leave it False.
    """
    if 200 <= reply.status <= 299:
        doubt = _doubt_about_success(reply, records=records)
        if doubt is None:
            return None
        kind, words = doubt
    else:
        kind, words = _kind(reply), _refusal_words(reply)
    if kind is Ambiguous and not reply.handed_over:
        kind = Retryable
    pause_s = parse_retry_after(reply.headers.get("retry-after"), wall_s)
    record = named_record(reply.body) if records and reply.status in _NAMING else None
    words = safe_words(words, secrets)
    return kind(words, status=reply.status, retry_after_s=pause_s, record=record)


def classify_failure(failure: Failure) -> Trouble:
    """The trouble that an attempt without an answer means."""
    words = safe_words(
        f"{failure.kind.value}: {failure.words}" if failure.words else failure.kind.value
    )
    if failure.handed_over and failure.kind is not FailureKind.CONNECT:
        return Ambiguous(f"{words} (the body was wholly handed over)")
    return Retryable(words)


def _kind(reply: Reply) -> type[Trouble]:
    cause = reply.headers.get("x-error-cause", "").encode() if reply.status == 429 else b""
    said = (cause or reply.body).lower()
    for status, words, kind in _BY_WORDS:
        if reply.status == status and words in said:
            return kind
    if reply.status == 503 and _LOST_BEHIND_PROXY in said:
        return Retryable if any(words in said for words in _NEVER_REACHED) else Ambiguous
    known = _BY_STATUS.get(reply.status)
    return known or _BY_CLASS.get(reply.status // 100, Ambiguous)


def _doubt_about_success(reply: Reply, *, records: bool) -> tuple[type[Trouble], str] | None:
    """Why a 2xx answer is not a certain success, or None."""
    silent = not reply.body and reply.ending is Ending.WHOLE
    if reply.status in (204, 205) or (silent and not records):
        return None  # RFC 9110: fulfilled, and there is nothing to say
    if reply.ending is Ending.CUT:
        return Ambiguous, f"{_named(reply)}, but the answer was cut off"
    if reply.is_html and reply.status != 207:
        page = _page(reply.body)
        return Permanent, f"{_named(reply)} with an HTML page{page}: a login page or a proxy's"
    if reply.ending is Ending.OVERLONG:
        return Ambiguous, f"{_named(reply)}, but the answer is longer than is read"
    if not reply.is_json:
        said = safe_words(reply.body)[:200]
        return Ambiguous, f"{_named(reply)}, but no JSON: {reply.media_type or 'no type'} {said!r}"
    return _doubt_about_json(reply) if records else _unreadable(reply)


def _doubt_about_json(reply: Reply) -> tuple[type[Trouble], str] | None:
    if unreadable := _unreadable(reply):
        return unreadable
    if reply.status in (202, 207):
        return Ambiguous, f"{_named(reply)}: {safe_words(reply.body)}"
    if errors := itemised_errors(orjson.loads(reply.body)):
        return Ambiguous, f"{_named(reply)}, but it lists errors: {errors}"
    return None


def _unreadable(reply: Reply) -> tuple[type[Trouble], str] | None:
    try:
        orjson.loads(reply.body)
    except orjson.JSONDecodeError:
        said = safe_words(reply.body)[:200]
        return Ambiguous, f"{_named(reply)}, but the answer is no JSON: {said!r}"
    return None


def itemised_errors(value: Any) -> str:
    """The errors that a 2xx answer lists, in words; empty where it lists none. (guess)"""
    if isinstance(value, dict):
        if own := _own_errors(value):
            return own
        value = next((value[key] for key in _RESULT_KEYS if key in value), None)
    for index, item in enumerate(value if isinstance(value, list) else ()):
        if isinstance(item, dict) and (_has_high_status(item) or _own_errors(item)):
            return f"item {index}: {_short(item)}"
    return ""


def _own_errors(value: dict[str, Any]) -> str:
    for key in _ERROR_KEYS:
        if value.get(key):
            return f"{key}: {_short(value[key])}"
    failed = value.get("success") is False or value.get("ok") is False
    return _short(value) if failed else ""


def _has_high_status(item: dict[str, Any]) -> bool:
    status = item.get("status")
    return type(status) is int and status >= 400


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return text if len(text) <= 500 else text[:499] + "…"


def _refusal_words(reply: Reply) -> str:
    if reply.status // 100 == 3:
        target = without_query(reply.headers.get("location", "")) or "nowhere"
        return f"{_named(reply)} redirects to {target}; redirects are not followed: set base_url"
    if reply.is_html:
        return f"{_named(reply)} with an HTML page{_page(reply.body)}"
    said = error_message(reply.body) or reply.body
    return safe_words(said) or f"{_named(reply)} without a word"


def _named(reply: Reply) -> str:
    try:
        return f"HTTP {reply.status} {HTTPStatus(reply.status).phrase}"
    except ValueError:
        return f"HTTP {reply.status}"


def _page(body: bytes) -> str:
    found = _TITLE.search(body.decode("utf-8", errors="replace"))
    title = safe_words(found[1]) if found else ""
    return f' ("{title}")' if title else ""
