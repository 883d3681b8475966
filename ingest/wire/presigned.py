"""PUT a file to an address that somebody else signed, such as S3's presigned URLs.

The address comes from a service's answer, so it is a stranger's word. Promises:

- https and PUT only, no user part, no fragment, no redirect; nothing private (`public_hosts`).
  Where the API itself is on this machine, loopback over plain http is allowed, too, and no more.
- The host is resolved here, *all* its addresses must pass, and the connection goes to the very
  address that passed (the URL bears the IP, `Host` and TLS the name, against which the certificate
  is verified): a DNS answer that changes in between changes nothing.
- The request bears what HTTP and the signature need and no more: `Host` and `Content-Length`. No
  header or cookie of the API's client is within reach, because the connection, its client and its
  headers are made for this one PUT. A `Content-Type` goes only where the signature names it and the
  caller knows it.
- The signature is never shown. The URL lives in a `SignedUrl`, which prints without its query; the
  query and its values are blotted out of whatever the store says.
- The file is read in pieces off the loop and never chunked: S3 answers chunks with 501.
- Nothing is begun with an address that ends within `LEAST_LEFT_S`: S3 looks at the end when a
  request comes, and may take gigabytes before it says no. What is left is reckoned once, when the
  PUT is asked for, and then counted on the monotonic clock, through resolving and connecting. An
  address that seems to have ended before that is tried all the same: nobody gives such a one out,
  so it is this machine's clock that is wrong, and the store decides.

A proxy from the environment is honoured as for the API. It resolves the name itself then, and what
it may reach is its own matter; here a literal address is judged all the same, and so are a name's
addresses where this machine can resolve it. This machine itself is never reached by a proxy.
"""

from __future__ import annotations

import math
import os
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.request import proxy_bypass

import anyio
import httpx
from msgspec import Struct, field

from ingest.errors import TargetError
from ingest.wire.body import PIECE_BYTES
from ingest.wire.classify import Failure, FailureKind, Reply
from ingest.wire.exchange import exchange, named_proxy
from ingest.wire.public_hosts import IpAddress, is_loopback, literal, why_not
from ingest.wire.s3_answer import Judging, PutEnd, PutResult, judge
from ingest.wire.signed_url import FORGED, SignedUrl
from ingest.wire.timing import Senses, Timeouts

# The slowest upload that is still waited for; a signed address seldom lives longer.
SLOWEST_BYTES_PER_S = 128 * 1024
LEAST_LEFT_S = 5.0

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]


async def system_resolver(host: str, port: int) -> Sequence[str]:
    """The addresses of `host` by the system's resolver. Raises OSError."""
    found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


class PutRules(Struct, frozen=True):
    """How a PUT is made. `loopback`: the API is on this machine. `content_type` is sent only where
    the signature names it. `timeouts.total_s` grows with the file's size."""

    timeouts: Timeouts = field(default_factory=Timeouts)
    loopback: bool = False
    ca_file: str | None = None
    senses: Senses = field(default_factory=Senses)
    resolve: Resolver = system_resolver
    content_type: str | None = None


async def put_file(
    url: SignedUrl,
    path: Path,
    size_bytes: int,
    rules: PutRules,
    on_progress: Callable[[int], None] = lambda _sent: None,
) -> PutResult:
    """One PUT of the file at `path`; `on_progress` gets the bytes that were taken so far.

    Raises TargetError, with no connection made, for an address where nothing may be sent, and for
    a file that can't be read or is not `size_bytes` long.
    """
    latest_s = _latest_s(url, rules.senses)
    routes = await _routes(url, rules)
    if isinstance(routes, PutResult):
        return routes
    async with await _opened(path, size_bytes) as file:
        for route in routes:
            if rules.senses.clock.monotonic() >= latest_s:
                return PutResult(PutEnd.EXPIRED, "the address ends too soon to begin with it")
            await file.seek(0)
            body = FileBody(file, size_bytes, on_progress)
            end = await _attempt(url, route, body, rules)
            if not (isinstance(end, Failure) and end.kind is FailureKind.CONNECT):
                break
    if body.trouble:
        raise TargetError(f"{path}: {body.trouble} while it was sent", "run the same command again")
    judging = Judging(
        url.expires_at, rules.senses.wall(), url.secrets, frozenset(url.signed_headers)
    )
    return judge(end, judging)


class FileBody(httpx.AsyncByteStream):
    """A file as a request body, in pieces. No generator: a half-read one warns on trio."""

    def __init__(
        self, file: anyio.AsyncFile[bytes], size_bytes: int, on_progress: Callable[[int], None]
    ) -> None:
        self._file = file
        self.size_bytes = size_bytes
        self._on_progress = on_progress
        self._given_bytes = 0
        self.trouble = ""

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        """The next piece; asking for one says that the piece before was taken."""
        if self._given_bytes:
            self._on_progress(self._given_bytes)
        left = self.size_bytes - self._given_bytes
        if not left:
            raise StopAsyncIteration
        try:
            piece = await self._file.read(min(PIECE_BYTES, left))
            self.trouble = "" if piece else "the file became shorter"
        except OSError as exc:
            self.trouble = exc.strerror or type(exc).__name__
        if self.trouble:  # as the library's own error: no other leaves it without a traceback
            raise httpx.WriteError(self.trouble)
        self._given_bytes += len(piece)
        return piece


class _Route(NamedTuple):
    """Where to connect: an address that passed, or None for the name by way of `proxy`."""

    address: IpAddress | None
    proxy: str | None = None


async def _routes(url: SignedUrl, rules: PutRules) -> list[_Route] | PutResult:
    """The ways to the host that may be taken. Raises TargetError where none may."""
    proxy = _proxy_for(url)
    spelled = literal(url.host)
    try:
        texts = [str(spelled)] if spelled else await rules.resolve(url.host, url.port)
        addresses = [address for address in map(literal, texts) if address is not None]
    except (OSError, UnicodeError) as exc:
        if proxy is None or isinstance(exc, UnicodeError):
            words = getattr(exc, "strerror", None) or "no such name"
            return PutResult(PutEnd.BUSY, f"{url.host}: can't be resolved: {words}")
        return [_Route(None, proxy)]
    _check(url, addresses, rules)
    here = any(map(is_loopback, addresses))
    return [_Route(None, proxy)] if proxy and not here else [_Route(one) for one in addresses]


def _latest_s(url: SignedUrl, senses: Senses) -> float:
    """When a PUT may begin at the latest, on the monotonic clock; infinity where that is not
    known."""
    left_s = math.inf if url.expires_at is None else url.expires_at - senses.wall()
    if left_s <= 0:
        return math.inf
    return senses.clock.monotonic() + left_s - LEAST_LEFT_S


def _check(url: SignedUrl, addresses: Sequence[IpAddress], rules: PutRules) -> None:
    if not addresses:
        raise TargetError(f"{url}: the host has no address", FORGED)
    for address in addresses:
        if reason := why_not(address, loopback=rules.loopback):
            raise TargetError(
                f"{url}: {address} is {reason}: nothing was sent there, no connection made", FORGED
            )
    if url.scheme == "http" and not all(map(is_loopback, addresses)):
        raise TargetError(f"{url}: plain http goes to this machine only: nothing was sent", FORGED)


def _proxy_for(url: SignedUrl) -> str | None:
    """The environment's proxy for this host, as urllib and httpx read it."""
    proxy = named_proxy(url.scheme)
    if proxy is None or proxy_bypass(f"{url.host}:{url.port}") or proxy_bypass(url.host):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


async def _attempt(
    url: SignedUrl, route: _Route, body: FileBody, rules: PutRules
) -> Reply | Failure:
    timeouts, size_bytes = rules.timeouts, body.size_bytes
    headers = {"Host": url.netloc, "Content-Length": str(size_bytes)}
    if rules.content_type is not None and "content-type" in url.signed_headers:
        headers["Content-Type"] = rules.content_type
    transport = httpx.AsyncHTTPTransport(verify=_tls(url, rules), proxy=route.proxy)
    limits = httpx.Timeout(
        connect=timeouts.connect_s,
        read=timeouts.read_s,
        write=timeouts.write_s,
        pool=timeouts.pool_s,
    )
    request = _Request("PUT", url.at(route.address), headers=headers, stream=body)
    if route.address is not None and literal(url.host) is None:
        request.extensions["sni_hostname"] = url.host
    async with httpx.AsyncClient(transport=transport, trust_env=False, timeout=limits) as client:
        return await exchange(client, request, timeouts.total_s + size_bytes / SLOWEST_BYTES_PER_S)


class _Request(httpx.Request):
    """A request whose URL does not print."""

    def __repr__(self) -> str:
        return "<a PUT to a signed URL>"


async def _opened(path: Path, size_bytes: int) -> anyio.AsyncFile[bytes]:
    try:
        file = await anyio.open_file(path, "rb")
    except OSError as exc:
        raise TargetError(f"{path}: can't be read: {exc.strerror}", _SPOOL) from exc
    found = os.fstat(file.wrapped.fileno()).st_size
    if found != size_bytes:
        await file.aclose()
        raise TargetError(f"{path}: has {found:,} bytes, not the {size_bytes:,} written", _SPOOL)
    return file


def _tls(url: SignedUrl, rules: PutRules) -> ssl.SSLContext | bool:
    if url.scheme == "http":
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # never used, knows no authority; quick
    return True if rules.ca_file is None else ssl.create_default_context(cafile=rules.ca_file)


_SPOOL = "something changed the run's own files: run the same command again"
