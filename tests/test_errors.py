"""The error tree: what really failed, where a task group has wrapped it."""

from __future__ import annotations

from ingest.errors import JobHeld, SettingsError, only_cause


def test_the_only_leaf():
    """However deep it lies; what is no group is itself."""
    leaf = ValueError()
    assert only_cause(leaf) is leaf
    assert only_cause(ExceptionGroup("g", [ExceptionGroup("h", [leaf])])) is leaf


def test_several_errors_at_once_are_no_known_one():
    """A group of two is not summed up as one of them."""
    both = ExceptionGroup("g", [JobHeld("a"), SettingsError("b")])
    assert only_cause(ExceptionGroup("h", [both])) is both
