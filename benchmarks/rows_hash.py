"""One number for a heap of rows, whatever their order: so that no one is quick by being wrong.

The hash of a row is BLAKE2b of its canonical JSON (keys sorted, no spaces). The hash of the heap is
the sum of its rows' hashes modulo 2^128, so it does not depend on the order in which they came, and
a row that came twice counts twice (a XOR would forget it).

Values are compared as JSON has them: 5, 5.0 and "5" are three things, 1.50 and 1.5 are one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import orjson

_MODULUS = 2**128


class RowsHash:
    """Rows so far: their `count` and `hexdigest`."""

    def __init__(self) -> None:
        self.count = 0
        self._sum = 0

    def add(self, rows: Iterable[Any]) -> None:
        """Add parsed rows."""
        for row in rows:
            canonical = orjson.dumps(row, option=orjson.OPT_SORT_KEYS)
            self._sum += int.from_bytes(hashlib.blake2b(canonical, digest_size=16).digest(), "big")
            self.count += 1

    @property
    def hexdigest(self) -> str:
        """The heap's hash, 32 hex digits; zeros while it is empty."""
        return f"{self._sum % _MODULUS:032x}"
