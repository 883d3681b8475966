"""HTTP in one place: who may be asked, how long, what an answer means, what may be shown of it.

`Wire` is the only holder of a connection. Around it stand pure modules: `address` (base URLs),
`classify` (the fault table), `timing` (limits in time, Retry-After), `tokens` (when a token ends,
whose fault a refusal is) and `redact` (secrets and the services' words made safe); `login` renews
a token while a run goes on. `presigned` puts files to addresses that others signed, by connections
of its own; `signed_url`, `public_hosts` and `s3_answer` are its pure parts. No other package
imports httpx.
"""

from __future__ import annotations

from ingest.wire import lean_httpx  # noqa: F401 - first: what it does, it does when imported
from ingest.wire.address import Address, parse_base_url, path_segment
from ingest.wire.call_error import CallError
from ingest.wire.classify import Failure, FailureKind, Reply, classify, classify_failure
from ingest.wire.client import Answer, Wire
from ingest.wire.login import HeaderValues, Login, TokenSource
from ingest.wire.presigned import PutRules, Resolver, put_file, system_resolver
from ingest.wire.redact import Secret, literal_markup, safe_words, scrubbed, without_query
from ingest.wire.s3_answer import PutEnd, PutResult, clocks
from ingest.wire.signed_url import SignedUrl
from ingest.wire.timing import Senses, SystemClock, Timeouts, parse_retry_after, shown_moment
from ingest.wire.tokens import expires_at

__all__ = [
    "Address",
    "Answer",
    "CallError",
    "Failure",
    "FailureKind",
    "HeaderValues",
    "Login",
    "PutEnd",
    "PutResult",
    "PutRules",
    "Reply",
    "Resolver",
    "Secret",
    "Senses",
    "SignedUrl",
    "SystemClock",
    "Timeouts",
    "TokenSource",
    "Wire",
    "classify",
    "classify_failure",
    "clocks",
    "expires_at",
    "literal_markup",
    "parse_base_url",
    "parse_retry_after",
    "path_segment",
    "put_file",
    "safe_words",
    "scrubbed",
    "shown_moment",
    "system_resolver",
    "without_query",
]
