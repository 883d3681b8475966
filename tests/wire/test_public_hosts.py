"""Which addresses may be sent to: public ones, in every spelling and wrapping."""

from __future__ import annotations

from ipaddress import IPv4Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.wire.public_hosts import is_loopback, literal, meant, why_not

FORBIDDEN = {
    "169.254.169.254": "link-local",
    "10.0.0.1": "private",
    "172.16.0.1": "private",
    "192.168.1.1": "private",
    "100.64.0.1": "not public",
    "0.0.0.0": "unspecified",
    "0.1.2.3": "private",
    "224.0.0.1": "multicast",
    "255.255.255.255": "private",
    "240.0.0.1": "private",
    "::": "unspecified",
    "fe80::1": "link-local",
    "fe80::1%eth0": "link-local",
    "fd00::1": "private",
    "fec0::1": "not public",
    "ff02::1": "multicast",
    "::ffff:10.0.0.1": "private",
    "::ffff:169.254.169.254": "link-local",
    "64:ff9b::a00:1": "private",
    "64:ff9b::a9fe:a9fe": "link-local",
    "64:ff9b:1::808:808": "not public",
    "2002:a00:1::1": "private",
    "::808:808": "reserved",
    "2001:db8::1": "private",
}
LOOPBACK = ["127.0.0.1", "127.255.0.1", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1"]
PUBLIC = ["8.8.8.8", "52.216.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]


@pytest.mark.parametrize("loopback", [True, False])
@pytest.mark.parametrize(("text", "reason"), FORBIDDEN.items())
def test_what_is_not_public_is_refused(text, reason, loopback):
    """With a word; that this machine is allowed opens nothing else."""
    found = why_not(ip_address(text), loopback=loopback)
    assert found
    if text not in ("64:ff9b:1::808:808", "fec0::1", "::808:808"):  # Python versions differ here
        assert found == reason


@pytest.mark.parametrize("text", LOOPBACK)
def test_this_machine_only_where_it_is_allowed(text):
    """Wrapped or not."""
    assert why_not(ip_address(text), loopback=False) == "loopback"
    assert why_not(ip_address(text), loopback=True) == ""
    assert is_loopback(ip_address(text))


@pytest.mark.parametrize("text", PUBLIC)
def test_public_addresses_pass(text):
    """NAT64 too: that is how an IPv6-only network reaches S3."""
    assert why_not(ip_address(text), loopback=False) == ""
    assert not is_loopback(ip_address(text))


@pytest.mark.parametrize(
    ("spelled", "address"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("0x7f.1", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("127.1", "127.0.0.1"),
        ("0177.0.0.1", "127.0.0.1"),
        ("0xA9FEA9FE", "169.254.169.254"),
        ("10.1.", "10.0.0.1"),
        ("0", "0.0.0.0"),
        ("fd00::1", "fd00::1"),
    ],
)
def test_odd_spellings_are_read_as_the_resolver_reads_them(spelled, address):
    """Numbers, hexadecimal, octal, parts left out."""
    assert literal(spelled) == ip_address(address)


@pytest.mark.parametrize(
    "name",
    [
        "example.com",
        "1.2.3.4.5",
        "0x7g",
        "10.0.0.1.example.com",
        "",
        "a",
        "256.1.1.1.1",
        "256.1.1.1",
    ],
)
def test_a_name_is_no_address(name):
    """It is for the resolver."""
    assert literal(name) is None


@given(st.integers(0, 2**32 - 1))
def test_wrapping_an_address_changes_nothing(number):
    """What is refused is refused as IPv4-mapped, through NAT64 and as 6to4, too."""
    bare = IPv4Address(number)
    for text in (f"::ffff:{bare}", f"64:ff9b::{bare}"):
        assert meant(ip_address(text)) == bare
        assert why_not(ip_address(text), loopback=False) == why_not(bare, loopback=False)
    six = ip_address((0x2002 << 112) | (number << 80) | 1)
    assert meant(six) == bare
