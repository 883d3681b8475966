"""What a piece of text is, asked of the piece alone: the small questions of the cutter."""

from __future__ import annotations

from collections.abc import Iterable

from ingest import grammar
from ingest.model import Form, Layout

# Below this Python's own engine is done before Polars has started.
SMALL_BYTES = 64 * 1024


def ended(data: bytes) -> bytes:
    """`data` with a line end at its end."""
    return data if data.endswith((b"\n", b"\r")) else data + b"\n"


def is_regular(data: bytes, layout: Layout) -> bool:
    """Whether every record in `data` has the layout's number of fields and no stray quote."""
    dialect, columns = layout.dialect, max(1, len(layout.columns))
    if not grammar.is_utf8(data):
        return False
    if len(data) <= SMALL_BYTES or columns > grammar.PATTERN_COLUMNS:
        return grammar.is_regular(data, dialect, columns)
    found = grammar.is_regular_at_once(data, dialect, columns)
    if found is not None:
        return found
    import polars as pl  # noqa: PLC0415  # --help needn't wait for it, and ingest.shape sets it up

    pattern = grammar.regular_pattern(dialect, columns)
    return bool(pl.Series([data.decode()]).str.contains(pattern).item())


def whole_characters(data: bytes) -> bytes:
    """`data` without a UTF-8 character that its end cuts in two."""
    for back in range(1, min(4, len(data) + 1)):
        byte = data[-back]
        if byte >= 0xC0:
            needed = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return data[:-back] if needed > back else data
        if byte < 0x80:
            break
    return data


def common_form(pieces: Iterable[tuple[Form, bytes]], layout: Layout) -> Form:
    """The form of a block made of several pieces of one layout.

    PLAIN pieces among REGULAR ones are looked at once more, since their field counts are unknown.
    """
    pieces = list(pieces)
    forms = {form for form, _ in pieces}
    if len(forms) == 1:
        return forms.pop()
    if Form.ODD in forms or not forms:
        return Form.ODD
    plain = (data for form, data in pieces if form is Form.PLAIN)
    return Form.REGULAR if all(is_regular(data, layout) for data in plain) else Form.ODD
