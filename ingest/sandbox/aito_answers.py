"""Which requests are aito's, its key check, and the shapes in which it says no.

Seen in its own client: v1 is flat, `{"message", "status"}`, and a contended write has its code in
`error`. v2 is `{"kind": "error", "data": {"code", "message"}}`, but not everywhere: what the
framework refuses (key, no such route) and a missing table on the schema and data endpoints come in
v1's flat shape. So a v2 answer is structured exactly where a refusal bears a code.

Guess: no key is a 401, a wrong one a 403.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from starlette.datastructures import Headers

from ingest.sandbox.aito_refusal import CONTENTION
from ingest.sandbox.answers import JsonAnswer
from ingest.sandbox.halves import TOKEN, TOKEN_SHOWN
from ingest.sandbox.refusal import Refused

VERSION_PATH: Final = "/version"

_OWN = re.compile(r"/version|/db/.*|/api/v2/.*|/api/v1/(?:data/|jobs/|_).*", re.DOTALL)
_V2 = re.compile(r"(?:/db/[^/]+)?/api/v2/.*", re.DOTALL)


def claims(path: str, headers: Headers) -> bool:
    """A request with aito's key header, or with no key at all to a path that only aito has."""
    if "x-api-key" in headers:
        return True
    return "authorization" not in headers and _OWN.fullmatch(path) is not None


def admit(path: str, headers: Headers) -> None:
    """The key check: only the version is told to strangers (seen)."""
    if path == VERSION_PATH:
        return
    key = headers.get("x-api-key", "").strip()
    if not key:
        raise Refused(401, f"no API key: send the header x-api-key with {TOKEN_SHOWN}")
    if key != TOKEN:
        raise Refused(403, f"invalid API key: the sandbox's key is {TOKEN_SHOWN}")


def refuse(path: str, refused: Refused, headers: Mapping[str, str]) -> JsonAnswer:
    """The answer that says no, in the shape of the version that `path` asks."""
    code = refused.where.get("code")
    if code and _V2.fullmatch(path):
        data = {"code": code, "message": refused.message}
        return JsonAnswer({"kind": "error", "data": data}, refused.status, headers)
    flat: dict[str, object] = {"message": refused.message, "status": refused.status}
    if code == CONTENTION:
        flat["error"] = code
    return JsonAnswer(flat, refused.status, headers)
