"""aito's file upload: POST for a URL, PUT to S3 (`s3`), POST to begin, GET to look.

Source: the service's page "Data API", part 3; what it leaves open is in `aito_file_status`, with
the other guesses about uploaded files. Files are for a database of its own, not for one of several
under `/db/...` (seen), so there are no routes there.

The URL leads to the host and port that the init request was sent to, whatever name it used: the
guard has let only loopback names through.
"""

from __future__ import annotations

import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ingest.sandbox import aito_file_sessions as sessions
from ingest.sandbox import aito_file_work, faults, halves, s3
from ingest.sandbox.aito_file_status import Session
from ingest.sandbox.answers import JsonAnswer
from ingest.sandbox.refusal import Refused

URL_LIFETIME_S: Final = 20 * 60
EXPIRES: Final = "%Y-%m-%dT%H:%M:%S"  # no zone, as published; UTC (guess)


async def init(request: Request) -> Response:
    """POST data/{table}/file: a URL for the body, and the id for everything after it."""
    shared = halves.of(request)
    fate = shared.next_fate(faults.INIT)
    session = Session(str(uuid.uuid4()), _table(request), _api(request))
    await shared.on_store(lambda store: sessions.create(store, session))
    late_s = URL_LIFETIME_S + 1 if fate.fault else 0  # `expired-url`
    signed_at = datetime.now(UTC) - timedelta(seconds=late_s)
    url = s3.upload_url(request.headers["host"], session.id, signed_at, URL_LIFETIME_S)
    expires = signed_at + timedelta(seconds=URL_LIFETIME_S)
    answer = {"id": session.id, "url": url, "method": "PUT", "expires": expires.strftime(EXPIRES)}
    return JsonAnswer(answer)


async def trigger(request: Request) -> Response:
    """POST data/{table}/file/{id}: begin to process the uploaded body."""
    work = await aito_file_work.of(request)
    shared = halves.of(request)
    fate = shared.next_fate(faults.TRIGGER)
    session_id, table = _id(request), _table(request)
    session = await shared.on_store(
        lambda store: sessions.begin(store, table, session_id, work.objects, time.time())
    )
    work.start(session, fate.slow_s)
    if fate.fault:
        raise Refused(500, "a fault rehearsed by the sandbox: the trigger's answer is lost")
    return JsonAnswer({"id": session.id})


async def status(request: Request) -> Response:
    """GET data/{table}/file/{id}: how far the processing is."""
    work = await aito_file_work.of(request)
    fate = halves.of(request).next_fate(faults.STATUS_CALL)
    session_id, table = _id(request), _table(request)
    session = await halves.of(request).on_store(lambda s: sessions.find(s, table, session_id))
    shown = work.backwards.shown(session, hit=fate.fault is not None)
    return JsonAnswer(shown.as_json(time.time()))


def _api(request: Request) -> str:
    return "v2" if request.url.path.startswith("/api/v2/") else "v1"


def _id(request: Request) -> str:
    return str(request.path_params["id"])


def _table(request: Request) -> str:
    return str(request.path_params["table"])


def _routes(api: str) -> tuple[Route, ...]:
    path = f"/api/{api}/data/{{table}}/file"
    return (
        Route(path, init, methods=["POST"]),
        Route(path + "/{id}", trigger, methods=["POST"]),
        Route(path + "/{id}", status, methods=["GET"]),
    )


ROUTES = (*_routes("v1"), *_routes("v2"))
