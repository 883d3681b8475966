"""Which troubles no record caused."""

from __future__ import annotations

import pytest

from ingest.delivery.meaning import error_of, outage, systematic
from ingest.errors import (
    NotFound,
    Permanent,
    QuotaExceeded,
    Retryable,
    SettingsError,
    StoppedByService,
    TargetError,
    TooLarge,
    Unauthorized,
)
from ingest.wire.call_error import HINT_RENEW, HINT_RIGHTS, HINT_TOKEN


@pytest.mark.parametrize(
    ("trouble", "has_worked", "kind"),
    [
        (QuotaExceeded("used up", status=429), True, StoppedByService),
        (Unauthorized("no", status=401), False, SettingsError),
        (Unauthorized("no", status=403), True, StoppedByService),
        (NotFound("no", status=404), True, TargetError),
        (Permanent("moved", status=308), False, TargetError),
        (Permanent("a page", status=200), False, TargetError),
        (Permanent("not implemented", status=501), True, TargetError),
        (Permanent("bad value", status=400), False, None),
        (Permanent("bad value", status=422), True, None),
        (Permanent("exists", status=409), True, None),
        (Permanent("words alone"), True, None),
        (TooLarge("too large", status=413), False, None),
        (TooLarge("request too large", status=500), False, None),
    ],
)
def test_whose_fault_it_is(trouble, has_worked, kind):
    """The token's, the table's, the address's: the run stops, and says the service's words."""
    error = error_of(trouble, "the service", has_worked=has_worked)
    assert type(error) is (kind or type(None))
    if error is not None:
        assert error.message.startswith("the service")
        assert trouble.message in error.message
        assert error.hint


@pytest.mark.parametrize(
    ("words", "status", "has_worked", "hint"),
    [
        ("no permission to write", 403, False, HINT_RIGHTS),
        ("Invalid or expired token", 403, False, HINT_TOKEN),
        ("no permission to write", 401, False, HINT_TOKEN),
        ("no permission to write", 403, True, HINT_RENEW),
        ("Invalid or expired token", 401, True, HINT_RENEW),
    ],
)
def test_what_a_refused_token_needs(words, status, has_worked, hint):
    """Another one, more rights, or to be renewed: as for every small call."""
    error = error_of(Unauthorized(words, status=status), "s", has_worked=has_worked)
    assert error is not None
    assert error.hint == hint


def test_the_words_of_what_stops_a_run():
    """What to do about it stands beside them."""
    for error in (systematic(Permanent("no column x"), "s"), outage(Retryable("no column x"))):
        assert "no column x" in error.message
        assert error.hint
