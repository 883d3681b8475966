"""Error bodies: the sentence, and the record that is named."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.wire import Reply, classify, safe_words
from ingest.wire.error_body import error_message, named_record


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"message":"No such table: t","status":404}', "No such table: t"),
        (b'{"message":"busy","error":"write.contention","status":409}', "busy"),
        (b'{"kind":"error","data":{"code":"not_found","message":"x not found"}}', "x not found"),
        (b'{"error":{"status":400,"message":" bad value ","record":3,"value":"x"}}', "bad value"),
        (b'{"message":"bad","errors":[{"row":3}]}', ""),
        (b'{"error":{"message":"bad","value":[1]}}', ""),
        (b'{"error":{"message":"bad"},"details":{"row":3}}', ""),
        (b'{"kind":"error","data":{"code":"internal"}}', ""),
        (b'{"kind":"rows","data":{"message":"a value"}}', ""),
        (b'{"message":3}', ""),
        (b'{"message":null}', ""),
        (b'{"error":"bad"}', ""),
        (b'["message"]', ""),
        (b'"message"', ""),
        (b'{"message":"cut', ""),
        (b'{"message":"\xff"}', ""),
        (b"", ""),
    ],
)
def test_an_error_body_of_a_known_shape_is_its_message(body, message):
    """Of another shape, or with more than plain values beside the message, it is shown whole."""
    assert error_message(body) == message
    expected = message or safe_words(body) or "HTTP 400 Bad Request without a word"
    trouble = classify(Reply(400, {"content-type": "application/json"}, body), 0.0)
    assert trouble is not None
    assert trouble.message == expected


@pytest.mark.parametrize(
    ("body", "record"),
    [
        (b'{"error":{"status":400,"message":"bad","record":0,"column":"x"}}', 0),
        (b'{"error":{"message":"bad","record":9999}}', 9999),
        (b'{"message":"bad","record":7}', 7),
        (b'{"kind":"error","data":{"code":"data.bad_request","message":"bad","record":1}}', 1),
        (b'{"error":{"record":9223372036854775807}}', 2**63 - 1),
        (b'{"error":{"record":18446744073709551616}}', None),
        (b'{"error":{"record":-1}}', None),
        (b'{"error":{"record":true}}', None),
        (b'{"error":{"record":false}}', None),
        (b'{"error":{"record":"3"}}', None),
        (b'{"error":{"record":3.0}}', None),
        (b'{"error":{"record":1e400}}', None),
        (b'{"error":{"record":NaN}}', None),
        (b'{"error":{"record":[3]}}', None),
        (b'{"error":{"record":{"index":3}}}', None),
        (b'{"error":{"record":null}}', None),
        (b'{"error":{"message":"bad"},"record":3}', None),
        (b'{"error":["record",3]}', None),
        (b'["record"]', None),
        (b'{"record":3', None),
        (b"[" * 100_000, None),
        (b"", None),
    ],
)
def test_the_record_that_a_refusal_names(body, record):
    """A whole number from 0, beside the message; whatever else stands there names none."""
    assert named_record(body) == record


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False),
        lambda inner: (
            st.lists(inner, max_size=2)
            | st.dictionaries(
                st.sampled_from(["error", "record", "data", "kind"]), inner, max_size=3
            )
        ),
        max_leaves=6,
    )
)
@settings(max_examples=200, deadline=None)
def test_any_json_is_harmless(value):
    """It names a record by a whole number, or none."""
    record = named_record(orjson.dumps(value))
    assert record is None or (type(record) is int and record >= 0)
