"""Base URLs and paths: one parser for the check and for the sending.

A credential is bound to an origin (scheme, host, port). If the check read a URL by other rules than
the client, a crafted one could pass for the bound host and be sent elsewhere; so both ask
`parse_base_url`, which reads with httpx itself and refuses what parsers disagree about: user
parts, white space, backslashes, control characters.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import quote

import httpx
from msgspec import Struct
from msgspec.structs import replace

from ingest.errors import SettingsError
from ingest.wire.redact import without_query

_DISPUTED = re.compile(r"[\s\x00-\x20\x7f\\]")
DEFAULT_PORTS = {"http": 80, "https": 443}


class Address(Struct, frozen=True):
    """A service's base: `url` has no slash at its end; `host` is in lower case and ASCII."""

    url: str
    scheme: str
    host: str
    port: int

    @property
    def origin(self) -> tuple[str, str, int]:
        """What a credential is bound to."""
        return self.scheme, self.host, self.port

    @property
    def shown(self) -> str:
        """Host, and the port where it isn't the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """The host is this machine: plain http is nobody's to listen to."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def parse_base_url(text: str, where: str = "base_url") -> Address:
    """The address in `text`. Raises SettingsError naming `where` and never a user part."""
    if _DISPUTED.search(text):
        raise SettingsError(f"{where}: a URL holds no white space, backslash or control character")
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        raise SettingsError(f"{where}: can't be read as a URL", _LOOKS_LIKE) from None
    host = url.raw_host.decode("ascii").lower().strip("[]").rstrip(".")
    if url.scheme not in DEFAULT_PORTS or not host:
        raise SettingsError(f"{where}: {without_query(text)} is no http(s) URL", _LOOKS_LIKE)
    if url.userinfo:
        raise SettingsError(f"{where}: a user or password in the URL is refused", _LOOKS_LIKE)
    if url.query or url.fragment:
        raise SettingsError(f"{where}: a query or fragment in a base URL is refused", _LOOKS_LIKE)
    port = DEFAULT_PORTS[url.scheme] if url.port is None else url.port
    if not 0 < port < 65_536:
        raise SettingsError(f"{where}: there is no port {port}", _LOOKS_LIKE)
    address = Address("", url.scheme, host, port)
    path = url.raw_path.decode("ascii").rstrip("/")
    return replace(address, url=f"{url.scheme}://{address.shown}{path}")


def path_segment(name: str) -> str:
    """`name` as one percent-encoded segment of a path; SettingsError where none can hold it.

    `.` and `..` would be taken for steps in the path, by the client or by a proxy, encoded or not.
    """
    if name in ("", ".", ".."):
        raise SettingsError(f"{name!r} can't be a name in the service's paths", "choose another")
    try:
        return quote(name, safe="")
    except UnicodeEncodeError:
        raise SettingsError(f"{name!r} can't be a name in the service's paths") from None


_LOOKS_LIKE = "a base URL looks like https://apps.example.com"
