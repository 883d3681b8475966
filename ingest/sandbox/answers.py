"""JSON answers, and refusals as answers.

orjson writes them (it knows the stored JSON fragments of `query`); every refusal, whatever raised
it, has the shape of the half that serves the request. An unexpected exception is answered with a
500 without a word of its traceback; that goes to the log on stderr.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from ingest.sandbox import halves
from ingest.sandbox.refusal import Refused


class JsonAnswer(Response):
    """A JSON body written by orjson."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """The body's bytes."""
        return orjson.dumps(content)


def refusal(_path: str, refused: Refused, headers: Mapping[str, str]) -> JsonAnswer:
    """The answer that says no, in Avalanchio's shape."""
    if refused.status == 401:
        headers = {"WWW-Authenticate": "Bearer", **headers}
    return JsonAnswer(refused.as_json(), refused.status, headers)


async def on_refused(request: Request, error: Exception) -> Response:
    """Starlette's handler for `Refused`."""
    assert isinstance(error, Refused)
    return halves.refusal(request.scope, error)


async def on_http_error(request: Request, error: Exception) -> Response:
    """Starlette's handler for its own errors: no such path, no such method."""
    assert isinstance(error, HTTPException)
    path = request.url.path[:200]
    words = {
        404: f"there is no endpoint {path}",
        405: f"the endpoint {path} has no method {request.method}",
    }
    refused = Refused(error.status_code, words.get(error.status_code, error.detail))
    return halves.refusal(request.scope, refused, error.headers)


async def on_crash(request: Request, _error: Exception) -> Response:
    """Starlette's handler for everything else."""
    refused = Refused(500, "the sandbox failed: its log on standard error says why")
    headers = {"Connection": "close"}
    return halves.refusal(request.scope, refused, headers)  # which uvicorn does in any case
