"""Base URLs and paths."""

from __future__ import annotations

from urllib.parse import unquote

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.errors import SettingsError
from ingest.wire import parse_base_url, path_segment


@pytest.mark.parametrize(
    ("text", "url", "origin"),
    [
        ("https://a.example", "https://a.example", ("https", "a.example", 443)),
        ("https://A.Example./", "https://a.example", ("https", "a.example", 443)),
        ("HTTPS://a.example:443/db/x/", "https://a.example/db/x", ("https", "a.example", 443)),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080", ("http", "127.0.0.1", 8080)),
        ("http://[::1]:8080/", "http://[::1]:8080", ("http", "::1", 8080)),
        ("https://ü.example", "https://xn--tda.example", ("https", "xn--tda.example", 443)),
    ],
)  # fmt: skip
def test_a_base_url_is_read_once_for_all(text, url, origin):
    """The URL to send to and the origin to compare come from one reading."""
    address = parse_base_url(text)
    assert (address.url, address.origin) == (url, origin)


@pytest.mark.parametrize(
    "text",
    ["", "apps.example.com", "ftp://h.example", "https://", "https:///path", "https://u:p@h.example",
     "https://good.example@evil.example", "https://good.example\\@evil.example",
     "https://h.example?x=1", "https://h.example#f", "https://h .example", "https://h.example\n",
     "https://h.example:port", "https://h.example:99999", "https://h.example:0"],
)  # fmt: skip
def test_what_parsers_disagree_about_is_refused(text):
    """User parts, backslashes, white space, queries: none of them belongs in a base URL."""
    with pytest.raises(SettingsError, match="where-it-stands"):
        parse_base_url(text, "where-it-stands")


def test_a_password_in_a_url_is_not_repeated():
    """The refusal does not hold the secret."""
    with pytest.raises(SettingsError) as caught:
        parse_base_url("https://user:secret-word@h.example")
    assert "secret-word" not in f"{caught.value.message}{caught.value.hint}"


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("[::1]", True), ("localhost", True),
     ("LOCALHOST", True), ("localhost.evil.example", False), ("127.0.0.1.evil.example", False),
     ("0.0.0.0", False), ("10.0.0.1", False), ("127.1", False)],
)  # fmt: skip
def test_loopback_is_this_machine_only(host, loopback):
    """Names that merely begin like it don't count."""
    assert parse_base_url(f"http://{host}:1").is_loopback is loopback


@pytest.mark.parametrize(
    ("url", "shown"),
    [("https://h.example", "h.example"), ("https://h.example:8443", "h.example:8443"),
     ("http://[::1]:5", "[::1]:5")],
)  # fmt: skip
def test_an_address_is_shown_as_its_host(url, shown):
    """The port where it is not the scheme's."""
    assert parse_base_url(url).shown == shown


@pytest.mark.parametrize("name", ["", ".", "..", "\ud800"])
def test_no_name_is_a_step_in_the_path(name):
    """Dots would be resolved by the client or by a proxy."""
    with pytest.raises(SettingsError, match="can't be a name"):
        path_segment(name)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30))
@settings(max_examples=200, deadline=None)
def test_a_name_is_one_segment_and_comes_back(name):
    """Whatever a table is called, it never adds a segment, a query or a fragment."""
    if name in (".", ".."):
        return
    url = httpx.URL("http://h.example/t/" + path_segment(name) + "/end")
    parts = url.raw_path.decode().split("/")
    assert [parts[1], unquote(parts[2]), parts[3]] == ["t", name, "end"]
    assert (len(parts), url.query, url.fragment) == (4, b"", "")
