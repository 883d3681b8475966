"""The sandbox as one ASGI application: the halves' routes behind the guard and the gate.

The order is the point: Host and key are checked before a byte of the body is read; the body is
bounded before anything parses it; faults strike between the two. Starlette's outermost layer turns
what nobody expected into a 500 and logs it.
"""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ingest.sandbox import answers, avalanchio, halves
from ingest.sandbox.gate import Gate, Recorder
from ingest.sandbox.guards import Guard
from ingest.sandbox.halves import Settings, Shared
from ingest.sandbox.refusal import Refused

HALVES = (avalanchio.HALF,)


def create(settings: Settings) -> tuple[Starlette, Shared]:
    """A new application, and what it shares with the server, which opens and closes it."""
    shared = Shared(settings)
    recorder = Recorder(settings.record_dir)
    app = Starlette(
        routes=[route for half in HALVES for route in half.routes] + [_STATS],
        middleware=[
            Middleware(Guard, admit=admit),
            Middleware(Gate, shared=shared, recorder=recorder, carries_records=carries_records),
        ],
        exception_handlers={
            Refused: answers.on_refused,
            HTTPException: answers.on_http_error,
            Exception: answers.on_crash,
        },
    )
    app.router.redirect_slashes = False
    app.state.shared = shared
    return app, shared


def admit(path: str, headers: Headers) -> None:
    """The key check of the half that serves `path`; Avalanchio's for everything else."""
    half = next((half for half in HALVES if path.startswith(half.prefix)), None)
    (half.admit if half else halves.admit_bearer)(headers)


def carries_records(method: str, path: str) -> bool:
    """Whether a request to any of the halves carries records."""
    return any(half.carries_records(method, path) for half in HALVES)


async def _stats(request: Request) -> Response:
    return answers.JsonAnswer(halves.of(request).stats.as_json())


_STATS = Route("/_sandbox/stats", _stats, methods=["GET"])
