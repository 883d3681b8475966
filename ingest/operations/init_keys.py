"""What the members of NDJSON records look like: the evidence of each key, by kind of value. Pure.

Texts and numbers each have the evidence of a column (`init_evidence`), read from what stands in the
file: a number's digits are not touched, so `12345.0` and integers of any length are what they are.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import orjson
import polars as pl

from ingest.operations.init_evidence import Evidence
from ingest.shape.json_read import Record


class KeyEvidence:
    """Of one key: `records` have it; `nulls`, `nested` values, `truths`; `texts` and `numbers`."""

    def __init__(self) -> None:
        self.records = self.nulls = self.nested = 0
        self.truths: Counter[str] = Counter()
        self.texts = Evidence()
        self.numbers = Evidence()

    def look(self, tokens: Sequence[bytes]) -> None:
        """Take the values of one more part into account, as they stand in the file."""
        self.records += len(tokens)
        texts: list[str] = []
        numbers: list[str] = []
        for token in tokens:
            first = token[:1]
            if first == b'"':
                texts.append(_text(token))
            elif first == b"n":
                self.nulls += 1
            elif first in b"tf":
                self.truths[token.decode()] += 1
            elif first in b"{[":
                self.nested += 1
            else:
                numbers.append(token.decode())
        self.texts.look(pl.Series(texts, dtype=pl.String))
        self.numbers.look(pl.Series(numbers, dtype=pl.String))


def _text(token: bytes) -> str:
    return str(orjson.loads(token)) if b"\\" in token else token[1:-1].decode()


def by_key(records: Sequence[Record]) -> dict[str, list[bytes]]:
    """The values of these records by their keys, in the order in which the keys come first."""
    found: defaultdict[str, list[bytes]] = defaultdict(list)
    for record in records:
        for key, raw in record.items():
            found[key].append(bytes(raw))
    return found
