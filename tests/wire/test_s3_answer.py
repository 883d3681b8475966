"""What a store's answer to a PUT means: one table."""

from __future__ import annotations

import pytest

from ingest.wire.classify import Failure, FailureKind, Reply
from ingest.wire.redact import Secret
from ingest.wire.s3_answer import Judging, PutEnd, clocks, date_of, judge, said

AT = 1_767_226_500.0  # 2026-01-01 00:15:00Z
BEFORE = {"date": "Thu, 01 Jan 2026 00:14:59 GMT"}
AFTER = {"date": "Thu, 01 Jan 2026 00:15:00 GMT"}
STORED, EXPIRED, BUSY, REFUSED = PutEnd.STORED, PutEnd.EXPIRED, PutEnd.BUSY, PutEnd.REFUSED


def xml(code: str, message: str = "Words.", more: str = "") -> bytes:
    """S3's error body."""
    head = '<?xml version="1.0" encoding="UTF-8"?>\n'
    return f"{head}<Error><Code>{code}</Code><Message>{message}</Message>{more}</Error>".encode()


def meaning(status: int, body: bytes = b"", headers=BEFORE, signed=frozenset({"host"})):
    """How an answer is judged."""
    return judge(Reply(status, headers, body), Judging(AT, AT, (), signed))


@pytest.mark.parametrize(
    ("status", "body", "end"),
    [
        (200, b"", STORED),
        (204, b"", STORED),
        (200, b"<html>sign in</html>", REFUSED),
        (403, xml("AccessDenied", "Request has expired"), EXPIRED),
        (403, xml("AccessDenied"), REFUSED),
        (403, xml("ExpiredToken", "The provided token has expired."), EXPIRED),
        (400, xml("ExpiredToken", "The provided token has expired."), EXPIRED),
        (403, xml("SignatureDoesNotMatch"), REFUSED),
        (403, b"", REFUSED),
        (503, xml("SlowDown", "Please reduce your request rate."), BUSY),
        (503, b"", BUSY),
        (500, xml("InternalError"), BUSY),
        (502, b"<html>", BUSY),
        (504, b"", BUSY),
        (429, b"", BUSY),
        (408, b"", BUSY),
        (400, xml("RequestTimeout"), BUSY),
        (400, xml("IncompleteBody"), BUSY),
        (409, xml("OperationAborted"), BUSY),
        (400, xml("BadDigest"), REFUSED),
        (400, xml("EntityTooLarge"), REFUSED),
        (413, b"", REFUSED),
        (411, xml("MissingContentLength"), REFUSED),
        (501, xml("NotImplemented"), REFUSED),
        (404, xml("NoSuchBucket"), REFUSED),
        (301, b"", REFUSED),
        (307, xml("TemporaryRedirect"), REFUSED),
        (418, b"", REFUSED),
    ],
)
def test_each_answer_has_its_meaning(status, body, end):
    """Every end with words but the good one, every refusal with a hint."""
    result = meaning(status, body)
    assert result.end is end
    assert bool(result.message) == (end is not STORED)
    assert bool(result.hint) == (end is REFUSED)
    assert result.status == status


@pytest.mark.parametrize(
    ("status", "code"),
    [(403, "AccessDenied"), (403, ""), (400, "AccessDenied"), (400, "RequestTimeTooSkewed")],
)
@pytest.mark.parametrize(("headers", "end"), [(BEFORE, REFUSED), (AFTER, EXPIRED), ({}, REFUSED)])
def test_an_expiry_is_also_known_by_the_stores_own_clock(status, code, headers, end):
    """The moment itself is late; a store that does not say its time expires nothing."""
    assert meaning(status, xml(code), headers).end is end


@pytest.mark.parametrize("code", ["EntityTooLarge", "BadDigest", "InvalidRequest"])
def test_other_refusals_are_no_expiry_even_if_it_is_late(code):
    """A long upload may well end after the address did."""
    assert meaning(400, xml(code), AFTER).end is REFUSED


@pytest.mark.parametrize(
    ("status", "body", "hint"),
    [
        (413, b"", "limits.spool_bytes"),
        (400, xml("EntityTooLarge"), "limits.spool_bytes"),
        (411, b"", "defect"),
        (501, b"", "defect"),
        (400, xml("RequestTimeTooSkewed"), "clocks"),
        (301, b"", "proxy"),
    ],
)
def test_hints_name_what_to_do(status, body, hint):
    """The setting, the defect, the clocks."""
    assert hint in meaning(status, body).hint


def test_a_signature_that_wants_unknown_headers_says_which():
    """Nobody told us their values."""
    signed = frozenset({"host", "content-length", "content-type", "x-amz-acl"})
    assert "content-type, x-amz-acl" in meaning(403, xml("AccessDenied"), signed=signed).hint


def test_a_redirect_is_named_without_its_query():
    """And said not to be followed."""
    headers = {"location": "https://other.example/x?X-Amz-Signature=abcdef"}
    message = meaning(307, b"", headers).message
    assert "https://other.example/x" in message
    assert "not followed" in message
    assert "abcdef" not in message


def test_only_code_and_message_are_shown():
    """SignatureDoesNotMatch repeats what was signed and the signature."""
    more = (
        "<SignatureProvided>0123456789abcdef</SignatureProvided><StringToSign>AWS4</StringToSign>"
    )
    result = meaning(403, xml("SignatureDoesNotMatch", "It does not match.", more))
    assert result.message == "HTTP 403 SignatureDoesNotMatch: It does not match."


def test_secrets_in_the_stores_words_are_blotted_out():
    """Whatever a proxy repeats in an answer of its own."""
    secret = Secret("X-Amz-Signature=0123456789abcdef")
    reply = Reply(400, {}, b"bad request: /b?X-Amz-Signature=0123456789abcdef")
    assert judge(reply, Judging(None, 0.0, (secret,))).message == "HTTP 400: bad request: /b?***"


def test_entities_are_words_and_nothing_else():
    """An entity bomb is text that is cut; known escapes are read."""
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>' + xml("X", "&b; &quot;q&#39;")
    assert said(Reply(400, {}, bomb), ()) == ("X", "&b; \"q'")


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"<Code>", b"<Error><Code></Code></Error>"])
def test_answers_of_no_known_shape_still_say_something(body):
    """The status at least."""
    assert meaning(400, body).message.startswith("HTTP 400: ")


@pytest.mark.parametrize("kind", FailureKind)
@pytest.mark.parametrize("handed_over", [True, False])
def test_a_broken_connection_is_always_for_again(kind, handed_over):
    """A PUT is idempotent, and nothing is processed before the trigger."""
    result = judge(Failure(kind, "gone", handed_over), Judging(None, 0.0))
    assert result.end is PutEnd.BUSY
    assert "gone" in result.message


def test_a_certificate_that_does_not_fit_is_refused():
    """No waiting mends it."""
    result = judge(Failure(FailureKind.CONNECT, "x", False, hopeless=True), Judging(None, 0.0))
    assert result.end is PutEnd.REFUSED
    assert "TLS" in result.hint


def test_retry_after_is_read():
    """In seconds."""
    assert meaning(503, b"", {"retry-after": "7"}).retry_after_s == 7.0


@pytest.mark.parametrize(
    ("header", "expected"),
    [("Thu, 01 Jan 2026 00:15:00 GMT", AT), ("Thu Jan  1 00:15:00 2026", AT), ("soon", None),
     ("", None)],
)  # fmt: skip
def test_the_stores_clock_is_read(header, expected):
    """Dates without a zone are UTC."""
    assert date_of(Reply(200, {"date": header}, b"")) == expected


@pytest.mark.parametrize("moment", [None, 0.0, AT, 1e300])
def test_clocks_are_compared_in_words(moment):
    """Whatever they say."""
    words = clocks(moment, moment, AT)
    assert "2026-01-01 00:15:00Z" in words
    assert ("unknown time" in words) == (moment is None)
