"""The wire: what the rest of the program sees of HTTP.

Promises. No redirect is followed, no cookie kept, no URL logged; TLS is verified; a secret goes
over plain http to this machine only. A request has limits for opening, for each piece written, for
each wait for bytes, and in total. `post_batch` makes exactly one attempt: it returns on a certain
success and raises a `Trouble` of the right kind else; `once` does the same for a small request.
`call` is for small requests that may be repeated: it retries by itself and raises an `IngestError`
that says what to do.

A token that is refused is another matter than a batch: see `login`. In short, if another one comes
from where it came, the refused request is `Retryable`. At the start, when the service has taken
nothing yet, a wrong token or one without the rights is a SettingsError, later a StoppedByService.

What is raised is raised outside the handlers of the HTTP library's exceptions (see `exchange`), so
no traceback of ours leads to a header.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import httpx
import orjson
from msgspec import Struct

from ingest.errors import (
    Ambiguous,
    Retryable,
    SettingsError,
    Trouble,
    Unauthorized,
)
from ingest.model import Batch
from ingest.wire.address import parse_base_url
from ingest.wire.body import BatchBody
from ingest.wire.call_error import as_error, refused
from ingest.wire.classify import Failure, Reply, classify, classify_failure
from ingest.wire.exchange import exchange, make_clients
from ingest.wire.login import HeaderValues, Login
from ingest.wire.pools import Clients
from ingest.wire.presigned import PutRules
from ingest.wire.timing import Senses, Timeouts
from ingest.wire.tokens import blame

BACKOFF_BASE_S = 0.5
BACKOFF_CAP_S = 10.0


class Answer(Struct, frozen=True):
    """A certain success: the status, the JSON it said (None: nothing) and how long it took."""

    status: int
    value: Any
    latency_s: float


class Wire:
    """HTTP to one base URL. Use as an async context manager; safe for many tasks at once."""

    def __init__(
        self,
        base_url: str,
        headers: HeaderValues | Login | None = None,
        timeouts: Timeouts | None = None,
        *,
        in_flight: int = 8,
        ca_file: str | None = None,
        senses: Senses | None = None,
    ) -> None:
        """`headers` go with every request; those that are `Secret` are never shown. A `Login` can
        renew them.

        `in_flight` requests at once get a connection each. Raises SettingsError for a base URL that
        is none, and for a secret that would go over plain http to another machine.
        """
        self.address = parse_base_url(base_url)
        self._timeouts = timeouts or Timeouts()
        self._in_flight = in_flight
        self._ca_file = ca_file
        self._senses = senses or Senses()
        self._clients: Clients | None = None
        self._urls: dict[str, httpx.URL] = {}  # of batches: few, and each is slow to read
        self._has_sent = False
        self._login = (
            headers if isinstance(headers, Login) else Login(headers or {}, senses=self._senses)
        )
        if self._login.secrets and self.address.scheme == "http" and not self.address.is_loopback:
            raise SettingsError(
                f"{self.address.shown}: a token goes over plain http to this machine only",
                "use https:// in the base URL",
            )

    async def __aenter__(self) -> Self:
        self._clients = make_clients(
            self.address, self._timeouts, self._in_flight, self._ca_file, self._senses.clock
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        clients, self._clients = self._opened, None
        await clients.aclose()

    async def post_batch(
        self, path: str, batch: Batch, *, content_type: str = "application/json"
    ) -> Answer:
        """One attempt to send the batch's bytes to `path`. Raises `Trouble` but on sure success."""
        used = await self._login.ready()
        body = BatchBody(batch)
        headers = {
            **self._login.revealed(),
            "Content-Type": content_type,
            "Content-Length": str(batch.size_bytes),
        }
        request = self._opened.build_request("POST", self._url(path), headers=headers)
        request.stream = body
        started = self._senses.clock.monotonic()
        end = await self._exchanged(request, body)
        await self._raise_trouble(end, used, records=True, sends=True)
        return Answer(*_said(end), self._senses.clock.monotonic() - started)

    async def call(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        params: Mapping[str, str] | None = None,
        repeatable: bool = True,
    ) -> Any:
        """A small request; returns the JSON of its answer, None where it said nothing.

        Retries within `Timeouts.calls_s` what was surely not applied and, where `repeatable`, what
        perhaps was. Raises SettingsError (a wrong token), StoppedByService (a token that worked,
        quota, outage) or CallError (anything else).
        """
        content = None if json is None else orjson.dumps(json)
        kinds = (Retryable, Ambiguous) if repeatable else (Retryable,)
        clock = self._senses.clock
        deadline = clock.monotonic() + self._timeouts.calls_s
        attempts = 0
        while True:
            used = await self._login.ready()
            request = self._small_request(method, path, content, params)
            end = await self._exchanged(request)
            cause = self._trouble(end, records=False)
            trouble = await self._login.considered(end, cause, used)
            if trouble is None:
                return _said(end)[1]
            if isinstance(cause, Unauthorized) and isinstance(trouble, Retryable):
                continue  # with another token; how long that took is no fault of the service
            wait_s = self._wait_s(trouble, attempts)
            hopeless = isinstance(end, Failure) and end.hopeless
            late = clock.monotonic() + wait_s > deadline
            if hopeless or late or not isinstance(trouble, kinds):
                what = f"{self.address.shown}: {method} {path}"
                if isinstance(trouble, Unauthorized):
                    found = blame(cause or trouble)
                    worked, has_sent = self._login.worked, self._has_sent
                    raise refused(trouble, found, what, worked=worked, has_sent=has_sent)
                raise as_error(trouble, what, hopeless=hopeless)
            attempts += 1
            await clock.sleep(wait_s)

    async def once(self, method: str, path: str) -> Any:
        """One attempt of a small request without a body; returns the JSON of its answer.

        Raises `Trouble`: `Ambiguous` whenever the service may have done what was asked.
        """
        used = await self._login.ready()
        request = self._small_request(method, path, None, None)
        end = await self._exchanged(request)
        await self._raise_trouble(end, used, records=False, sends=method == "POST")
        return _said(end)[1]

    @property
    def put_rules(self) -> PutRules:
        """How a file is put to an address that this service signed: no header of ours goes there,
        and loopback only where the service itself is there."""
        return PutRules(self._timeouts, self.address.is_loopback, self._ca_file, self._senses)

    @property
    def _opened(self) -> Clients:
        if self._clients is None:
            raise RuntimeError("the wire is not open: use it within `async with`")
        return self._clients

    def _url(self, path: str) -> httpx.URL:
        url = self._urls.get(path)
        if url is None:
            url = self._urls[path] = httpx.URL(self.address.url + path)
        return url

    async def _exchanged(
        self, request: httpx.Request, body: BatchBody | None = None
    ) -> Reply | Failure:
        with self._opened.least_busy() as client:
            return await exchange(client, request, self._timeouts.total_s, body)

    def _small_request(
        self, method: str, path: str, content: bytes | None, params: Mapping[str, str] | None
    ) -> httpx.Request:
        headers = self._login.revealed()
        if content is not None:
            headers["Content-Type"] = "application/json"
        url = self.address.url + path
        return self._opened.build_request(
            method, url, content=content, headers=headers, params=params
        )

    async def _raise_trouble(
        self, end: Reply | Failure, used: int, *, records: bool, sends: bool
    ) -> None:
        """Raise what one attempt met, unless it was a sure success. One that `sends` may have
        changed something at the service."""
        trouble = self._trouble(end, records=records)
        self._has_sent |= sends and (trouble is None or isinstance(trouble, Ambiguous))
        trouble = await self._login.considered(end, trouble, used)
        try:
            if trouble is not None:
                raise trouble
        finally:
            del trouble  # else it and the calls that it was raised in hold each other, and the body

    def _trouble(self, end: Reply | Failure, *, records: bool) -> Trouble | None:
        if isinstance(end, Failure):
            return classify_failure(end)
        return classify(end, self._senses.wall(), self._login.secrets, records=records)

    def _wait_s(self, trouble: Trouble, attempts: int) -> float:
        """Exponential backoff with full jitter, and never less than the service asked for."""
        ceiling = min(BACKOFF_CAP_S, BACKOFF_BASE_S * 2.0 ** min(attempts, 16))
        return max(trouble.retry_after_s or 0.0, self._senses.random() * ceiling)


def _said(end: Reply | Failure) -> tuple[int, Any]:
    """Status and JSON of an answer that was classified as a success."""
    assert isinstance(end, Reply)
    return end.status, orjson.loads(end.body) if end.body and end.is_json else None
