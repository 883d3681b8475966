"""The head of a request to S3: which are let in, and with which code the others are refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ingest.sandbox import s3_auth
from ingest.sandbox.s3_auth import Head
from ingest.sandbox.s3_errors import S3Error
from ingest.sandbox.s3_sign import Key, Request, presigned

KEY = Key("ANACCESSKEYFORTESTS", "a/secret+key/that/is/long/enough")
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HEADERS = {"host": "127.0.0.1:9", "content-length": "0"}


def head(
    *, signed: dict[str, str] | None = None, sent: dict[str, str] | None = None, **rest
) -> Head:
    """A PUT signed now for 60 seconds, unless told otherwise."""
    request = Request("PUT", "/a/b c", {"host": HEADERS["host"], **(signed or {})})
    url = presigned(request, rest.get("key", KEY), rest.get("at", NOW), rest.get("lifetime_s", 60))
    path, _, query = url.partition("?")
    return Head("PUT", path.encode(), query.encode(), {**HEADERS, **(signed or {}), **(sent or {})})


def changed(one: Head, old: bytes, new: bytes) -> Head:
    """The same with other bytes in its query."""
    assert old in one.raw_query
    return Head(one.method, one.raw_path, one.raw_query.replace(old, new), one.headers)


def code(one: Head, now: datetime = NOW) -> str:
    """How it is refused; "" if it is not."""
    try:
        s3_auth.check(one, KEY, now)
    except S3Error as error:
        return f"{error.status} {error.code}"
    return ""


@pytest.mark.parametrize(
    ("seconds", "answer"),
    [(-901, "403 AccessDenied"), (-900, ""), (0, ""), (59, ""), (60, "403 AccessDenied")],
)
def test_the_time_it_is_good_for(seconds: int, answer: str) -> None:
    """From a quarter of an hour before (clocks differ) until it expires."""
    assert code(head(), NOW + timedelta(seconds=seconds)) == answer


def test_expired_says_so() -> None:
    """With both times."""
    with pytest.raises(S3Error, match="Request has expired") as error:
        s3_auth.check(head(), KEY, NOW + timedelta(minutes=2))
    assert error.value.details == {
        "X-Amz-Expires": 60,
        "Expires": "2026-03-01T12:01:00Z",
        "ServerTime": "2026-03-01T12:02:00Z",
    }


@pytest.mark.parametrize(
    "wrong",
    [
        changed(head(), b"Expires=60", b"Expires=61"),
        changed(head(), b"Signature=", b"Signature=0"),
        head(key=Key(KEY.access_id, "another/secret/that/is/long/too")),
        Head("GET", head().raw_path, head().raw_query, HEADERS),
        Head("PUT", b"/a/b%20d", head().raw_query, HEADERS),
        Head("PUT", b"/a/b%20c", head().raw_query + b"&more=1", HEADERS),
        Head("PUT", head().raw_path, head().raw_query, {**HEADERS, "host": "127.0.0.1:8"}),
    ],
)
def test_anything_else_than_what_was_signed(wrong: Head) -> None:
    """Other parameters, secret, method, path or host."""
    assert code(wrong) == "403 SignatureDoesNotMatch"


def test_the_same_written_differently() -> None:
    """Signatures are over what is meant: order and needless escapes don't matter."""
    one = head()
    assert code(Head("PUT", b"/%61/b%20c", one.raw_query, HEADERS)) == ""
    parts = one.raw_query.split(b"&")
    assert code(Head("PUT", one.raw_path, b"&".join(reversed(parts)), HEADERS)) == ""


def test_headers() -> None:
    """Unsigned ones are ignored, signed ones must match, amz ones must be signed."""
    kind = {"content-type": "application/gzip"}
    assert code(head(sent=kind)) == ""
    assert code(head(signed=kind)) == ""
    assert code(head(signed=kind, sent={"content-type": "text/plain"})) == (
        "403 SignatureDoesNotMatch"
    )
    missing = head(signed=kind)
    assert code(Head("PUT", missing.raw_path, missing.raw_query, HEADERS)) == (
        "403 SignatureDoesNotMatch"
    )
    assert code(head(sent={"x-amz-acl": "private"})) == "403 AccessDenied"
    assert code(head(signed={"x-amz-acl": "private"})) == ""


@pytest.mark.parametrize(
    ("old", "new", "answer"),
    [
        (b"X-Amz-Signature", b"Signature", "400 AuthorizationQueryParametersError"),
        (b"SHA256", b"SHA1", "400 AuthorizationQueryParametersError"),
        (b"us-east-1", b"eu-north-1", "400 AuthorizationQueryParametersError"),
        (b"20260301T", b"20260231T", "400 AuthorizationQueryParametersError"),
        (b"T120000Z", b"", "400 AuthorizationQueryParametersError"),
        (b"Expires=60", b"Expires=-60", "400 AuthorizationQueryParametersError"),
        (b"Expires=60", b"Expires=604801", "400 AuthorizationQueryParametersError"),
        (b"Expires=60", b"Expires=604800", "403 SignatureDoesNotMatch"),
        (b"=host", b"=date", "400 AuthorizationQueryParametersError"),
        (KEY.access_id.encode(), b"SOMEBODYELSE", "403 InvalidAccessKeyId"),
        (b"Signature=", b"Signature=%C3%BC%FF", "403 SignatureDoesNotMatch"),
    ],
)
def test_parameters_that_make_no_sense(old: bytes, new: bytes, answer: str) -> None:
    """Each has its code; none is an accident."""
    assert code(changed(head(), old, new)) == answer


@pytest.mark.parametrize("query", [b"", b"a=b", b"&&=&"])
def test_no_signature_at_all(query: bytes) -> None:
    """Is denied."""
    assert code(Head("PUT", b"/a", query, HEADERS)) == "403 AccessDenied"
