"""What a small call that failed for good means for the run."""

from __future__ import annotations

import pytest

from ingest.errors import (
    Ambiguous,
    Permanent,
    QuotaExceeded,
    Retryable,
    SettingsError,
    StoppedByService,
    Trouble,
    Unauthorized,
)
from ingest.wire.call_error import CallError, as_error, refused
from ingest.wire.tokens import Blame


@pytest.mark.parametrize(
    ("trouble", "kind"),
    [
        (QuotaExceeded("no more", status=429), StoppedByService),
        (Retryable("busy", status=503), StoppedByService),
        (Ambiguous("cut off"), StoppedByService),
        (Permanent("bad", status=400), CallError),
        (Trouble("odd", status=299), CallError),
    ],
)
def test_each_trouble_has_its_error(trouble, kind):
    """With the place and the words; those that may pass are for later, with a hint."""
    error = as_error(trouble, "host: GET /x", hopeless=False)
    assert type(error) is kind
    assert error.message == f"host: GET /x: {trouble.message}"
    assert error.retryable is bool(error.hint)
    assert getattr(error, "status", trouble.status) == trouble.status


def test_what_waiting_does_not_mend_is_said_so():
    """A certificate: not for later, whatever the trouble is called."""
    error = as_error(Retryable("self-signed"), "host: GET /x", hopeless=True)
    assert isinstance(error, CallError)
    assert "ca_file" in error.hint


@pytest.mark.parametrize("has_sent", [False, True])
@pytest.mark.parametrize("worked", [False, True])
@pytest.mark.parametrize("blamed", list(Blame))
def test_a_refused_token_is_a_matter_of_settings_or_of_later(blamed, worked, has_sent):
    """Never 2 for a token that worked once records were sent; never 7 for one that never did."""
    trouble = Unauthorized("no", status=403)
    error = refused(trouble, blamed, "host: GET /x", worked=worked, has_sent=has_sent)
    later = worked and (has_sent or blamed is Blame.TOKEN)
    assert type(error) is (StoppedByService if later else SettingsError)
    assert error.exit_code == (7 if later else 2)
    assert error.message.endswith(": no")
    assert ("rights" in error.hint) is (blamed is Blame.RIGHTS and not later)
