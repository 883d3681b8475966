"""Looking at files: all of them, or a bounded sample; what a run could not read is said."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import Any

import pytest

from ingest.build import init_reading
from ingest.build.init_reading import Looked, look
from ingest.errors import IngestError, SettingsError
from ingest.job import SourceSettings
from ingest.operations.init_evidence import Kind

pytestmark = pytest.mark.anyio


async def looked(
    folder: Path, sample: int | None = None, path: str = "*", **settings: Any
) -> Looked:
    """What looking at the files of this folder shows."""
    source = SourceSettings.model_validate({"paths": path, **settings})
    return await look(source, folder, sample, lambda _: None)


def write(file: Path, records: int, *, quoted: bool = False) -> None:
    """A file of numbered records; quoted ones have lines that look like records."""
    text = 'x{0}\n{0},y,{0}\n"z"'.replace('"', '""') if quoted else "text {0}"
    mark = '"' if quoted else ""
    lines = [f"{n},{mark}{text.format(n)}{mark},{n}.5\n" for n in range(records)]
    file.write_text("number,text,half\n" + "".join(lines))


async def test_small_input_is_looked_at_whole(tmp_path):
    """Every record of every file, packed or not."""
    write(tmp_path / "a.csv", 10)
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress((tmp_path / "a.csv").read_bytes()))
    found = await looked(tmp_path)
    assert (found.seen.whole, found.seen.look.records, found.files) == (True, 20, 2)
    assert list(found.seen.stems) == ["a", "b"]


@pytest.mark.parametrize("quoted", [False, True])
async def test_a_sample_is_of_three_places(tmp_path, monkeypatch, quoted):
    """The start, the middle and the end; every record read there is a true one."""
    write(tmp_path / "a.csv", 3000, quoted=quoted)
    monkeypatch.setattr(init_reading, "is_small", lambda _: False)
    monkeypatch.setattr(init_reading, "PLACE_BYTES", 4000)
    found = (await looked(tmp_path)).seen
    numbers = found.look.columns["number"]
    assert (found.whole, found.look.unreadable) == (False, 0)
    assert 100 < found.look.records < 600
    assert (numbers.least, numbers.most) == (0, 2999)
    assert +numbers.counts == {Kind.WHOLE: found.look.records}
    assert +found.look.columns["half"].counts == {Kind.FRACTION: found.look.records}


@pytest.mark.parametrize("records", [1, 2, 3, 10, 2999, 5000])
async def test_so_many_records(tmp_path, records):
    """`--sample N`: not more, and not much less where there are so many."""
    write(tmp_path / "a.csv", 3000)
    found = (await looked(tmp_path, records)).seen
    assert not found.whole
    assert min(records, 3000) * 0.6 <= found.look.records <= records


async def test_ndjson_in_parts(tmp_path):
    """Lines need no counting."""
    lines = [b'{"n": %d, "t": "{}"}\n' % n for n in range(2000)]
    (tmp_path / "a.ndjson").write_bytes(b"".join(lines))
    found = (await looked(tmp_path, 30)).seen.look
    assert (found.records, found.unreadable) == (30, 0)
    assert found.keys["n"].numbers.least == 0
    assert (found.keys["n"].numbers.most or 0) > 1500


async def test_a_packed_file_gives_its_start(tmp_path):
    """It can't be read from its middle."""
    write(tmp_path / "a.csv", 3000)
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress((tmp_path / "a.csv").read_bytes()))
    found = (await looked(tmp_path, 9, "a.csv.gz")).seen
    assert found.look.columns["number"].most == found.look.records - 1


async def test_latin_1(tmp_path):
    """A sample of a file in another encoding is read in that."""
    body = "".join(f"caf\xe9 {n},{n}\n" for n in range(3000))
    (tmp_path / "a.csv").write_bytes(f"name,n\n{body}".encode("latin-1"))
    found = await looked(tmp_path, 30)
    assert (found.seen.look.records, found.seen.look.unreadable) == (30, 0)
    assert found.header.settings == {"encoding": "cp1252"}
    (tmp_path / "b.csv").write_text("name,n\nx,1\n")
    assert (await looked(tmp_path)).header.settings == {}


async def test_a_header_that_a_run_would_refuse(tmp_path):
    """Its columns get names, and the settings for it."""
    (tmp_path / "a.csv").write_text(',mpg\n"Mazda",21\n"Fiat",22\n')
    found = await looked(tmp_path)
    assert found.header.settings == {"header": True, "columns": ["column_1", "mpg"]}
    assert found.source.columns == ("column_1", "mpg")
    assert found.seen.look.records == 2


async def test_columns_of_several_files(tmp_path):
    """What all have, and what only some."""
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    (tmp_path / "b.csv").write_text("y,x,z\n1,2,3\n")
    seen = (await looked(tmp_path)).seen
    assert (seen.shared, seen.other) == (["x", "y"], ["z"])


@pytest.mark.parametrize("content", [None, "", "\n\n"])
async def test_nothing_to_look_at(tmp_path, content):
    """No file, or none with a record."""
    if content is not None:
        (tmp_path / "a.csv").write_text(content)
    with pytest.raises(IngestError):
        await looked(tmp_path)


async def test_a_pipe_is_refused(tmp_path):
    """What is read of it is gone."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SettingsError, match="a pipe"):
        await looked(tmp_path, path="pipe")


@pytest.mark.parametrize(
    ("other", "said"),
    [(",a,c\n1,2,3\n", "its header is not that of a.csv"), (",a,b\n1,2,3\n", "")],
)
async def test_names_for_one_header_are_not_given_to_another(tmp_path, other, said):
    """A second file's column c would have been read as the first one's b."""
    (tmp_path / "a.csv").write_text(",a,b\n1,2,3\n2,3,4\n")
    (tmp_path / "b.csv").write_text(other)
    if not said:
        assert (await looked(tmp_path)).seen.look.records == 3
        return
    with pytest.raises(SettingsError, match=said):
        await looked(tmp_path)


async def test_files_without_a_common_column(tmp_path):
    """They make no table together."""
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    (tmp_path / "b.csv").write_text("c,d\n1,2\n")
    with pytest.raises(SettingsError, match="no column stands in all"):
        await looked(tmp_path)
