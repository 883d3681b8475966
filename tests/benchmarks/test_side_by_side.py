"""No one is quick by being wrong: rows and counts are held against each other."""

from __future__ import annotations

import pytest

from benchmarks.contenders import CONTENDERS, OURS
from benchmarks.handle import Received
from benchmarks.side_by_side import Verified, check_hashes, check_received


def verified(**hashes: str) -> dict[str, Verified]:
    """Verified runs with these hashes, by contender."""
    received = Received(2, 20, 200, None, 0.0)
    by_name = {one.name: one for one in CONTENDERS}
    return {
        name: Verified(by_name[name], received, text)
        for name, text in ((n.replace("_", "-"), h) for n, h in hashes.items())
    }


def test_other_rows_are_refused() -> None:
    """Who claims our rows must have our hash; who says that it sends others need not."""
    check_hashes(verified(ingest="a", published="a", as_published="b", duckdb="a"))
    with pytest.raises(RuntimeError, match=r"other rows than ours \(a\): published b, duckdb c"):
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
