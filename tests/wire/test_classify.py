"""The fault table, row by row."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.errors import (
    Ambiguous,
    NotFound,
    Permanent,
    QuotaExceeded,
    Retryable,
    TooLarge,
    Unauthorized,
)
from ingest.wire import (
    Failure,
    FailureKind,
    Reply,
    Secret,
    classify,
    classify_failure,
)
from ingest.wire.classify import Ending, itemised_errors

JSON = {"content-type": "application/json; charset=utf-8"}
HTML = {"content-type": "text/html"}
ENVOY = b"upstream connect error or disconnect/reset before headers. reset reason: %b"
PAGE = b"<!doctype html><html><head><title>Sign in</title></head></html>"


def judged(
    status: int, body: bytes = b"{}", headers: dict[str, str] | None = None, **more: Any
) -> Any:
    """What an answer means for a batch."""
    return classify(Reply(status, JSON if headers is None else headers, body, **more), 0.0)


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        (200, b'{"count": 2}', JSON),
        (200, b"{}", {"content-type": "APPLICATION/JSON"}),
        (200, b"{}", {"content-type": "application/vnd.api+json"}),
        (201, b"[]", JSON),
        (200, b"null", JSON),
        (204, b"", {}),
        (200, b'{"errors": [], "error": null, "failed": 0, "success": true}', JSON),
        (200, b'{"results": [{"status": 200}, {"status": "ok"}]}', JSON),
        (200, b'{"records": [{"error": "a value of the user\'s own column"}]}', JSON),
    ],
)
def test_only_a_whole_json_answer_is_a_success(status, body, headers):
    """2xx, JSON by type and by content, no error in it; or 204."""
    assert judged(status, body, headers) is None


TABLE = [
    (301, b"", {"location": "https://other.example/x?sig=1"}, Permanent),
    (302, b"", {}, Permanent),
    (303, b"", {}, Permanent),
    (304, b"", {}, Permanent),
    (307, b"", {}, Permanent),
    (308, b"", {}, Permanent),
    (400, b'{"message":"bad value"}', JSON, Permanent),
    (401, b"", {}, Unauthorized),
    (403, b"{}", JSON, Unauthorized),
    (404, b"", {}, NotFound),
    (405, b"", {}, Permanent),
    (408, b"", {}, Retryable),
    (409, b'{"kind":"error","data":{"code":"write.contention"}}', JSON, Retryable),
    (409, b'{"message":"busy","error":"write.contention","status":409}', JSON, Retryable),
    (409, b'{"error":"write.contention"}', {**JSON, "x-error-cause": "Conflict"}, Retryable),
    (409, b'{"message":"exists"}', JSON, Permanent),
    (409, b'{"message":"the environment is being migrated","status":409}', JSON, Permanent),
    (410, b"", {}, Permanent),
    (411, b"", {}, Permanent),
    (413, b"", {}, TooLarge),
    (415, b"", {}, Permanent),
    (418, b"", {}, Permanent),
    (422, b"{}", JSON, Permanent),
    (429, b"", {}, Retryable),
    (429, b"", {"x-error-cause": "Throttled"}, Retryable),
    (429, b"quota exceeded elsewhere", {"x-error-cause": "Throttled"}, Retryable),
    (429, b"", {"x-error-cause": "Quota Exceeded"}, QuotaExceeded),
    (429, b'{"message":"Quota Exceeded"}', JSON, QuotaExceeded),
    (500, b"", {}, Ambiguous),
    (500, b'{"message":"nothing was applied, promise"}', JSON, Ambiguous),
    (500, b'{"message":"Request too large"}', JSON, TooLarge),
    (501, b"", {}, Permanent),
    (502, PAGE, HTML, Ambiguous),
    (503, b"", {}, Retryable),
    (503, ENVOY % b"connection termination", {}, Ambiguous),
    (503, ENVOY % b"remote reset", {}, Ambiguous),
    (503, ENVOY % b"remote connection failure", {}, Retryable),
    (503, ENVOY % b"overflow", {}, Retryable),
    (504, b"", {}, Ambiguous),
    (505, b"", {}, Permanent),
    (520, b"", {}, Ambiguous),
    (599, b"", {}, Ambiguous),
    (101, b"", {}, Ambiguous),
    (600, b"", {}, Ambiguous),
    (200, PAGE, HTML, Permanent),
    (200, PAGE, {}, Permanent),
    (200, b"  <html>", JSON, Permanent),
    (200, b"", {}, Ambiguous),
    (200, b"", JSON, Ambiguous),
    (200, b"OK", {"content-type": "text/plain"}, Ambiguous),
    (200, b'{"a":', JSON, Ambiguous),
    (202, b"{}", JSON, Ambiguous),
    (207, b'{"results":[{"status":200}]}', JSON, Ambiguous),
    (207, b"<multistatus/>", {"content-type": "application/xml"}, Ambiguous),
    (207, PAGE, HTML, Ambiguous),
    (200, b"<ok/>", {"content-type": "application/xml"}, Ambiguous),
    (200, b'{"errors":[{"row":1,"message":"bad"}]}', JSON, Ambiguous),
    (200, b'{"error":"bad"}', JSON, Ambiguous),
    (200, b'{"failed":1}', JSON, Ambiguous),
    (200, b'{"success":false}', JSON, Ambiguous),
    (200, b'{"results":[{"status":200},{"status":400}]}', JSON, Ambiguous),
    (200, b'{"items":[{"error":{"type":"x"}}]}', JSON, Ambiguous),
    (201, b'[{"id":1},{"errors":["x"]}]', JSON, Ambiguous),
]


@pytest.mark.parametrize(("status", "body", "headers", "kind"), TABLE)
def test_every_row_of_the_table(status, body, headers, kind):
    """Status, words and type decide the kind; the status goes along, the words are never empty."""
    trouble = judged(status, body, headers)
    assert type(trouble) is kind
    assert trouble.status == status
    assert trouble.message.strip()


@pytest.mark.parametrize("status", range(300, 600))
def test_an_answer_cut_short_means_what_its_status_means(status):
    """Outside 2xx the status alone is proof enough; only words may be missing."""
    whole, cut = judged(status, b""), judged(status, b"", ending=Ending.CUT)
    assert type(whole) is type(cut)


@pytest.mark.parametrize("status", [200, 201, 202, 207])
@pytest.mark.parametrize("headers", [JSON, HTML, {}])
def test_a_cut_success_is_ambiguous(status, headers):
    """Whatever it seemed to be."""
    assert type(judged(status, b'{"count":1}', headers, ending=Ending.CUT)) is Ambiguous


@pytest.mark.parametrize(("headers", "kind"), [(JSON, Ambiguous), (HTML, Permanent)])
def test_an_answer_beyond_the_bound(headers, kind):
    """JSON that was not read to its end may list errors; a long page is a page."""
    assert type(judged(200, b"  ", headers, ending=Ending.OVERLONG)) is kind


@pytest.mark.parametrize("status", [200, 207, 500, 502, 504, 599])
def test_doubt_needs_a_body_that_was_wholly_handed_over(status):
    """A server that answered before it had the body can't have applied it."""
    assert type(judged(status, b"", handed_over=False)) is Retryable


@pytest.mark.parametrize("status", [400, 401, 404, 413])
def test_an_early_refusal_is_a_refusal(status):
    """Its kind does not depend on how much was sent."""
    assert type(judged(status, handed_over=False)) is type(judged(status))


@pytest.mark.parametrize("status", [429, 503, 500, 409])
@pytest.mark.parametrize(
    ("value", "expected"),
    [("7", 7), ("0", 0), ("86400", 86_400), ("x", None), ("-1", None),
     ("Thu, 01 Jan 1970 00:00:09 GMT", 9), ("Wed, 31 Dec 1969 23:00:00 GMT", 0)],
)  # fmt: skip
def test_retry_after_goes_along(status, value, expected):
    """Whatever the status; the governor decides what to make of it."""
    assert judged(status, headers={"retry-after": value}).retry_after_s == expected


def test_a_redirect_names_where_to_without_its_query():
    """It says that redirects are not followed, and to what host this one would have led."""
    message = judged(307, b"", {"location": "https://other.example/x?sig=secret"}).message
    assert "not followed" in message
    assert "https://other.example/x" in message
    assert "secret" not in message


def test_a_page_is_named_by_its_title():
    """Not by its markup."""
    message = judged(502, PAGE, HTML).message
    assert "Sign in" in message
    assert "<" not in message


def test_words_are_clean_and_without_the_token():
    """Terminal escapes and an echoed token are gone, the words are bounded."""
    body = b'{"message":"\x1b[31mBearer tok-0123456789 is expired' + b"x" * 60_000
    secrets = [Secret("Bearer tok-0123456789")]
    trouble = classify(Reply(400, JSON, body), 0.0, secrets)
    assert trouble is not None
    message = trouble.message
    assert "tok-0123456789" not in message
    assert "\x1b" not in message
    assert "is expired" in message
    assert len(message) <= 2_000


@pytest.mark.parametrize("status", [400, 422])
def test_a_refusal_may_name_the_record_at_fault(status):
    """Its place in the body goes along with the words."""
    trouble = judged(status, b'{"error":{"message":"bad value","record":3}}')
    assert (trouble.record, trouble.message) == (3, "bad value")
    assert judged(status, b'{"error":{"message":"bad value"}}').record is None


@pytest.mark.parametrize("status", [401, 404, 409, 413, 429, 500, 503, 200])
def test_nothing_else_names_a_record(status):
    """Trouble that no record caused, and answers to small calls."""
    body = b'{"error":{"message":"bad value","record":3}}'
    assert judged(status, body).record is None
    call = classify(Reply(400, JSON, body), 0.0, records=False)
    assert call is not None
    assert call.record is None


def test_a_message_is_as_clean_as_a_body():
    """An escape that JSON spells out, and the echoed token, are gone from it too."""
    body = orjson.dumps({"message": "\x1b[31mtok-0123456789 is\nexpired", "status": 400})
    trouble = classify(Reply(400, JSON, body), 0.0, [Secret("tok-0123456789")])
    assert trouble is not None
    assert trouble.message == "*** is expired"


@pytest.mark.parametrize("kind", FailureKind)
@pytest.mark.parametrize("handed_over", [True, False])
def test_a_failure_is_ambiguous_only_with_the_body_gone(kind, handed_over):
    """And a connection that never opened took nothing."""
    trouble = classify_failure(Failure(kind, "words", handed_over))
    doubtful = handed_over and kind is not FailureKind.CONNECT
    assert type(trouble) is (Ambiguous if doubtful else Retryable)
    assert "words" in trouble.message
    assert trouble.status is None


@pytest.mark.parametrize(
    ("status", "body", "headers", "expected"),
    [
        (200, b'{"error": "a column of that name"}', JSON, None),
        (200, b"", {}, None),
        (202, b"{}", JSON, None),
        (200, PAGE, HTML, Permanent),
        (200, b"{", JSON, Ambiguous),
        (500, b"", {}, Ambiguous),
    ],
)
def test_small_calls_are_not_searched_for_errors_per_record(status, body, headers, expected):
    """A query's rows may be called anything; the rest of the table holds."""
    trouble = classify(Reply(status, headers, body), 0.0, records=False)
    assert (type(trouble) if trouble else None) is expected


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 999) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["errors", "results", "status", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(JSON_VALUES)
@settings(max_examples=200, deadline=None)
def test_any_json_is_searched_without_failing(value):
    """And its errors, if it lists any, become the message."""
    words = itemised_errors(value)
    trouble = judged(200, orjson.dumps(value))
    assert (trouble is None) == (words == "")


@given(
    status=st.integers(100, 999),
    body=st.binary(max_size=60),
    headers=st.dictionaries(
        st.sampled_from(["content-type", "retry-after", "location", "x-error-cause"]),
        st.sampled_from(["application/json", "text/html", "", "3", "x", "//[", "Quota Exceeded"]),
    ),
    ending=st.sampled_from(Ending),
    handed_over=st.booleans(),
)
@settings(max_examples=300, deadline=None)
def test_no_answer_whatever_breaks_the_table(status, body, headers, ending, handed_over):
    """Nothing but a whole, JSON or empty 2xx answer is a success."""
    trouble = classify(Reply(status, headers, body, ending, handed_over), 0.0)
    if trouble is None:
        assert 200 <= status <= 299
        assert status in (204, 205) or ending is Ending.WHOLE
    else:
        assert trouble.message
        assert (trouble.retry_after_s or 0) >= 0
