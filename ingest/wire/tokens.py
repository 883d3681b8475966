"""What a token says of itself, and what a service says of it. Pure.

*Its end.* A JSON Web Token (RFC 7519) says in `exp`, for everybody to read, until when it is good.
It is read without verifying the signature, which is the service's business: whoever forges an `exp`
ends a run of their own sooner. What can't be read that way (aito's keys are opaque, Avalanchio's
tokens are JWTs) has no end that is known beforehand. The claim is wall-clock time, and a wall clock
may be wrong or jump: so what is left is reckoned once, and then waited for on the monotonic clock.

*When to act.* Ahead of the end by `MARGIN_S`, or a tenth of what is left where that is shorter, so
that a token of ten minutes is not renewed all the time. Programs that cache a token may give out
the old one until shortly before its end: so there are `LOOKS` looks for another one, each at half
the distance of the one before.

*Whose fault.* A 401 is always the token's. A 403 may mean that the token is dead (Avalanchio's
page: "Invalid or expired authorization token") or that it lacks rights. *Guess*, and only here: by
which words the two are told apart.
"""

from __future__ import annotations

import base64
import enum
import re

import orjson
from msgspec import Struct

from ingest.errors import Trouble
from ingest.wire.redact import Secret

TOKEN_CHARACTERS = 16 * 1024
LATEST_S = 253_402_300_799  # the year 9999: beyond it are milliseconds and mistakes
MARGIN_S = 60.0
MARGIN_SHARE = 0.1
LOOKS = 3

_DEAD = re.compile(
    r"expired|invalid|revoked|not valid|no (?:token|key)|unknown (?:token|key)", re.I
)
_RIGHTS = re.compile(
    r"permission|privilege|\brights?\b|not (?:allowed|permitted)|access denied|no access"
    r"|read[ -]?only|\bscope|insufficient|not authori[sz]ed to",
    re.IGNORECASE,
)
_TOKEN = re.compile(r"token|credential|\bkey\b|jwt|bearer|log ?in|sign ?in|authenticat", re.I)


class Blame(enum.Enum):
    """What a refusal blames: the token itself, the rights that it has, or nothing by name."""

    TOKEN = "token"  # noqa: S105 - a word, no token
    RIGHTS = "rights"
    UNSAID = "unsaid"


class Deadline(Struct, frozen=True):
    """The end of a token: `expires_at` by the wall clock (Unix seconds), `at_s` by the monotonic
    one; `margin_s` before it something is done."""

    expires_at: float
    at_s: float
    margin_s: float

    def due_s(self, looks: int) -> float:
        """When to look for another token, `looks` having brought none (monotonic seconds)."""
        return self.at_s - self.margin_s / 2.0**looks


def expires_at(token: str) -> float | None:
    """The moment (Unix seconds) at which a token says that it ends; None: it doesn't say."""
    if len(token) > TOKEN_CHARACTERS or token.count(".") != 2:
        return None
    payload = token.split(".")[1]
    try:
        claims = orjson.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except ValueError:
        return None
    moment = claims.get("exp") if isinstance(claims, dict) else None
    if isinstance(moment, bool) or not isinstance(moment, int | float):
        return None
    return float(moment) if 0 < moment <= LATEST_S else None


def deadline(secrets: tuple[Secret, ...], wall_s: float, now_s: float) -> Deadline | None:
    """The first end among these headers' tokens (`Bearer <token>` or bare); None: none is known.

    `wall_s` is the wall clock to reckon by, `now_s` the monotonic one at the same moment.
    """
    moments = [expires_at(secret.reveal().rpartition(" ")[2]) for secret in secrets]
    known = [moment for moment in moments if moment is not None]
    if not known:
        return None
    left_s = min(known) - wall_s
    margin_s = max(0.0, min(MARGIN_S, MARGIN_SHARE * left_s))
    return Deadline(min(known), now_s + left_s, margin_s)


def blame(trouble: Trouble) -> Blame:
    """What an answer with 401 or 403 blames."""
    words = trouble.message
    if trouble.status == 401 or _DEAD.search(words):
        return Blame.TOKEN
    if _RIGHTS.search(words):
        return Blame.RIGHTS
    return Blame.TOKEN if _TOKEN.search(words) else Blame.UNSAID
