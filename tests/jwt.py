"""Tokens as services make them: three parts in base64url, of which only the middle one is read."""

from __future__ import annotations

import base64
from typing import Any

import orjson


def encoded(value: Any) -> str:
    """A part of a token."""
    return base64.urlsafe_b64encode(orjson.dumps(value)).rstrip(b"=").decode()


def jwt(expires_at: float | None, mark: str = "a") -> str:
    """A token that ends then (Unix seconds); `mark` makes it differ from others that do."""
    claims = {"sub": mark} if expires_at is None else {"sub": mark, "exp": expires_at}
    return f"{encoded({'alg': 'HS256'})}.{encoded(claims)}.{encoded('signature ' + mark)}"
