"""What is asked of a block's columns while it is being read, and not again when it is encoded.

Whether Polars found the right number of records in quoted text is proved by counting: so many LFs
are in the text, so many of them within values. To look for them in each value costs a tenth of what
such a block takes. But how each column is spelt is to be asked anyway; and in a value that is a
number, a date or a text without control characters there is no LF. So that is asked first, of all
columns at once (`quoted`) or of each, and only those of which it doesn't hold are looked at.
"""

from __future__ import annotations

import weakref
from collections.abc import Collection, Mapping

import polars as pl

from ingest.shape.encode_check import NOTHING_KNOWN, Checked, Known, check
from ingest.shape.plan import ShapePlan
from ingest.shape.quoted import known_of_quoted


class Asked:
    """The answers for one block; `columns` gives the frame's column for fields by index."""

    def __init__(self, plan: ShapePlan, columns: Mapping[int, str], data: bytes = b"") -> None:
        self._plan = plan
        self._data = data
        self._fields = dict(enumerate(plan.fields))
        self._columns = columns
        # Not kept: one that is not believed would lie beside the one that is read instead.
        self._frame: weakref.ref[pl.DataFrame] | None = None
        self._checked: Mapping[int, Checked] = {}

    def one_liners(self, frame: pl.DataFrame) -> Collection[str]:
        """The columns in whose values no LF can stand. See `csv_native`."""
        self._frame = weakref.ref(frame)
        known = NOTHING_KNOWN
        if frame.height and self._data:
            known = known_of_quoted(self._data, self._plan, frame.row(0))
        self._checked = check(frame, self._fields, self._columns, known)
        return {
            self._columns[index]
            for index, one in self._checked.items()
            if one.clean and not any("\n" in word for word in self._fields[index].nulls)
        }

    def known_of(self, frame: pl.DataFrame) -> Known:
        """What the answers say of a frame: nothing, unless it is the one that was asked."""
        was_asked = self._frame is not None and self._frame() is frame
        return Known(checked=self._checked) if was_asked else NOTHING_KNOWN
