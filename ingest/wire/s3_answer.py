"""What an object store's answer to a PUT means. Pure.

Source: Amazon S3 API Reference, "Error Responses", and what rclone's `serve s3` answers. To send
the same file again is always harmless, because a PUT replaces whole objects and nothing is done
with one before the service is told to; so a broken connection and every 5xx of passing trouble mean
"again", and there is no doubt to keep.

An expired address is known by S3's code or words, and otherwise by S3's own clock: a refusal whose
Date lies behind the moment until which the address was good (rclone says so with 400 and other
words). Our clock is not asked, it may be wrong.

Errors come as XML, of which two elements are wanted. They are cut out with regular expressions: a
parser would bring entities and their expansion along, and nothing here needs a tree. What S3 says
besides is not shown: `SignatureDoesNotMatch` repeats the signature.
"""

from __future__ import annotations

import enum
import html
import re
from collections.abc import Iterable
from datetime import UTC
from email.utils import parsedate_to_datetime

from msgspec import Struct

from ingest.wire.classify import Failure, FailureKind, Reply
from ingest.wire.redact import Secret, safe_words, without_query
from ingest.wire.timing import parse_retry_after, shown_moment

_CODE = re.compile(r"<Code>([^<]{1,200})</Code>")
_MESSAGE = re.compile(r"<Message>([^<]{1,2000})</Message>")
_EXPIRED_CODES = frozenset({"ExpiredToken", "TokenRefreshRequired", "RequestExpired"})
_EXPIRED_WORDS = ("has expired", "url expired")
_SKEWED = frozenset({"AccessDenied", "RequestTimeTooSkewed"})
_BUSY_CODES = frozenset(
    {"RequestTimeout", "SlowDown", "InternalError", "IncompleteBody", "OperationAborted"}
)
_BUSY_STATUSES = frozenset({408, 429, 500, 502, 503, 504})


class PutEnd(enum.Enum):
    """How a PUT ended: stored; the address is expired; send again; refused for good."""

    STORED = "stored"
    EXPIRED = "expired"
    BUSY = "busy"
    REFUSED = "refused"


class PutResult(Struct, frozen=True):
    """The end of one PUT, in words without the address. `date_s` is the store's clock (Unix)."""

    end: PutEnd
    message: str = ""
    hint: str = ""
    status: int | None = None
    retry_after_s: float | None = None
    date_s: float | None = None


class Judging(Struct, frozen=True):
    """What judging needs besides the answer: until when the address was good (Unix seconds; None:
    unknown), the wall clock, the secrets to blot out, the headers that were signed."""

    expires_at: float | None
    wall_s: float
    secrets: tuple[Secret, ...] = ()
    signed_headers: frozenset[str] = frozenset()


def judge(end: Reply | Failure, judging: Judging) -> PutResult:
    """What the end of a PUT means."""
    if isinstance(end, Failure):
        return _broken(end)
    code, words = said(end, judging.secrets)
    kind, hint = _meaning(end, code, words, judging)
    return PutResult(
        kind,
        "" if kind is PutEnd.STORED else f"HTTP {end.status} {code}: {words}".replace(" :", ":"),
        hint,
        end.status,
        parse_retry_after(end.headers.get("retry-after"), judging.wall_s),
        date_of(end),
    )


def said(reply: Reply, secrets: Iterable[Secret]) -> tuple[str, str]:
    """S3's code ("" where there is none) and the words for people."""
    text = reply.body.decode("utf-8", errors="replace")
    code, message = _CODE.search(text), _MESSAGE.search(text)
    if reply.status // 100 == 3:
        target = without_query(reply.headers.get("location", "")) or "nowhere"
        return "", f"redirects to {target}; redirects are not followed, nothing was sent there"
    if reply.is_html:
        return "", "an HTML page: no object store answers so, it is a proxy's or a login page"
    shown = html.unescape(message[1]) if message else ("" if code else text)
    return (
        safe_words(code[1], secrets) if code else "",
        safe_words(shown, secrets)[:500] or "without a word",
    )


def date_of(reply: Reply) -> float | None:
    """The store's own clock, from its Date header."""
    try:
        moment = parsedate_to_datetime(reply.headers.get("date", ""))
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def clocks(expires_at: float | None, date_s: float | None, wall_s: float) -> str:
    """The three times that an expiry depends on, for people who compare clocks."""
    until = "at an unknown time" if expires_at is None else f"at {shown_moment(expires_at)}"
    theirs = "does not say its time" if date_s is None else f"says it is {shown_moment(date_s)}"
    return f"the address expires {until}, the store {theirs}, this machine {shown_moment(wall_s)}"


def _broken(failure: Failure) -> PutResult:
    words = f"{failure.kind.value}: {failure.words}" if failure.words else failure.kind.value
    if failure.hopeless and failure.kind is FailureKind.CONNECT:
        return PutResult(PutEnd.REFUSED, words, _CERTIFICATE)
    return PutResult(PutEnd.BUSY, words)


def _meaning(reply: Reply, code: str, words: str, judging: Judging) -> tuple[PutEnd, str]:
    status = reply.status
    if 200 <= status <= 299 and not reply.is_html:
        return PutEnd.STORED, ""
    if _is_expired(reply, code, words, judging.expires_at):
        return PutEnd.EXPIRED, ""
    if code in _BUSY_CODES or status in _BUSY_STATUSES:
        return PutEnd.BUSY, ""
    return PutEnd.REFUSED, _hint(status, code, judging.signed_headers)


def _is_expired(reply: Reply, code: str, words: str, expires_at: float | None) -> bool:
    if code in _EXPIRED_CODES:
        return True
    if reply.status != 403 and not (reply.status == 400 and code in _SKEWED):
        return False
    if any(phrase in words.lower() for phrase in _EXPIRED_WORDS):
        return True
    date_s = date_of(reply)
    return expires_at is not None and date_s is not None and date_s >= expires_at


def _hint(status: int, code: str, signed_headers: frozenset[str]) -> str:
    if status == 413 or code in ("EntityTooLarge", "MaxMessageLengthExceeded"):
        return "one file is too much for the store: lower limits.spool_bytes"
    if code == "RequestTimeTooSkewed":
        return "compare the clocks of the service and of its store"
    unmet = sorted(signed_headers - {"host", "content-length"})
    if status == 403 and unmet:
        return f"the address was signed for headers that nobody told us: {', '.join(unmet)}"
    return (
        _HINTS.get(status) or _HINTS.get(status // 100) or "the store refuses it: tell the service"
    )


_DEFECT = "a PUT of ours has a length and is never chunked: this is a defect, please report it"
_IMPOSTOR = "something between here and the store answers in its place: a proxy, a login page"
_HINTS = {
    2: _IMPOSTOR,
    3: _IMPOSTOR,
    403: "the store does not accept the service's address as it is: tell the service",
    411: _DEFECT,
    501: _DEFECT,
}
_CERTIFICATE = "TLS is always verified: name the authority with ca_file"
