"""Rows encoded apart from the others come back in their places."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.model import Layout
from ingest.shape.encode import Encoded, encode
from ingest.shape.encode_apart import encode_apart
from tests.shape.helpers import any_text, job_of, plan_of

FIELDS: dict[str, Any] = {"n": {"type": "integer"}, "s": {"type": "string"}}
ROWS = st.lists(
    st.tuples(st.sampled_from(["1", "22", "x", "1.5", "3.0", ""]), any_text()), max_size=6
)


def encoder(**target: Any) -> Callable[[pl.DataFrame, bool], Encoded]:
    """`encode` for the two fields, as `encode_apart` calls it."""
    layout = Layout("csv", ("n", "s"))
    plan = plan_of(layout, job_of(fields=FIELDS, target=target))

    def encoding(rows: pl.DataFrame, _: bool) -> Encoded:
        return encode(rows, plan, {0: "c0", 1: "c1"}, 60)

    return encoding


def content(encoded: Encoded) -> tuple[Any, ...]:
    """What can be compared."""
    rows = None if encoded.rows is None else encoded.rows.to_list()
    bad = [(b.row, b.field, b.stage, b.trouble.reason, b.trouble.message) for b in encoded.bad]
    return encoded.lines.to_list(), rows, bad, encoded.keys


@settings(max_examples=100, deadline=None)
@given(ROWS, st.data(), st.sampled_from(["", "s"]))
def test_apart_is_as_together(rows: list[tuple[str, str]], data: st.DataObject, key: str):
    """Whatever rows are taken apart, lines, rows, troubles and keys are the same."""
    frame = pl.DataFrame(rows, schema={"c0": pl.String, "c1": pl.String}, orient="row")
    odd = sorted(data.draw(st.sets(st.integers(0, max(len(rows) - 1, 0))))) if rows else []
    encoding = encoder(**({"mode": "upsert", "upsert_key": key} if key else {}))
    apart = encode_apart(frame, pl.Series(odd, dtype=pl.UInt32), encoding)
    assert content(apart) == content(encoding(frame, True))


@pytest.mark.parametrize("odd", [[], [0], [0, 1]])
def test_only_the_usual_rows_are_known(odd: list[int]):
    """The odd ones are asked from the start."""
    asked: list[tuple[int, bool]] = []
    usual = encoder()

    def encoding(rows: pl.DataFrame, known: bool) -> Encoded:
        asked.append((rows.height, known))
        return usual(rows, known)

    frame = pl.DataFrame({"c0": ["1", "2"], "c1": ["a", "b"]})
    encode_apart(frame, pl.Series(odd, dtype=pl.UInt32), encoding)
    assert asked == ([(2, True)] if not odd else [(2 - len(odd), True), (len(odd), False)])
