"""Small inputs for the reasoning of `ingest init`: blocks, evidence and services, made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import orjson
import polars as pl

from ingest.model import Block, Column, FileInfo, Form, Layout, Schema, Segment
from ingest.operations.init_decide import decide
from ingest.operations.init_decided import Decided, Holds
from ingest.operations.init_evidence import Evidence
from ingest.operations.init_look import Look
from ingest.operations.init_seen import Seen, ServiceSeen
from ingest.shape.service import ServiceTypes
from ingest.targets import aito_types, avalanchio_types

AVALANCHIO = Holds(booleans=False)
AITO = Holds(booleans=True, integers=(-(2**31), 2**31 - 1), wider='api = "v2" in [target]')


def evidence(values: Sequence[str], parts: int = 1) -> Evidence:
    """The evidence of these values, shown in so many parts."""
    found = Evidence()
    size = -(-len(values) // parts) or 1
    for start in range(0, len(values), size):
        found.look(pl.Series(values[start : start + size], dtype=pl.String))
    return found


def decided(*values: str, name: str = "x", holds: Holds = AVALANCHIO) -> Decided:
    """What a column of these values is."""
    return decide(name, evidence(values), holds)


def csv_block(columns: Sequence[str], *records: str, file: int = 0) -> Block:
    """A block of a CSV without its header."""
    data = "".join(f"{record}\n" for record in records).encode()
    info = FileInfo(file, f"{file}.csv", len(data))
    layout = Layout("csv", tuple(columns))
    return Block(0, data, layout, (Segment(info, 0, len(data), 0),), Form.ODD)


def json_block(*records: object) -> Block:
    """A block of NDJSON; texts are lines as they stand."""
    lines = [r.encode() if isinstance(r, str) else orjson.dumps(r) for r in records]
    data = b"".join(line + b"\n" for line in lines)
    return Block(0, data, Layout("ndjson"), (Segment(FileInfo(0, "x"), 0, len(data), 0),))


def seen_of(*blocks: Block, whole: bool = True, stems: Sequence[str] = ("x",)) -> Seen:
    """What looking at these blocks shows."""
    look = Look()
    for block in blocks:
        look.take(block)
    return Seen(look, {block.layout: "x" for block in blocks}, whole, stems)


def avalanchio(*columns: Column, unasked: str = "") -> ServiceSeen:
    """Avalanchio; with columns, its live table."""
    types = ServiceTypes(avalanchio_types.column_type, avalanchio_types.field_type)
    live = Schema("t", columns) if columns else None
    return ServiceSeen("avalanchio", types, live, unasked)


def aito(*columns: Column) -> ServiceSeen:
    """aito's v1; with columns, its live table."""

    def problem(name: str) -> str | None:
        return "it holds a mark" if set(name) & set('/" .$') else None

    types = ServiceTypes(
        partial(aito_types.column_type, api="v1"),
        aito_types.field_type,
        aito_types.integer_range,
        problem,
        'api = "v2" in [target]',
        strict_nulls=True,
        own_columns=frozenset(),
    )
    return ServiceSeen("aito", types, Schema("t", columns) if columns else None)
