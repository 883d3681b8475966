"""What a token says of its end, and whose fault a refusal is."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ingest.errors import Unauthorized
from ingest.wire import Secret, expires_at
from ingest.wire.tokens import LATEST_S, LOOKS, TOKEN_CHARACTERS, Blame, blame, deadline
from tests.jwt import encoded, jwt

NO_MOMENTS: list[object] = [True, None, "5", [5], {}]
DEEP = "[" * 100_000


@pytest.mark.parametrize("moment", [1, 2, 1_700_000_000, 1_700_000_000.25, LATEST_S])
def test_the_end_of_a_token_is_read(moment):
    """Whole seconds and parts of them; nothing is verified."""
    assert expires_at(jwt(moment)) == moment


@pytest.mark.parametrize(
    "token",
    [
        "", ".", "..", "...", "opaque-key", "a.b", "a.b.c", f"x.{encoded([1])}.x",
        f"x.{encoded({'exp': 5})}", f"x.{encoded({'exp': 5})}.x.x", jwt(None), jwt(0), jwt(-1),
        jwt(LATEST_S + 1), jwt(1_700_000_000_000_000),
        *[f"x.{encoded({'exp': value})}.x" for value in NO_MOMENTS],
        "x.é.x", f"x.{encoded(5)[:-1]}.x", f"x.{DEEP[:8000]}.x",
        f"x.{encoded({'exp': 5, 'more': 'x' * TOKEN_CHARACTERS})}.x",
    ],
)  # fmt: skip
def test_what_says_no_end_has_none(token):
    """Opaque keys, other shapes, moments that are none, and what is too long to be looked at."""
    assert expires_at(token) is None


@given(st.text(max_size=60) | st.builds("{}.{}.{}".format, *[st.text(max_size=40)] * 3))
@example("a." + "A" * 1_000_000 + ".c")
@example("\ud800.\ud800.\ud800")
@settings(max_examples=200, deadline=None)
def test_no_text_whatever_raises(token):
    """It is somebody's token, and may be anything."""
    assert expires_at(token) is None or expires_at(token)


@given(
    st.dictionaries(st.sampled_from(["exp", "iat", "a"]), st.integers() | st.floats(), max_size=3)
)
@settings(max_examples=200, deadline=None)
def test_an_end_is_a_moment_that_can_be_shown(claims):
    """Whatever the claims are."""
    try:
        token = f"x.{encoded(claims)}.x"
    except TypeError:  # beyond what JSON numbers are written from here
        return
    end = expires_at(token)
    assert end is None or 0 < end <= LATEST_S


@pytest.mark.parametrize(
    ("left_s", "margin_s"), [(0, 0), (1, 0.1), (10, 1), (600, 60), (601, 60), (31_536_000, 60)]
)
@pytest.mark.parametrize("prefix", ["", "Bearer "])
def test_the_margin_is_a_minute_or_a_tenth(left_s, margin_s, prefix):
    """Reckoned once by the wall clock, from then on by the monotonic one."""
    found = deadline((Secret(prefix + jwt(5_000 + left_s)),), 5_000, 70)
    assert found is not None
    assert (found.at_s, found.expires_at) == (70 + left_s, 5_000 + left_s)
    assert found.margin_s == pytest.approx(margin_s)
    due = [found.due_s(looks) for looks in range(LOOKS)]
    assert due == [found.at_s - found.margin_s / n for n in (1, 2, 4)]


def test_the_first_end_counts():
    """Of several headers with tokens; those that say nothing count for nothing."""
    known = (Secret("opaque"), Secret(jwt(300)), Secret(jwt(200)))
    found = deadline(known, 100, 0)
    assert found
    assert found.expires_at == 200
    assert deadline(known[:1], 100, 0) is None
    assert deadline((), 100, 0) is None


def test_an_end_in_the_past_is_due_now():
    """With no margin before it."""
    found = deadline((Secret(jwt(100)),), 150, 10)
    assert found
    assert found.due_s(0) == found.at_s == -40


@pytest.mark.parametrize(
    ("status", "words", "expected"),
    [
        (401, "whatever: no permission", Blame.TOKEN),
        (403, "Invalid or expired authorization token", Blame.TOKEN),
        (403, "invalid or expired token: the sandbox's token is sandbox", Blame.TOKEN),
        (403, "Invalid API key", Blame.TOKEN),
        (403, "bad credentials", Blame.TOKEN),
        (403, "HTTP 403 Forbidden without a word", Blame.UNSAID),
        (403, "no", Blame.UNSAID),
        (403, "no write permission on table stock", Blame.RIGHTS),
        (403, "the token has no permission to write", Blame.RIGHTS),
        (403, "You are not allowed to create tables", Blame.RIGHTS),
        (403, "this is a read-only key", Blame.RIGHTS),
        (403, "insufficient_scope", Blame.RIGHTS),
        (403, "the user lacks the right to create", Blame.RIGHTS),
        (403, "the key you gave is a bright one", Blame.TOKEN),
    ],
)
def test_the_words_tell_a_dead_token_from_one_without_rights(status, words, expected):
    """As far as they do; a 401 is always the token's."""
    assert blame(Unauthorized(words, status=status)) is expected
