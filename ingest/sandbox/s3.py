"""S3's part: presigned uploads onto the disk, with S3's refusals.

Sources: Amazon S3 API Reference (PutObject, GetObject, HeadObject, DeleteObject, Error Responses).
One bucket, path style: `/s3/BUCKET/KEY`. A key is one of our own UUIDs; whatever else was signed is
denied, so that no file name comes from outside. Every request must bear a signature in its query.

A PUT's head is judged before its body is read: a length that is missing is 411, a chunked body 501
(which is what S3 says to a client that streams from a generator), one beyond `OBJECT_BYTES` 400.
The body then goes to the disk in pieces. It is stored if it is whole (and fits a Content-MD5, if
one came), and answered 200 with its quoted MD5 as ETag and no body.

On purpose not like S3, in this one place: a request that brings `x-api-key` is refused with 400.
S3 would ignore the header, and a client's key would be in a stranger's hands without a sign.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from ingest.sandbox import faults, halves, s3_auth, s3_errors, s3_sign
from ingest.sandbox.halves import ApiHalf
from ingest.sandbox.refusal import Refused
from ingest.sandbox.s3_errors import S3Error
from ingest.sandbox.s3_objects import NAME, Objects, Upload, quoted
from ingest.sandbox.stats import DISCONNECTED

PREFIX: Final = "/s3/"
BUCKET: Final = "sandbox-uploads"
KEY = s3_sign.Key("SANDBOXACCESSKEY", "sandbox/secret/key/for/rehearsals")  # opens nothing else
OBJECT_BYTES = 5 * 1024**3  # "in a single PUT operation ... up to 5 GB", and S3 counts in GiB
WRITE_BYTES = 1024 * 1024

_CODES = {
    404: "NoSuchKey",
    405: "MethodNotAllowed",
    421: "MisdirectedRequest",
    500: "InternalError",
}


def upload_url(host: str, name: str, signed_at: datetime, lifetime_s: int) -> str:
    """A URL for one PUT of the body called `name`, to this very server."""
    path = f"{PREFIX}{BUCKET}/{name}"
    request = s3_sign.Request("PUT", path, {"host": host})
    return f"http://{host}{s3_sign.presigned(request, KEY, signed_at, lifetime_s)}"


def objects(shared: halves.Shared) -> Objects:
    """The bodies of this sandbox."""
    return Objects(shared.settings.data_dir, discard=shared.settings.discard)


def admit(_path: str, headers: Headers) -> None:
    """No key here but the signature; see the module's head for the one that is refused."""
    if "x-api-key" in headers:
        raise Refused(
            400,
            "this request to S3 brings the header x-api-key: the API's key must not leave for "
            "another host. (The sandbox refuses it to make the leak seen; S3 would say nothing.)",
        )


def refuse(_path: str, refused: Refused, headers: Mapping[str, str]) -> Response:
    """What the layers around these routes refuse, as S3 would say it."""
    code = _CODES.get(refused.status, "InvalidRequest")
    return _error(S3Error(refused.status, code, refused.message), headers)


async def serve(request: Request) -> Response:
    """Any request to an object. A PUT carries records, so it counts, refused or not."""
    if request.method != "PUT":
        return await _answered(request)
    stats = halves.of(request).stats
    with stats.request():
        try:
            response = await _answered(request)
        except ClientDisconnect:
            stats.answered(DISCONNECTED)
            return Response(status_code=400)  # to nobody
        stats.answered(response.status_code)
        return response


async def _answered(request: Request) -> Response:
    try:
        _check_auth(request)
        return await _METHODS[request.method](request, _name(request))
    except S3Error as error:
        return _error(error)


async def _put(request: Request, name: str) -> Response:
    """PUT: the body onto the disk, or not at all."""
    shared = halves.of(request)
    _check_length(request.headers)
    content_md5 = _content_md5(request.headers)
    upload = await run_in_threadpool(objects(shared).begin, name)
    try:
        shared.stats.body(await _received(request, upload))
        _check_body(shared, upload, content_md5)
        await run_in_threadpool(upload.commit)
    except BaseException:  # a cancellation too must leave nothing
        upload.abandon()
        raise
    return Response(headers={"ETag": quoted(upload.md5), **_ids()})


def _check_body(shared: halves.Shared, upload: Upload, content_md5: bytes | None) -> None:
    """Refuse a body that came whole."""
    if shared.next_fate(faults.PUT).fault:
        raise s3_errors.slow_down()
    if content_md5 is not None and content_md5 != upload.md5:
        message = "The Content-MD5 you specified did not match what we received."
        raise S3Error(400, "BadDigest", message)


async def _received(request: Request, upload: Upload) -> int:
    """The body into `upload`, about `WRITE_BYTES` at a time; its length."""
    size_bytes = 0
    waiting = bytearray()
    async for piece in request.stream():
        size_bytes += len(piece)
        waiting += piece
        if len(waiting) >= WRITE_BYTES:
            await run_in_threadpool(upload.write, bytes(waiting))
            waiting.clear()
    await run_in_threadpool(upload.write, bytes(waiting))
    return size_bytes


async def _get(request: Request, name: str) -> Response:
    """GET and HEAD: the body, or its headers."""
    stored = objects(halves.of(request))
    try:
        etag = await run_in_threadpool(stored.etag, name)
    except FileNotFoundError:
        raise s3_errors.no_such_key(name) from None
    headers = {"ETag": etag, **_ids()}
    return FileResponse(stored.path(name), headers=headers, media_type="binary/octet-stream")


async def _delete(request: Request, name: str) -> Response:
    """DELETE: 204, whether it was there or not."""
    await run_in_threadpool(objects(halves.of(request)).delete, name)
    return Response(status_code=204, headers=_ids())


_METHODS: dict[str, Callable[[Request, str], Awaitable[Response]]] = {
    "PUT": _put,
    "GET": _get,
    "HEAD": _get,
    "DELETE": _delete,
}


def _check_auth(request: Request) -> None:
    scope: Any = request.scope
    head = s3_auth.Head(
        request.method, scope["raw_path"], scope["query_string"], dict(request.headers)
    )
    s3_auth.check(head, KEY, datetime.now(UTC))


def _name(request: Request) -> str:
    """The key, if it is one of ours."""
    bucket, name = request.path_params["bucket"], str(request.path_params["key"])
    if bucket != BUCKET:
        message = "The specified bucket does not exist"
        raise S3Error(404, "NoSuchBucket", message, {"BucketName": bucket})
    if not NAME.fullmatch(name):
        raise s3_errors.denied("Access Denied: keys in this bucket are UUIDs in lower case")
    return name


def _check_length(headers: Headers) -> None:
    if "transfer-encoding" in headers:
        message = "A header you provided implies functionality that is not implemented"
        raise S3Error(501, "NotImplemented", message, {"Header": "Transfer-Encoding"})
    length = headers.get("content-length")
    if length is None:
        message = "You must provide the Content-Length HTTP header."
        raise S3Error(411, "MissingContentLength", message)
    if int(length) > OBJECT_BYTES:  # the HTTP parser took it, so it is a number
        details = {"ProposedSize": length, "MaxSizeAllowed": OBJECT_BYTES}
        message = "Your proposed upload exceeds the maximum allowed size"
        raise S3Error(400, "EntityTooLarge", message, details)


def _content_md5(headers: Headers) -> bytes | None:
    text = headers.get("content-md5")
    if text is None:
        return None
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise S3Error(400, "InvalidDigest", "The Content-MD5 you specified is not valid.") from None


def _error(error: S3Error, headers: Mapping[str, str] | None = None) -> Response:
    ids = _ids()
    body = error.as_xml(ids["x-amz-request-id"])
    more = {**(headers or {}), **ids}
    return Response(body, error.status, more, media_type="application/xml")


def _ids() -> dict[str, str]:
    return {"x-amz-request-id": secrets.token_hex(8).upper(), "x-amz-id-2": "sandbox"}


HALF = ApiHalf(
    claims=lambda path, _headers: path.startswith(PREFIX),
    routes=(Route(PREFIX + "{bucket}/{key:path}", serve, methods=list(_METHODS)),),
    admit=admit,
    refuse=refuse,
    streams=lambda method, path: method == "PUT" and path.startswith(PREFIX),
)
