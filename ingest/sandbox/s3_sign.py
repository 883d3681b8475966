"""AWS Signature Version 4 in a URL's query, for S3: pure, no clock, no key of its own.

Source: Amazon's "Authenticating Requests: Using Query Parameters (AWS Signature Version 4)". A
request is written down in one canonical way, that text is hashed into a "string to sign", and an
HMAC of it under a key derived from the secret, the day, the region and the service is the
signature. What S3 does differently from other services: a path is percent-encoded once and never
normalised, and the payload is not part of a presigned URL (`UNSIGNED-PAYLOAD`).

Signing and checking write the same canonical text, so there is one function for it. Paths, names
and values are given decoded; bytes stand where a URL's own bytes may be no UTF-8.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final
from urllib.parse import quote

from msgspec import Struct

ALGORITHM: Final = "AWS4-HMAC-SHA256"
REGION: Final = "us-east-1"
SERVICE: Final = "s3"
TERMINATOR: Final = "aws4_request"
STAMP: Final = "%Y%m%dT%H%M%SZ"
SIGNATURE: Final = "X-Amz-Signature"

_UNRESERVED = "-_.~"

Pairs = tuple[tuple[str | bytes, str | bytes], ...]


class Key(Struct, frozen=True):
    """An access key: its id stands in every URL, its secret in none."""

    access_id: str
    secret: str


class Request(Struct, frozen=True):
    """What a signature covers. `headers` are the signed ones alone, their names in lower case.

    `query` holds every parameter but the signature.
    """

    method: str
    path: str | bytes
    headers: Mapping[str, str]
    query: Pairs = ()


def presigned(request: Request, key: Key, signed_at: datetime, lifetime_s: int) -> str:
    """Path and query of a URL that lets anybody do `request` until `lifetime_s` have passed.

    `signed_at` must know its zone. The scheme and the host (`headers["host"]`) go before it.
    """
    stamp = signed_at.astimezone(UTC).strftime(STAMP)
    parameters: Pairs = (
        ("X-Amz-Algorithm", ALGORITHM),
        ("X-Amz-Credential", f"{key.access_id}/{scope(stamp)}"),
        ("X-Amz-Date", stamp),
        ("X-Amz-Expires", str(lifetime_s)),
        ("X-Amz-SignedHeaders", ";".join(sorted(request.headers))),
    )
    signed = Request(request.method, request.path, request.headers, (*request.query, *parameters))
    signature = signature_of(string_to_sign(canonical(signed), stamp), key.secret, stamp)
    return f"{_encoded(request.path, '/')}?{_query(signed.query)}&{SIGNATURE}={signature}"


def canonical(request: Request) -> str:
    """The canonical request: one text for every way to write the same request."""
    names = sorted(request.headers)
    lines = [f"{name}:{_trimmed(request.headers[name])}" for name in names]
    return "\n".join(
        [
            request.method,
            _encoded(request.path, "/"),
            _query(request.query),
            *lines,
            "",
            ";".join(names),
            "UNSIGNED-PAYLOAD",
        ]
    )


def string_to_sign(canonical_request: str, stamp: str) -> str:
    """What the HMAC is taken of; `stamp` is the X-Amz-Date."""
    digest = sha256(canonical_request.encode()).hexdigest()
    return "\n".join([ALGORITHM, stamp, scope(stamp), digest])


def signature_of(text: str, secret: str, stamp: str) -> str:
    """The signature, in hex, under the key of the stamp's day."""
    signing_key = f"AWS4{secret}".encode()
    for part in scope(stamp).split("/"):
        signing_key = hmac.digest(signing_key, part.encode(), "sha256")
    return hmac.digest(signing_key, text.encode(), "sha256").hex()


def scope(stamp: str) -> str:
    """Day, region, service: what the derived key is good for."""
    return f"{stamp[:8]}/{REGION}/{SERVICE}/{TERMINATOR}"


def _query(pairs: Iterable[tuple[str | bytes, str | bytes]]) -> str:
    """Sorted after encoding, as the specification wants it."""
    encoded = sorted((_encoded(name), _encoded(value)) for name, value in pairs)
    return "&".join(f"{name}={value}" for name, value in encoded)


def _encoded(text: str | bytes, also_safe: str = "") -> str:
    return quote(text, safe=_UNRESERVED + also_safe)


def _trimmed(value: str) -> str:
    """No white space around a header's value, single spaces within."""
    return " ".join(value.split())
