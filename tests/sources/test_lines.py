"""Every segment knows its line, however the input is cut."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.job import SourceSettings
from ingest.sources.files import FileSource
from ingest.sources.lines import LineCountingSource

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("block_bytes", [64, 200, 1 << 20])
async def test_first_lines_are_those_of_the_files(tmp_path: Path, block_bytes: int):
    """Two files with quoted newlines and blank lines, in blocks of several sizes."""
    texts = [
        'n,t\n1,"a\nb"\n\n2,x\n' + "".join(f'{n},"{n}\r\n{n}"\n' for n in range(40)),
        "n,t\n" + "7,y\n" * 50,
    ]
    for index, text in enumerate(texts):
        (tmp_path / f"{index}.csv").write_text(text, newline="")
    settings = SourceSettings(paths=("*.csv",), block_bytes=block_bytes)
    source = FileSource(settings, tmp_path, lambda note: None)
    await source.prepare()
    counting = LineCountingSource(source)
    seen = 0
    async with counting.opened():
        async for block in counting.blocks():
            for segment in block.segments:
                data = texts[segment.file.index].encode()
                before = data[: segment.byte].replace(b"\r\n", b"\n")
                assert segment.first_line == before.count(b"\n") + 1
                assert data[segment.byte :].startswith(block.data[segment.start : segment.end])
                seen += 1
    assert seen >= 2
