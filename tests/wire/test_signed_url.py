"""Signed URLs: what is refused, what is read from them, and that they do not print."""

from __future__ import annotations

import traceback

import pytest

from ingest.errors import TargetError
from ingest.wire.redact import Secret
from ingest.wire.signed_url import SignedUrl

SIGNATURE = "0123456789abcdef" * 4
QUERY = (
    "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAEXAMPLE%2F20260101%2Fus-east-1%2Fs3"
    "&X-Amz-Date=20260101T000000Z&X-Amz-Expires=900&X-Amz-SignedHeaders=content-type%3Bhost"
    f"&X-Amz-Signature={SIGNATURE}"
)
GOOD = f"https://bucket.s3.example.com/a/b.gz?{QUERY}"


def test_it_prints_without_its_query():
    """In every way to print it."""
    url = SignedUrl(Secret(GOOD))
    for shown in (str(url), repr(url), f"{url}", repr([url])):
        assert "https://bucket.s3.example.com/a/b.gz" in shown
        assert "X-Amz" not in shown
        assert SIGNATURE not in shown


def test_what_it_says_of_itself():
    """Host, port, until when, which headers."""
    url = SignedUrl(Secret(GOOD))
    assert (url.scheme, url.host, url.port, url.netloc) == (
        "https", "bucket.s3.example.com", 443, "bucket.s3.example.com",
    )  # fmt: skip
    assert url.expires_at == 1767226500.0
    assert url.signed_headers == ("content-type", "host")
    assert str(url.at(None)) == GOOD
    secrets = {secret.reveal() for secret in url.secrets}
    assert {QUERY, SIGNATURE, "AKIAEXAMPLE/20260101/us-east-1/s3"} <= secrets


@pytest.mark.parametrize(
    ("query", "told", "expected"),
    [
        ("Expires=1500000000&Signature=abc", None, 1500000000.0),
        ("Expires=1500000000&Signature=abc", 1.0, 1500000000.0),
        ("Signature=abc", 1.0, 1.0),
        ("Signature=abc", None, None),
        ("X-Amz-Date=yesterday&X-Amz-Expires=9", 2.0, 2.0),
        ("X-Amz-Expires=9", 2.0, 2.0),
        ("Expires=soon", 2.0, 2.0),
    ],
)
def test_until_when_it_is_good(query, told, expected):
    """The URL knows best; else what came with it."""
    assert SignedUrl(Secret(f"https://h/x?{query}"), expires_at=told).expires_at == expected


def test_the_address_takes_the_place_of_the_name_and_of_nothing_else():
    """Path and query are signed: they stay, letter by letter."""
    from ipaddress import ip_address  # noqa: PLC0415 - of this test only

    url = SignedUrl(Secret("https://h.example:8443/a%2Fb/c+d?" + QUERY))
    assert str(url.at(ip_address("8.8.8.8"))) == "https://8.8.8.8:8443/a%2Fb/c+d?" + QUERY
    assert str(url.at(ip_address("2606:4700::1"))).startswith("https://[2606:4700::1]:8443/a%2F")
    assert url.netloc == "h.example:8443"


BAD = [
    f"http://bucket.example/x?{QUERY}",
    f"file:///etc/passwd?{QUERY}",
    f"ftp://bucket.example/x?{QUERY}",
    f"//bucket.example/x?{QUERY}",
    f"https://user:pass@bucket.example/x?{QUERY}",
    f"https://user@bucket.example/x?{QUERY}",
    f"https://@bucket.example/x?{QUERY}",
    f"https://bucket.example/x?{QUERY}#fragment",
    f"https://bucket.example/x?{QUERY}#",
    f"https:///x?{QUERY}",
    f"https://bucket.example:0/x?{QUERY}",
    f"https://bucket.example:99999/x?{QUERY}",
    f"https://[fe80::1%25eth0]/x?{QUERY}",
    f"https://bucket.example /x?{QUERY}",
    f"https://bucket.example\\@evil.example/x?{QUERY}",
    f"https://bücket.example/x?{QUERY}",
    f"https://bucket.example/x?{QUERY}\r\nHost: evil",
    f"https://[::1/x?{QUERY}",
    "",
]


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_place_to_send_to_is_refused_without_its_signature(text):
    """A clear error, with a hint; the signature stands in no message and in no local of ours."""
    with pytest.raises(TargetError) as caught:
        SignedUrl(Secret(text))
    assert caught.value.hint
    summary = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    ours = "".join(f"{frame.filename} {frame.locals}" for frame in summary.stack[1:])
    assert SIGNATURE not in "".join(summary.format_exception_only()) + ours
    assert SIGNATURE not in caught.value.message


def test_plain_http_only_where_it_is_allowed():
    """Which is asked of the API's own address."""
    assert SignedUrl(Secret("http://127.0.0.1:9000/b/k?X=1"), plain=True).port == 9000
    with pytest.raises(TargetError, match="https only"):
        SignedUrl(Secret("file:///b/k?X=1"), plain=True)
