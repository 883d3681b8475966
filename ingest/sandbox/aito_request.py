"""What an aito request asks, read from its path, headers and body."""

from __future__ import annotations

from starlette.requests import Request

from ingest.sandbox.aito_operations import Asked
from ingest.sandbox.refusal import Refused, shown


async def asked(request: Request) -> Asked:
    """The request as the operations take it."""
    params = request.path_params
    api = "v2" if "/api/v2/" in request.url.path else "v1"
    return Asked(params.get("db", ""), api, params.get("table", ""), await request.body())


def check_form(request: Request, *kinds: str) -> None:
    """Refuse a Content-Type that is none of `kinds`, and every Content-Encoding (guess: 415)."""
    kind = request.headers.get("content-type", kinds[0]).partition(";")[0].strip().lower()
    if kind not in kinds:
        raise Refused(415, f"Content-Type {shown(kind)} is not known here; send {kinds[0]}")
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding != "identity":
        raise Refused(415, f"Content-Encoding {shown(encoding)} is not known; send none")
