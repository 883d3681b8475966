"""The law that every column rule must keep, as one assertion over a column of texts."""

from __future__ import annotations

import json
from collections.abc import Sequence

import polars as pl

from ingest.shape.rules import Rule
from ingest.shape.values import BadValue


def scalar_or_none(rule: Rule, text: str) -> str | None:
    """What the reference says: JSON text, or None where it refuses."""
    try:
        return rule.scalar(text)
    except BadValue:
        return None


def assert_agrees(rule: Rule, texts: Sequence[str | None]) -> None:
    """Bulk and every spelling that holds say what the scalar says, or nothing at all."""
    frame = pl.DataFrame({"c": pl.Series(texts, dtype=pl.String)})
    column = pl.col("c")
    wanted = [None if text is None else scalar_or_none(rule, text) for text in texts]
    for said in filter(None, wanted):
        json.loads(said)  # is JSON, or raises
    if rule.bulk is not None:
        found = frame.select(rule.bulk(column).cast(pl.String)).to_series().to_list()
        for text, bulk, scalar in zip(texts, found, wanted, strict=True):
            assert bulk in (None, scalar), f"bulk reads {text!r} as {bulk}, the scalar as {scalar}"
    for spelling in rule.spellings:
        holds = spelling.holds(column)
        if rule.also is not None:
            holds = holds & rule.also(column)
        prefix, inner, suffix = spelling.pieces(column)
        spelt = pl.concat_str(pl.lit(prefix), inner, pl.lit(suffix))
        found = frame.select(pl.when(holds).then(spelt)).to_series().to_list()
        for text, quick, scalar in zip(texts, found, wanted, strict=True):
            assert quick in (None, scalar), f"{text!r} spelt {quick}, the scalar says {scalar}"


def assert_typed(rule: Rule, texts: Sequence[str]) -> None:
    """The typed values of whatever the scalar accepts can be made, and none is lost."""
    accepted = [said for text in texts if (said := scalar_or_none(rule, text)) is not None]
    assert rule.typed is not None
    frame = pl.DataFrame({"c": pl.Series(accepted, dtype=pl.String)})
    assert frame.select(rule.typed(pl.col("c"))).to_series().null_count() == 0
