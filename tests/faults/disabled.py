"""Handlers put out of action, one after another: the test of each must turn red.

    python -m tests.faults.disabled [NAME...]

A table of tests proves something only if they fail when what they show is gone. So each handler
here is replaced, in the process of the test run alone (this module is the plugin that does it; no
file is touched), by what a program without it would do. First all the tests are run as they are and
must pass; then each with its handler gone, and must fail. Exit 0 if every one of them did.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
VARIABLE = "INGEST_DISABLED"


@dataclass(frozen=True, slots=True)
class Handler:
    """One handler: what it is, how it is taken away, and the test that must notice."""

    what: str
    disable: Callable[[pytest.MonkeyPatch], None]
    test: str


def _nothing(*_: Any, **__: Any) -> None:
    """Do nothing, say nothing."""


async def _unknown(*_: Any, **__: Any) -> None:
    """It can't be known; or: nothing to wait for."""


def _no_statuses(patch: pytest.MonkeyPatch) -> None:
    classify = import_module("ingest.wire.classify")  # the package has a function of that name
    known = vars(classify)["_BY_STATUS"]
    left = {status: kind for status, kind in known.items() if status not in (408, 429, 503)}
    patch.setattr(classify, "_BY_STATUS", left)


def _no_recut(patch: pytest.MonkeyPatch) -> None:
    import_module("ingest.build")
    using = [module for name, module in sys.modules.items() if name.startswith("ingest.build")]
    using = [module for module in using if "RecutPacking" in vars(module)]
    assert using
    for module in using:
        patch.setattr(module, "RecutPacking", lambda anew, *_, **__: anew)


def _follow_redirects(patch: pytest.MonkeyPatch) -> None:
    import httpx  # noqa: PLC0415 - patched where it lives

    begin = httpx.AsyncClient.__init__

    def following(self: httpx.AsyncClient, **settings: Any) -> None:
        begin(self, **{**settings, "follow_redirects": True})

    patch.setattr(httpx.AsyncClient, "__init__", following)


def _pages_are_answers(patch: pytest.MonkeyPatch) -> None:
    classify = import_module("ingest.wire.classify")
    patch.setattr(classify, "_doubt_about_success", _nothing)


def _plain_literals(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("ingest.targets.sql._unsafe", lambda _: False)


HANDLERS = {
    "statuses": Handler(
        "408, 429 and 503 mean: surely not applied",
        _no_statuses,
        "tests/faults/test_server.py::test_what_was_surely_not_applied_is_sent_again",
    ),
    "settling": Handler(
        "a stamp settles a lost answer",
        lambda patch: patch.setattr("ingest.settling.StampSettler.settle", _unknown),
        "tests/faults/test_doubt.py::test_what_was_perhaps_applied_is_settled",
    ),
    "recut": Handler(
        "an open body is made again as it was when a run is taken up",
        _no_recut,
        "tests/faults/test_doubt.py::test_what_an_ended_run_had_open_is_cut_again_as_it_was",
    ),
    "redirects": Handler(
        "redirects are not followed",
        _follow_redirects,
        "tests/faults/test_server.py::test_a_redirect_stops_the_run_and_leads_nowhere",
    ),
    "lock": Handler(
        "one run of a job at a time",
        lambda patch: patch.setattr("ingest.locking.JobLock._take", _nothing),
        "tests/test_locking.py::test_a_second_time_in_one_process",
    ),
    "pause": Handler(
        "one writer's Retry-After pauses all",
        lambda patch: patch.setattr("ingest.governor.Governor._pause", _nothing),
        "tests/faults/test_time.py::test_one_pause_for_all_writers",
    ),
    "keys": Handler(
        "equal keys of an upsert never fly at once",
        lambda patch: patch.setattr("ingest.stages.handing.Handing._until_keys_are_free", _unknown),
        "tests/faults/test_upsert.py::test_the_last_version_of_a_key_wins",
    ),
    "pages": Handler(
        "a login page under 200 is no success",
        _pages_are_answers,
        "tests/faults/test_server.py::test_trouble_of_the_run_rejects_nothing_and_stops_it",
    ),
    "binding": Handler(
        "a credential goes to the host that it came with",
        lambda patch: patch.setattr("ingest.targets.lookup._check_binding", _nothing),
        "tests/test_build.py::test_a_job_can_not_direct_a_token_elsewhere",
    ),
    "quoting": Handler(
        "what can't be asked safely is not asked",
        _plain_literals,
        "tests/targets/test_sql.py::test_what_a_dialect_might_read_otherwise_is_refused",
    ),
}


def pytest_configure() -> None:
    """As a plugin of pytest: take the named handler away for the whole run."""
    HANDLERS[os.environ[VARIABLE]].disable(pytest.MonkeyPatch())


def outcome(*tests: str, disabled: str | None = None) -> int:
    """Run tests, with a handler gone or not; pytest's exit code."""
    plugin = ["-p", "tests.faults.disabled"] if disabled else []
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *plugin, *tests],
        cwd=ROOT, env={**os.environ, VARIABLE: disabled or ""}, capture_output=True, check=False,
    )  # fmt: skip
    return done.returncode


def main(*names: str) -> int:
    """Every handler, or those named."""
    chosen = {name: HANDLERS[name] for name in names or HANDLERS}
    if outcome(*{one.test for one in chosen.values()}):
        print("the tests fail with every handler in place: nothing can be shown")  # noqa: T201
        return 1
    blind = []
    for name, one in chosen.items():
        is_red = outcome(one.test, disabled=name) == pytest.ExitCode.TESTS_FAILED
        print(f"{'red' if is_red else 'GREEN':6} {name:10} {one.what} ({one.test})")  # noqa: T201
        blind += [] if is_red else [name]
    return len(blind)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
