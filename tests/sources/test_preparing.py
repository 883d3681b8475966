"""Before the first record: who leads, which layouts there are, the sample."""

from __future__ import annotations

import gzip
import os

import pytest

from ingest.errors import SourceError
from ingest.model import Layout
from ingest.sources.discover import discover
from ingest.sources.feed import Feed, open_feed
from ingest.sources.headers import Headers
from ingest.sources.outcome import Reading
from ingest.sources.preparing import Preparing, difference, settle_feed
from tests.sources.tools import fed_fifo, lines, settings, write_all

pytestmark = pytest.mark.anyio


def preparing(tmp_path, *paths: str, **more) -> tuple[Preparing, list[str], dict[int, Feed]]:
    """One for these paths, its notes, and what it holds open."""
    notes: list[str] = []
    held: dict[int, Feed] = {}
    one = settings(*paths, **more)
    found = discover(one, tmp_path)
    return Preparing(found, Reading(one, Headers(one)), held, notes.append), notes, held


async def test_first_file_with_content_leads(tmp_path):
    """Empty files, blank ones and one that breaks off in its header are passed over."""
    (tmp_path / "a").write_bytes(b"")
    (tmp_path / "b").write_bytes(b"\n \r\n")
    (tmp_path / "c").write_bytes(gzip.compress(b'x,"y' * 9)[:20])
    (tmp_path / "d").write_bytes(b"x;y\n1;2\n")
    one, notes, _ = preparing(tmp_path, "*")
    assert await one.lead() == 3
    assert notes == ["d: found ; as the delimiter"]


@pytest.mark.parametrize("names", [[], ["a"], ["a", "b"]])
async def test_nothing_leads_where_there_is_nothing(tmp_path, names):
    """Only empty files: their number, no layout, no sample."""
    for name in names:
        (tmp_path / name).write_bytes(b"")
    if not names:
        (tmp_path / "z.zip").write_bytes(b"PK\x05\x06" + bytes(18))
    one, _, _ = preparing(tmp_path, *(names or ["z.zip"]))
    lead = await one.lead()
    assert lead == len(names)
    assert await one.survey(lead) == {}
    assert await one.sample(lead, 1000) == ()


async def test_layouts_with_their_first_files(tmp_path):
    """Each layout once, the leading one first; what differs is said."""
    headers = {"a": "x,y", "b": "x,y", "c": "y,x", "d": "x,z", "e": "x,z"}
    for name, header in headers.items():
        (tmp_path / name).write_text(f"{header}\n1,2\n")
    one, notes, _ = preparing(tmp_path, "*")
    layouts = await one.survey(await one.lead())
    assert layouts == {
        Layout("csv", ("x", "y")): "a",
        Layout("csv", ("y", "x")): "c",
        Layout("csv", ("x", "z")): "d",
    }
    assert notes == [
        "c: other columns than in the first file: in another order",
        "d: other columns than in the first file: it has z; it has no y",
    ]


async def test_many_layouts_are_not_all_said(tmp_path):
    """A thousand files of a thousand layouts make three notes."""
    for number in range(30):
        (tmp_path / f"{number:02}").write_text(f"x,c{number}\n1,2\n")
    one, notes, _ = preparing(tmp_path, "*")
    assert len(await one.survey(await one.lead())) == 30
    assert len(notes) == 3


async def test_array_file_among_many_is_found_before_anything_is_sent(tmp_path):
    """The last of the files is wrong, and that is known before the first is read."""
    for number in range(9):
        (tmp_path / f"{number}.json").write_text('{"a":1}\n' if number < 8 else '[{"a":1}]\n')
    one, _, _ = preparing(tmp_path, "*.json")
    lead = await one.lead()
    with pytest.raises(SourceError, match=r"8\.json: .*array"):
        await one.survey(lead)


async def test_stream_that_leads_stays_open(tmp_path):
    """What was read of a FIFO for the sample is read again later."""
    text = b"x,y\n" + lines(50_000)
    writer = fed_fifo(tmp_path / "p", write_all(text))
    one, _, held = preparing(tmp_path, "p")
    lead = await one.lead()
    sample = b"".join(block.data for block in await one.sample(lead, 500_000))
    assert lines(50_000).startswith(sample)
    assert 400_000 < len(sample) <= 500_000
    [feed] = held.values()
    found = b""
    while part := await feed.read():
        found += part
    assert found == text
    await feed.aclose()
    writer.join()


async def test_short_stream_is_sampled_whole(tmp_path):
    """A stream of little is all in the sample, its last record ended."""
    writer = fed_fifo(tmp_path / "p", write_all(b"x,y\n1,2\n3,4"))
    one, _, held = preparing(tmp_path, "p")
    [block] = await one.sample(await one.lead(), 1000)
    assert block.data == b"1,2\n3,4\n"
    await held[0].aclose()
    writer.join()


async def test_streams_behind_the_lead_are_not_waited_for(tmp_path):
    """A FIFO that nobody writes to yet is left alone until its turn."""
    (tmp_path / "a").write_text("x,y\n1,2\n")
    os.mkfifo(tmp_path / "p")
    one, _, held = preparing(tmp_path, "a", "p")
    lead = await one.lead()
    assert await one.survey(lead) == {Layout("csv", ("x", "y")): "a"}
    assert await one.sample(lead, 1000)
    assert held == {}


async def test_long_header_of_a_stream(tmp_path):
    """More of the head is read until the header is whole."""
    header = b",".join(b"column_%d" % n for n in range(60_000)) + b"\n"
    writer = fed_fifo(tmp_path / "p", write_all(header + b"1" + b"," * 59_999 + b"\n"))
    one = settings("p")
    found = discover(one, tmp_path)
    feed = await open_feed(found.files[0], found.places[0], one)
    sniffed = await settle_feed(feed, Headers(one).of)
    assert sniffed is not None
    assert len(sniffed.columns) == 60_000
    await feed.aclose()
    writer.join()


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (("a", "b", "c"), "it has c"),
        (("a",), "it has no b"),
        (("b", "a"), "in another order"),
        (("c", "d"), "it has c, d; it has no a, b"),
    ],
)
async def test_difference(other, said):
    """New, gone, or in another order."""
    assert difference(("a", "b"), other).endswith(said)
