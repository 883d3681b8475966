"""Is this request to S3 allowed? Asked of the head alone, before a byte of the body is read. Pure.

Source: as `s3_sign`, and S3's error codes. The order of the questions is ours, where S3's is not
published: a whole and well-formed set of parameters, a key that exists, the signature, the time;
so "expired" is said only of a URL that we did sign.

Headers that are not signed may come along (a Content-Type, say) and are ignored; one that is signed
must come with the signed value. As on S3, every `x-amz-*` header that comes must be signed.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote_to_bytes

from msgspec import Struct

from ingest.sandbox import s3_sign
from ingest.sandbox.s3_errors import S3Error, denied
from ingest.sandbox.s3_sign import Key, Pairs

WEEK_S = 7 * 24 * 3600
CLOCK_SKEW = timedelta(minutes=15)

_REQUIRED = frozenset(
    f"X-Amz-{name}"
    for name in ("Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature")
)
_STAMP = re.compile(r"\d{8}T\d{6}Z", re.ASCII)
_SECONDS = re.compile(r"\d{1,9}", re.ASCII)


class Head(Struct, frozen=True):
    """A request's first lines, undecoded. Header names in lower case."""

    method: str
    raw_path: bytes
    raw_query: bytes
    headers: Mapping[str, str]


class _Claim(Struct, frozen=True):
    """What the query says of the signature."""

    access_id: str
    signed_at: datetime
    lifetime_s: int
    headers: tuple[str, ...]
    signature: str

    @property
    def stamp(self) -> str:
        return self.signed_at.strftime(s3_sign.STAMP)

    @property
    def expires_at(self) -> datetime:
        return self.signed_at + timedelta(seconds=self.lifetime_s)


def check(head: Head, key: Key, now: datetime) -> None:
    """Raise `S3Error` unless `key` signed this request, for now."""
    pairs = _pairs(head.raw_query)
    claim = _claim(pairs)
    if claim.access_id != key.access_id:
        message = "The AWS Access Key Id you provided does not exist in our records."
        raise S3Error(403, "InvalidAccessKeyId", message, {"AWSAccessKeyId": claim.access_id})
    _check_headers(claim, head.headers)
    _check_signature(claim, head, pairs, key)
    _check_time(claim, now)


def _claim(pairs: Pairs) -> _Claim:
    given = {_text(name): _text(value) for name, value in pairs}
    if not given.keys() & _REQUIRED:
        raise denied("Access Denied")
    if not given.keys() >= _REQUIRED:
        names = ", ".join(sorted(_REQUIRED - given.keys()))
        raise _malformed(f"Query-string authentication version 4 requires {names}.")
    if given["X-Amz-Algorithm"] != s3_sign.ALGORITHM:
        raise _malformed(f'X-Amz-Algorithm only supports "{s3_sign.ALGORITHM}"')
    access_id, _, scope = given["X-Amz-Credential"].partition("/")
    headers = tuple(given["X-Amz-SignedHeaders"].split(";"))
    signed_at = _moment(given["X-Amz-Date"])
    if scope != s3_sign.scope(given["X-Amz-Date"]):
        raise _malformed("the X-Amz-Credential must end in the X-Amz-Date's day, region, service")
    lifetime_s = _lifetime_s(given["X-Amz-Expires"])
    return _Claim(access_id, signed_at, lifetime_s, headers, given[s3_sign.SIGNATURE])


def _moment(stamp: str) -> datetime:
    try:
        if _STAMP.fullmatch(stamp):
            return datetime.strptime(stamp, s3_sign.STAMP).replace(tzinfo=UTC)
    except ValueError:
        pass
    raise _malformed("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"")


def _lifetime_s(text: str) -> int:
    if not _SECONDS.fullmatch(text):
        raise _malformed("X-Amz-Expires should be a number")
    if int(text) > WEEK_S:
        raise _malformed(f"X-Amz-Expires must be less than a week (in seconds) ({WEEK_S})")
    return int(text)


def _check_headers(claim: _Claim, headers: Mapping[str, str]) -> None:
    if "host" not in claim.headers:
        raise _malformed("X-Amz-SignedHeaders must name host")
    unsigned = [name for name in headers if name.startswith("x-amz-") and name not in claim.headers]
    if unsigned:
        message = "There were headers present in the request which were not signed"
        raise denied(message, {"HeadersNotSigned": ", ".join(sorted(unsigned))})


def _check_signature(claim: _Claim, head: Head, pairs: Pairs, key: Key) -> None:
    # A signed header that did not come counts as empty, so its signature can't fit.
    request = s3_sign.Request(
        head.method,
        unquote_to_bytes(head.raw_path),
        {name: head.headers.get(name, "") for name in claim.headers},
        tuple(pair for pair in pairs if _text(pair[0]) != s3_sign.SIGNATURE),
    )
    canonical = s3_sign.canonical(request)
    text = s3_sign.string_to_sign(canonical, claim.stamp)
    right = s3_sign.signature_of(text, key.secret, claim.stamp)
    if hmac.compare_digest(right.encode(), claim.signature.encode()):
        return
    message = (
        "The request signature we calculated does not match the signature you provided. "
        "Check your key and signing method."
    )
    details = {
        "AWSAccessKeyId": claim.access_id,
        "StringToSign": text,
        "SignatureProvided": claim.signature,
        "CanonicalRequest": canonical,
    }
    raise S3Error(403, "SignatureDoesNotMatch", message, details)


def _check_time(claim: _Claim, now: datetime) -> None:
    if claim.signed_at > now + CLOCK_SKEW:
        raise denied("Request is not yet valid")
    if now < claim.expires_at:
        return
    times = {
        "X-Amz-Expires": claim.lifetime_s,
        "Expires": _shown(claim.expires_at),
        "ServerTime": _shown(now),
    }
    raise denied("Request has expired", times)


def _shown(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _pairs(raw_query: bytes) -> Pairs:
    """Every parameter, decoded. A plus sign is a plus sign here, unlike in an HTML form."""
    parts = (part.partition(b"=") for part in raw_query.split(b"&") if part)
    return tuple((unquote_to_bytes(name), unquote_to_bytes(value)) for name, _, value in parts)


def _text(part: str | bytes) -> str:
    return part if isinstance(part, str) else part.decode(errors="replace")


def _malformed(message: str) -> S3Error:
    return S3Error(400, "AuthorizationQueryParametersError", message)
