"""Which addresses a stranger may send us to: public ones, and no others.

An upload address comes in a service's answer. Whoever can forge that answer could point us at this
machine, at its neighbours or at a cloud's metadata service (169.254.169.254), and have a file
delivered there. So every address that a name stands for is judged before a connection is opened,
and the connection goes to the very address that was judged (`presigned`).

Judged is what an address *means*: IPv4-mapped IPv6, NAT64 (RFC 6052) and 6to4 (RFC 3056) carry an
IPv4 address inside, and that one is asked. Spellings that only some parsers know (`0x7f.1`,
`2130706433`) are read as the system's resolver reads them. The lists are those of IANA's registries
as Python's `ipaddress` holds them.
"""

from __future__ import annotations

import re
import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

IpAddress = IPv4Address | IPv6Address

_NAT64 = IPv6Network("64:ff9b::/96")
_NAT64_LOCAL = IPv6Network("64:ff9b:1::/48")
_ODD_IPV4 = re.compile(r"(?:0[xX][0-9a-fA-F]*|[0-9]+)(?:\.(?:0[xX][0-9a-fA-F]*|[0-9]+)){0,3}\.?")


def literal(host: str) -> IpAddress | None:
    """The address that `host` spells, in whatever way; None for a name."""
    try:
        return ip_address(host)
    except ValueError:
        pass
    if not _ODD_IPV4.fullmatch(host):
        return None
    try:
        return IPv4Address(socket.inet_aton(host.rstrip(".")))
    except OSError:
        return None


def meant(address: IpAddress) -> IpAddress:
    """The IPv4 address inside an IPv6 one that only wraps it, else the address itself."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or address


def is_loopback(address: IpAddress) -> bool:
    """This machine."""
    return meant(address).is_loopback


def why_not(address: IpAddress, *, loopback: bool) -> str:
    """Why nothing may be sent to `address`, in a word; empty where it may.

    `loopback`: this machine is allowed, too.
    """
    inner = meant(address)
    if inner.is_loopback:
        return "" if loopback else "loopback"
    for kind in ("unspecified", "link_local", "multicast", "private", "reserved"):
        if getattr(inner, f"is_{kind}"):
            return kind.replace("_", "-")
    local = isinstance(inner, IPv6Address) and (inner.is_site_local or inner in _NAT64_LOCAL)
    return "" if inner.is_global and not local else "not public"
