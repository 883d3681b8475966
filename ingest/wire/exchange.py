"""One request, one end: an answer as it was read, or the place where it broke off.

Nothing is raised for what the network does: exceptions of the HTTP library hold the request with
its headers, so they stop here and only their words, cleaned, go on.

An error page is read up to `WORDS_BYTES`; a 2xx JSON answer up to `ANSWER_BYTES`, because a service
may echo 10,000 records, and an answer cut short could not be told from a lost one. At the bound the
connection is dropped. Idle connections are given up after `IDLE_S`, just before common servers
(5 s) close them: a request sent into a closing connection would be ambiguous. Proxies from the
environment are honoured, but not for this machine: what is meant for loopback must not leave it.
Where the environment names one, httpx's own transport sends (it knows how to ask proxies, and which
hosts are not for them), else ours, which is quicker.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Iterator
from urllib.request import getproxies

import anyio
import httpx

from ingest import __version__
from ingest.errors import SettingsError
from ingest.protocols import Clock
from ingest.wire.address import Address
from ingest.wire.body import BatchBody
from ingest.wire.classify import Ending, Failure, FailureKind, Reply
from ingest.wire.connection import IDLE_S
from ingest.wire.pools import Clients
from ingest.wire.redact import safe_words
from ingest.wire.timing import SystemClock, Timeouts
from ingest.wire.transport import ServiceTransport

WORDS_BYTES = 64 * 1024
ANSWER_BYTES = 16 * 1024 * 1024
DEFAULT_HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "identity",  # a bounded answer must not unfold into an unbounded one
    "User-Agent": f"ingest/{__version__}",
}
_KINDS: tuple[tuple[type[httpx.TransportError], FailureKind], ...] = (
    (httpx.ConnectError, FailureKind.CONNECT),
    (httpx.ConnectTimeout, FailureKind.CONNECT),
    (httpx.PoolTimeout, FailureKind.CONNECT),
    (httpx.ProxyError, FailureKind.CONNECT),
    (httpx.TimeoutException, FailureKind.TIMEOUT),
    (httpx.WriteError, FailureKind.SEND),
)

# httpx logs whole URLs at INFO and httpcore the headers at DEBUG; neither is anybody's to read.
for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)


def make_clients(
    address: Address, timeouts: Timeouts, in_flight: int, ca_file: str | None, clock: Clock
) -> Clients:
    """Clients for so many requests at once to one service. Raises SettingsError if `ca_file` can't
    be used."""
    tls = _tls(address, ca_file)  # one for all: to load the authorities takes longer than a request
    also = 2  # a count or a settling question beside the writers
    return Clients(lambda most: make_client(address, timeouts, most, tls, clock), in_flight + also)


def make_client(
    address: Address,
    timeouts: Timeouts,
    connections: int,
    tls: ssl.SSLContext | None = None,
    clock: Clock | None = None,
) -> httpx.AsyncClient:
    """A client for one service, which knows no token: that goes with each request."""
    tls = tls or _tls(address, None)
    proxied = not address.is_loopback and named_proxy(address.scheme) is not None
    own = None if proxied else ServiceTransport(address, connections, tls, clock or SystemClock())
    return _Client(
        headers=DEFAULT_HEADERS,
        transport=own,
        verify=tls,
        follow_redirects=False,
        trust_env=proxied,
        timeout=httpx.Timeout(
            connect=timeouts.connect_s,
            read=timeouts.read_s,
            write=timeouts.write_s,
            pool=timeouts.pool_s,
        ),
        limits=httpx.Limits(
            max_connections=connections,
            max_keepalive_connections=connections,
            keepalive_expiry=IDLE_S,
        ),
    )


class _NoCookies(httpx.Cookies):
    """Takes none out of an answer, and does not look for them, which costs more than a header."""

    def extract_cookies(self, response: httpx.Response) -> None:
        """Leave them."""


class _Client(httpx.AsyncClient):
    """A client that keeps no cookies; httpx asks for them several times a request."""

    _none = _NoCookies()
    cookies = property(lambda self: self._none)


def named_proxy(scheme: str) -> str | None:
    """The proxy that the environment names for such URLs, whatever it says of single hosts."""
    named = getproxies()
    return named.get(scheme) or named.get("all") or None


async def exchange(
    client: httpx.AsyncClient,
    request: httpx.Request,
    total_s: float,
    body: BatchBody | None = None,
) -> Reply | Failure:
    """Send `request` and read its answer. `body`, if given, is the request's stream."""
    with anyio.move_on_after(total_s):
        try:
            response = await client.send(request, stream=True)
            return await _read(response, body)
        except httpx.TransportError as exc:
            return _failure(exc, body)
    return Failure(
        FailureKind.TIMEOUT, f"{total_s:g} s for the whole request", _handed_over(body, late=True)
    )


async def _read(response: httpx.Response, body: BatchBody | None) -> Reply:
    """The answer up to its bound.

    At the bound the response is closed and the loop goes on until the closed stream ends it:
    leaving it would leave generators of the library half-way, of which trio complains.
    """
    headers = dict(response.headers.items())
    head = Reply(response.status_code, headers, b"", handed_over=_handed_over(body))
    bound = ANSWER_BYTES if response.is_success and head.is_json else WORDS_BYTES
    content, ending = bytearray(), Ending.WHOLE
    try:
        async for chunk in response.aiter_raw():
            content += chunk[: bound + 1 - len(content)]
            if len(content) > bound and ending is Ending.WHOLE:
                ending = Ending.OVERLONG
                await response.aclose()
    except (httpx.TransportError, httpx.StreamError):
        ending = Ending.CUT if ending is Ending.WHOLE else ending
    finally:
        await response.aclose()
    return Reply(head.status, headers, bytes(content[:bound]), ending, head.handed_over)


def _failure(exc: httpx.TransportError, body: BatchBody | None) -> Failure:
    kind = next((kind for type_, kind in _KINDS if isinstance(exc, type_)), FailureKind.RECEIVE)
    if kind is FailureKind.CONNECT:
        hopeless = any(isinstance(e, ssl.SSLCertVerificationError) for e in _chain(exc))
        return Failure(kind, _words(exc), handed_over=False, hopeless=hopeless)
    handed_over = _handed_over(body, late=kind is FailureKind.TIMEOUT)
    if kind is FailureKind.RECEIVE and not handed_over:
        kind = FailureKind.SEND  # the library tries to read an answer after a failed write
    return Failure(kind, _words(exc), handed_over)


def _handed_over(body: BatchBody | None, *, late: bool = False) -> bool:
    """Whether the server may have all of it; a small call's body counts as handed over at once."""
    return body is None or body.handed_over(interrupted=late)


def _words(exc: BaseException) -> str:
    """The failure's words, or those of what caused it: the library's own are often empty."""
    said = (safe_words(str(e)) for e in _chain(exc))
    return next(filter(None, said), type(exc).__name__)


def _chain(exc: BaseException | None) -> Iterator[BaseException]:
    while exc is not None:
        yield exc
        exc = exc.__cause__ or exc.__context__


def _tls(address: Address, ca_file: str | None) -> ssl.SSLContext:
    if address.scheme == "http":
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # never used, knows no authority; quick
    if ca_file is None:
        return httpx.create_ssl_context(trust_env=not address.is_loopback)
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as exc:
        raise SettingsError(
            f"ca_file {ca_file}: can't be used: {exc.strerror or exc}",
            "it must be a readable file of PEM certificates",
        ) from exc
