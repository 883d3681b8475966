"""Windows are cut at once where lines are records, and the same as with care."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.model import Dialect, Form, Layout
from ingest.sources.cutter import CsvCutter, NdjsonCutter
from ingest.sources.cutting import Cut, Cutter, within

CSV = Layout("csv", ("a", "b"), Dialect(",", '"', "\\"))
PIECES = st.lists(
    st.sampled_from([b"a,b\n", b"1,2\r\n", b'"x",y\n', b"long,line,of,many\n", b"\\", b"\r", b"x"]),
    max_size=30,
)


CHUNK = b"a,b\nccc,ddd\nee,f"


def cutter(kind: str, block_bytes: int) -> Cutter:
    """A cutter of small windows."""
    return NdjsonCutter(block_bytes, 30) if kind == "ndjson" else CsvCutter(CSV, block_bytes, 30)


def fed(one: Cutter, chunks: list[bytes]) -> list[Cut]:
    """All cuts of these chunks."""
    cuts = [cut for chunk in chunks for cut in one.feed(chunk)]
    return cuts + one.finish()


@settings(max_examples=500, deadline=None)
@given(PIECES, st.sampled_from(["csv", "ndjson"]), st.integers(1, 40), st.data())
def test_at_once_is_with_care(
    pieces: list[bytes], kind: str, block_bytes: int, data: st.DataObject
) -> None:
    """The same cuts, whatever the chunks are and whether marks are among them."""
    text = b"".join(pieces)
    borders = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    chunks = [
        text[start:end] for start, end in zip([0, *borders], [*borders, len(text)], strict=True)
    ]
    careful = cutter(kind, block_bytes)
    careful._quick = list  # type: ignore[method-assign] # the way without it
    assert fed(cutter(kind, block_bytes), chunks) == fed(careful, chunks)


@pytest.mark.parametrize("kind", ["csv", "ndjson"])
@pytest.mark.parametrize("lines", [0, 1, 2, 50])
def test_lines_are_cut_without_looking_at_all_that_waits(
    kind: str, lines: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each window's piece is put together by itself."""
    seen: list[tuple[int, int]] = []
    one = cutter(kind, 16)
    piece = one._of_lines

    def looked_at(buffer: bytes, start: int, stop: int, at_end: bool) -> Any:
        seen.append((start, len(buffer)))
        return piece(buffer, start, stop, at_end)

    monkeypatch.setattr(one, "_of_lines", looked_at)
    cuts = [cut for _ in range(lines) for cut in one.feed(CHUNK)]
    assert len(seen) == len(cuts) == lines
    assert all(start == 0 and size <= 16 for start, size in seen)
    assert b"".join(cut.data for cut in cuts) == (CHUNK * lines)[: sum(map(len_, cuts))]
    assert all(cut.form is (Form.PLAIN if kind == "csv" else Form.ODD) for cut in cuts)


def len_(cut: Cut) -> int:
    """How long a piece is."""
    return len(cut.data)


@pytest.mark.parametrize(
    ("mark", "start", "stop", "found"),
    [(b"q", 0, 3, True), (b"q", 2, 3, False), (b"q", 0, 1, False), (b"", 0, 3, False)],
)
def test_a_mark_is_looked_for_between_places(
    mark: bytes, start: int, stop: int, found: bool
) -> None:
    """No mark is nowhere."""
    assert within(mark, b"aqa", start, stop) is found
