"""The way to a service: proxy, reachability, clock, TLS. No credential goes out here.

The request is made by the very client that a run uses, so proxies, authorities and limits of time
are a run's; any answer at all says that the service can be reached, and its Date header what time
it is there. The client does not tell which TLS was agreed on, so that is asked by a handshake of
our own, where no proxy stands between.
"""

from __future__ import annotations

import os
import ssl
import urllib.request
from collections.abc import Callable
from urllib.parse import urlsplit

import anyio
from anyio.streams.tls import TLSAttribute

from ingest.operations import check_machine, check_service
from ingest.operations.check_finding import Finding
from ingest.wire import Address, Failure, Timeouts, shown_moment
from ingest.wire.exchange import exchange, make_client
from ingest.wire.s3_answer import date_of

TOTAL_S = 20.0
TLS_S = 10.0
CERTIFICATE = "have its certificate put right, or name your authority's in SSL_CERT_FILE"


async def look(address: Address, timeouts: Timeouts, wall: Callable[[], float]) -> list[Finding]:
    """Findings about proxy, reachability, clock and TLS."""
    known = proxies()
    bypassed = bool(urllib.request.proxy_bypass(address.host))
    loopback = address.is_loopback
    found = [check_service.proxies(known, address.scheme, loopback=loopback, bypassed=bypassed)]
    reached = await _reached(address, timeouts, wall)
    found += reached
    if address.scheme != "https":
        said = "plain http, which is fine on this machine"
        return [
            *found,
            Finding(
                "TLS",
                "ok" if loopback else "mend",
                said if loopback else "plain http: no token goes over it",
                "" if loopback else "use https://",
            ),
        ]
    direct = loopback or bypassed or not (known.get("https") or known.get("all"))
    if not direct:
        said = "through the proxy; verified by each request, its details can't be seen here"
        return [*found, Finding("TLS", "ok", said)]
    if any(one.name == "reachability" and one.state == "away" for one in reached):
        return [*found, Finding("TLS", "unknown", "not looked at: the service can't be reached")]
    return [*found, await _tls(address, wall)]


def proxies() -> dict[str, str]:
    """The proxies of the environment by scheme, without users and passwords."""
    found = urllib.request.getproxies()
    return {
        scheme: _shown(url) for scheme, url in found.items() if scheme in ("http", "https", "all")
    }


def _shown(url: str) -> str:
    parts = urlsplit(url if "://" in url else f"//{url}")
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.hostname or '?'}{port}"


async def _reached(
    address: Address, timeouts: Timeouts, wall: Callable[[], float]
) -> list[Finding]:
    async with make_client(address, timeouts, 1) as client:
        request = client.build_request("HEAD", address.url + "/")
        before_s = wall()
        end = await exchange(client, request, TOTAL_S)
        middle_s = (before_s + wall()) / 2
    if isinstance(end, Failure):
        if end.hopeless:
            return [Finding("reachability", "mend", f"{address.shown}: {end.words}", CERTIFICATE)]
        mend = "check the address, the network and the proxy; else try again later"
        return [Finding("reachability", "away", f"{address.shown}: {end.words}", mend)]
    found = [Finding("reachability", "ok", f"{address.shown} answers")]
    if end.status in (502, 503, 504):
        said = f"{address.shown} answers {end.status}: not in service now"
        found = [Finding("reachability", "away", said, "try again later")]
    date_s = date_of(end)
    if date_s is None:
        said = "the service does not say what time it is there"
        return [*found, Finding("clock", "unknown", said)]
    return [*found, check_machine.clock(date_s - middle_s)]


def authorities(address: Address) -> tuple[ssl.SSLContext, str]:
    """What certificates are verified with, as the client does it, and where that is from."""
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        if (place := os.environ.get(name)) and not address.is_loopback:
            file = name == "SSL_CERT_FILE"
            context = ssl.create_default_context(
                cafile=place if file else None, capath=None if file else place
            )
            return context, f"{name}={place}"
    import certifi  # noqa: PLC0415 - comes with the client

    return ssl.create_default_context(cafile=certifi.where()), "certifi's authorities"


async def _tls(address: Address, wall: Callable[[], float]) -> Finding:
    try:
        context, shown = authorities(address)
        with anyio.fail_after(TLS_S):
            stream = await anyio.connect_tcp(
                address.host, address.port, tls_hostname=address.host, ssl_context=context
            )
            try:
                version = stream.extra(TLSAttribute.tls_version)  # noqa: S610 - anyio's, no query
                certificate = stream.extra(TLSAttribute.peer_certificate)  # noqa: S610 - as above
            finally:
                await anyio.aclose_forcefully(stream)
    except (OSError, TimeoutError, anyio.BrokenResourceError) as exc:
        said = f"{address.shown}: {str(exc) or type(exc).__name__}"
        return Finding("TLS", "mend", said, CERTIFICATE)
    after = (certificate or {}).get("notAfter")
    ends_s = ssl.cert_time_to_seconds(after) if isinstance(after, str) else None
    moment = shown_moment(ends_s) if ends_s is not None else ""
    return check_service.tls(version, ends_s, wall(), moment, shown)
