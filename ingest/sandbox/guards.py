"""Who may come in: a loopback name in Host, then the service's key.

Why check Host on a server that listens on loopback only: a web page may let its own name resolve to
127.0.0.1 and have the browser talk to this port (DNS rebinding); such a request carries the page's
name in Host. It is answered 421, before anything else is looked at.
"""

from __future__ import annotations

import re

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from ingest.sandbox import halves
from ingest.sandbox.refusal import Refused, shown

_LOOPBACK = re.compile(
    r"(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?", re.ASCII | re.IGNORECASE
)


class Guard:
    """Answers 421, or what the half's `admit` refuses with; lets everything else through."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse one request, or pass it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            headers = Headers(scope=scope)
            check_host(headers.getlist("host"))
            halves.serving(scope).admit(scope["path"], headers)
        except Refused as refused:
            await halves.refusal(scope, refused)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def check_host(hosts: list[str]) -> None:
    """Refuse anything but exactly one Host header with a loopback name."""
    if len(hosts) != 1 or not _LOOPBACK.fullmatch(hosts[0]):
        named = shown(hosts[0] if hosts else "")
        raise Refused(421, f"the Host header {named} is not this sandbox: use 127.0.0.1")
