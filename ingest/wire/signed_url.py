"""A signed URL: read once, checked, and never shown with its query.

The signature in the query lets anybody who reads it write to the place. So the text is wrapped the
moment it is read, prints without query, and what is raised about it is raised where no local
variable holds it in the clear: tracebacks with locals are printed by many tools.

Read with httpx itself, because httpx sends it: what parsers disagree about (white space, control
characters, backslashes, non-ASCII, `%` in a host) is refused.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from urllib.parse import unquote

import httpx

from ingest.errors import TargetError
from ingest.wire.address import DEFAULT_PORTS
from ingest.wire.public_hosts import IpAddress
from ingest.wire.redact import SCRUBBED_FROM_CHARACTERS, Secret, without_query

_DISPUTED = re.compile(r"[^\x21-\x7e]|\\")
_USER = re.compile(r"[^:/?#]*://[^/?#]*@")  # also an empty one, which httpx drops
_STAMP = "%Y%m%dT%H%M%SZ"


class SignedUrl:
    """An address with a signature. `str` and `repr` give it without the query."""

    __slots__ = ("_shown", "_url", "expires_at", "host", "port", "scheme")

    def __init__(
        self, text: Secret, *, plain: bool = False, expires_at: float | None = None
    ) -> None:
        """`plain`: http is allowed. `expires_at` (Unix seconds) holds where the URL says nothing.

        Raises TargetError for what is no address to send a file to.
        """
        self._shown = without_query(text.reveal())
        if problem := _problem(text.reveal(), plain=plain):
            raise TargetError(f"{self._shown}: {problem}", FORGED)
        self._url = httpx.URL(text.reveal())
        self.scheme = self._url.scheme
        self.host = _host(self._url)
        self.port = self._url.port or DEFAULT_PORTS[self.scheme]
        said = _expires_at({name.lower(): value for name, value in self._url.params.multi_items()})
        self.expires_at = expires_at if said is None else said

    @property
    def netloc(self) -> str:
        """The Host header."""
        return self._url.netloc.decode("ascii")

    @property
    def signed_headers(self) -> tuple[str, ...]:
        """The names of the headers that the signature covers, in lower case."""
        named = self._url.params.get("X-Amz-SignedHeaders", "")
        return tuple(filter(None, named.lower().split(";")))

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """What must be blotted out of words: the query, and each long value in it."""
        query = self._url.query.decode("ascii")
        values = [value for _, _, value in (part.partition("=") for part in query.split("&"))]
        texts = {query, *values, *map(unquote, values), *map(unquote, [query])}
        longest_first = sorted(texts, key=len, reverse=True)
        return tuple(
            Secret(text) for text in longest_first if len(text) >= SCRUBBED_FROM_CHARACTERS
        )

    def at(self, address: IpAddress | None) -> httpx.URL:
        """The URL for the client, with the address in place of the name. Not to be shown."""
        return self._url if address is None else self._url.copy_with(host=str(address))

    def __repr__(self) -> str:
        return self._shown


def _problem(text: str, *, plain: bool) -> str:
    """Why a file can't be sent there, without the text itself; empty where it can."""
    if not text or _DISPUTED.search(text):
        return "no URL: it is empty or holds characters that no URL does"
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        return "can't be read as a URL"
    host, port = _host(url), url.port
    problems = (
        (
            url.scheme not in DEFAULT_PORTS,
            f"{url.scheme or 'no scheme'}: a file is sent over https only",
        ),
        (url.scheme == "http" and not plain, "a file is sent over https only, not over plain http"),
        (_USER.match(text), "a user or password is refused in it"),
        ("#" in text, "a fragment is refused in it"),
        (not host or "%" in host, "it has no proper host"),
        (port is not None and not 0 < port < 65_536, f"there is no port {port}"),
    )
    return next((f"{words}; nothing was sent" for wrong, words in problems if wrong), "")


def _host(url: httpx.URL) -> str:
    return url.raw_host.decode("ascii").lower().strip("[]").rstrip(".")


def _expires_at(params: dict[str, str]) -> float | None:
    """Until when the signature is good: version 4 counts from its date, version 2 names the end."""
    try:
        if "x-amz-expires" in params:
            signed = datetime.strptime(params["x-amz-date"], _STAMP).replace(tzinfo=UTC)
            return signed.timestamp() + int(params["x-amz-expires"])
        return float(int(params["expires"]))
    except (KeyError, ValueError, OverflowError):
        return None


FORGED = "the service's answer names no place to upload to: check target.base_url, tell the service"
