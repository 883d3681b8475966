"""Blocks to evidence: what stands in the columns of a CSV, or under the keys of NDJSON. Pure.

One `Look` is shown the blocks of all files. Columns are known by their name, so files whose columns
stand in another order, or that lack some, are looked at together. What can't be read as a record
is counted and teaches nothing else: a run will reject it.
"""

from __future__ import annotations

from ingest.model import Block
from ingest.operations.init_evidence import Evidence
from ingest.operations.init_keys import KeyEvidence, by_key
from ingest.shape.csv_read import read_csv
from ingest.shape.json_read import read_records, split_lines


class Look:
    """What was seen so far: `columns` of a CSV or `keys` of NDJSON, in the order they came.

    `records` were looked at; `unreadable` more were none, the first of them for reason `why`.
    """

    def __init__(self) -> None:
        self.columns: dict[str, Evidence] = {}
        self.keys: dict[str, KeyEvidence] = {}
        self.records = self.unreadable = 0
        self.why = ""

    def take(self, block: Block, most: int | None = None) -> int:
        """Look at the block's first records, `most` of them at the most; how many it were."""
        before = self.records
        if block.layout.format == "csv":
            self._take_csv(block, most)
        else:
            self._take_ndjson(block, most)
        return self.records - before

    def _take_csv(self, block: Block, most: int | None) -> None:
        parsed = read_csv(block)
        frame = parsed.frame if most is None else parsed.frame.head(most)
        for part in parsed.segments:
            self.unreadable += len(part.rejects)
            if part.rejects:
                self.why = self.why or part.rejects[0].message
        self.records += frame.height
        for place, name in enumerate(block.layout.columns):
            self.columns.setdefault(name, Evidence()).look(frame.to_series(place))

    def _take_ndjson(self, block: Block, most: int | None) -> None:
        records, bad = read_records(split_lines(block.data).texts[:most])
        self.unreadable += len(bad)
        if bad:
            self.why = self.why or next(iter(bad.values())).message
        self.records += len(records)
        for key, tokens in by_key(records).items():
            self.keys.setdefault(key, KeyEvidence()).look(tokens)
