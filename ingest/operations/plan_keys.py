"""Keys that stand twice in the data: of an upsert, and those that prove that a batch landed. Pure.

Kept of a key are 64 bits of its hash and 64 of its place: 16 bytes a key, whatever its length, and
no more than `most` of them; what comes after is said as not looked at. Two keys of ten million
share a hash by chance in one input of 370,000.

An upsert's keys come with the slices. An evidence key is read from the encoded records, as it will
travel: `1` and `"1"` are two. Records without it have none.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import msgspec
import polars as pl

from ingest.model import FileInfo, Slice

BYTES_A_KEY = 16
KEYS_LOOKED_AT = 10_000_000
EXAMPLES = 5
PLACES = 3
_RECORD_BITS = 40


class KeyTally:
    """The keys of one column. `look` must see the slices one at a time."""

    def __init__(self, column: str, record_end: bytes, most: int = KEYS_LOOKED_AT) -> None:
        self.column = column
        self._array = record_end != b"\n"
        self._end_bytes = len(record_end)
        self._most = most
        self._chunks: list[pl.DataFrame] = []
        self._files: dict[int, FileInfo] = {}
        self.keys = 0
        self.without = 0
        self.not_looked_at = 0

    def look(self, part: Slice) -> None:
        """Take the keys of one slice."""
        if self.keys >= self._most:
            self.not_looked_at += part.count
            return
        self._files[part.file.index] = part.file
        texts = part.keys if part.keys is not None else self._read(part)
        frame = pl.DataFrame({"key": pl.Series(texts, dtype=pl.String), "record": _numbers(part)})
        known = frame.drop_nulls("key")
        self.without += frame.height - known.height
        self.not_looked_at += max(0, self.keys + known.height - self._most)
        known = known.head(self._most - self.keys)
        self.keys += known.height
        place = (part.file.index << _RECORD_BITS) + pl.col("record")
        self._chunks.append(known.select(pl.col("key").hash(), place.alias("place")))

    def as_report(self) -> dict[str, Any]:
        """What was found. `records` share their key with another, `keys_doubled` keys they have."""
        doubled = self._doubled()
        groups = doubled.group_by("key").agg(pl.col("place").sort()).sort(pl.col("place").list[0])
        return {
            "column": self.column,
            "looked_at": self.keys,
            "without": self.without,
            "not_looked_at": self.not_looked_at,
            "bytes_a_key": BYTES_A_KEY,
            "keys_doubled": groups.height,
            "records": doubled.height,
            "examples": [
                [self._shown(place) for place in places[:PLACES]]
                for places in groups["place"].head(EXAMPLES).to_list()
            ],
        }

    def _doubled(self) -> pl.DataFrame:
        if not self._chunks:
            return pl.DataFrame(schema={"key": pl.UInt64, "place": pl.Int64})
        return pl.concat(self._chunks).filter(pl.col("key").is_duplicated())

    def _shown(self, place: int) -> dict[str, Any]:
        file = self._files[place >> _RECORD_BITS]
        return {"file": file.shown, "record": place & ((1 << _RECORD_BITS) - 1)}

    def _read(self, part: Slice) -> Sequence[str | None]:
        """The column's values in the encoded records, as JSON texts; None where there is none."""
        view = part.view
        if self._array:
            rows = self._of_array.decode(b"[" + bytes(view[: -self._end_bytes]) + b"]")
        else:
            rows = self._of_lines.decode_lines(view)
        texts = [bytes(row.key) for row in rows]
        return [None if text in (b"", b"null") else text.decode() for text in texts]

    @cached_property
    def _row(self) -> Any:
        fields = [("key", msgspec.Raw, msgspec.Raw(b""))]
        return msgspec.defstruct("Row", fields, rename={"key": self.column})

    @cached_property
    def _of_lines(self) -> msgspec.json.Decoder[Any]:
        return msgspec.json.Decoder(self._row)

    @cached_property
    def _of_array(self) -> msgspec.json.Decoder[Any]:
        rows: Any = list
        return msgspec.json.Decoder(rows[self._row])


def _numbers(part: Slice) -> pl.Series:
    """The numbers of the records in a slice."""
    numbers = pl.int_range(part.first, part.last + 1, eager=True)
    if not part.rejected:
        return numbers
    return numbers.filter(~numbers.is_in(pl.Series(part.rejected, dtype=pl.Int64).implode()))
