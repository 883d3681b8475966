"""The sandbox as one ASGI application: the halves' routes behind the guard and the gate.

The order is the point: which service is meant is found first, since it decides about everything
else; then Host and key are checked before a byte of the body is read; the body is bounded before
anything parses it; faults strike between the two. Starlette's outermost layer turns what nobody
expected into a 500 and logs it.
"""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from ingest.sandbox import aito, answers, avalanchio, halves, s3
from ingest.sandbox.gate import Gate, Recorder
from ingest.sandbox.guards import Guard
from ingest.sandbox.halves import ApiHalf, Settings, Shared
from ingest.sandbox.refusal import Refused

# The first that claims a request serves it; the last claims whatever is left.
HALVES = (s3.HALF, aito.HALF, avalanchio.HALF)


def create(settings: Settings) -> tuple[Starlette, Shared]:
    """A new application, and what it shares with the server, which opens and closes it."""
    shared = Shared(settings)
    app = Starlette(
        routes=[_ByHalf()],
        middleware=[
            Middleware(_Assigning),
            Middleware(Guard),
            Middleware(Gate, shared=shared, recorder=Recorder(settings.record_dir)),
        ],
        exception_handlers={
            Refused: answers.on_refused,
            HTTPException: answers.on_http_error,
            Exception: answers.on_crash,
        },
    )
    app.state.shared = shared
    return app, shared


def half_of(path: str, headers: Headers) -> ApiHalf:
    """The half that serves a request."""
    return next(half for half in HALVES if half.claims(path, headers))


def carries_records(method: str, path: str, headers: Headers) -> bool:
    """Whether a request carries records to the half that serves it."""
    return half_of(path, headers).carries_records(method, path)


class _Assigning:
    """Notes in the scope of each request which half serves it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            halves.assign(scope, half_of(scope["path"], Headers(scope=scope)))
        await self._app(scope, receive, send)


class _ByHalf(BaseRoute):
    """Looks a request up among the routes of its half alone."""

    def __init__(self) -> None:
        self._routers = [
            (half, Router([*half.routes, _STATS], redirect_slashes=False)) for half in HALVES
        ]

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        return (Match.FULL if scope["type"] == "http" else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        serving = halves.serving(scope)
        router = next(router for half, router in self._routers if half is serving)
        await router(scope, receive, send)


async def _stats(request: Request) -> Response:
    return answers.JsonAnswer(halves.of(request).stats.as_json())


_STATS = Route("/_sandbox/stats", _stats, methods=["GET"])
