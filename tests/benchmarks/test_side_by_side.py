"""No one is quick by being wrong: rows and counts are held against each other."""

from __future__ import annotations

import pytest

from benchmarks.contenders import CONTENDERS, OURS
from benchmarks.handle import Received
from benchmarks.side_by_side import Verified, check_hashes, check_received, present

BY_NAME = {one.name: one for one in CONTENDERS}


def verified(**hashes: str) -> dict[str, Verified]:
    """Verified runs with these hashes, by contender; ours is "a"."""
    received = Received(2, 20, 200, None, 0.0)
    named = {name.replace("_", "-"): text for name, text in hashes.items()}
    return {n: Verified(BY_NAME[n], received, text, "a") for n, text in named.items()}


def test_other_rows_are_refused() -> None:
    """Who claims our rows must have our hash; who says that it sends others need not."""
    check_hashes(verified(ingest="a", published="a", as_published="b", duckdb="a"))
    with pytest.raises(RuntimeError, match=r"published b instead of a, duckdb c instead of a"):
        check_hashes(verified(ingest="a", published="b", duckdb="c"))


def test_a_timed_run_delivers_what_the_verified_one_did() -> None:
    """Requests, records and bytes must agree; the processor's seconds need not."""
    expected = verified(ingest="a")[OURS]
    check_received(expected, Received(2, 20, 200, None, 9.0))
    for other in (Received(3, 20, 200, None, 0), Received(2, 19, 200, None, 0)):
        with pytest.raises(RuntimeError, match="ingest delivered"):
            check_received(expected, other)
    with pytest.raises(RuntimeError, match=r"\(2, 20, 201\)"):
        check_received(expected, Received(2, 20, 201, None, 0))


def test_one_that_is_not_steady_must_deliver_its_records() -> None:
    """Its requests and bytes may differ from run to run."""
    expected = verified(dlt="a")["dlt"]
    check_received(expected, Received(7, 20, 211, None, 0))
    with pytest.raises(RuntimeError, match="dlt delivered"):
        check_received(expected, Received(2, 19, 200, None, 0))


def test_a_few_may_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """This program always runs; the others only if they are named, or if none is."""
    monkeypatch.setattr("benchmarks.side_by_side.missing", lambda _: "")
    said: list[str] = []
    assert list(present(CONTENDERS, None, "stock", said.append)) == list(CONTENDERS)
    few = present(CONTENDERS, ["duckdb"], "stock", said.append)
    assert [contender.name for contender in few] == [OURS, "duckdb"]
    assert said == []


def test_who_is_missing_is_said_and_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line each: not installed, or not able to."""
    monkeypatch.setattr(
        "benchmarks.side_by_side.missing", lambda name: "no chdb" * (name == "chdb-url")
    )
    said: list[str] = []
    names = [c.name for c in present(CONTENDERS, None, "flights", said.append)]
    assert {c.name for c in CONTENDERS} - set(names) == {"chdb-url", "dlt", "mq-bridge"}
    assert sorted(line.split(" is left out")[0] for line in said) == ["dlt", "mq-bridge", "no chdb"]
