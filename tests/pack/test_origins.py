"""A block that lies on the disk comes back as it was."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ingest.errors import IngestError
from ingest.kept import Kept, keep
from ingest.model import Block, FileInfo, Form, Layout, Oversize, Restorable, Segment
from ingest.pack.origins import OnDisk, Origins
from ingest.pack.private_file import PrivateFile


def block_of(data: bytes, number: int = 3) -> Block:
    """A block in which every field says something."""
    files = FileInfo(0, "a.csv", 10), FileInfo(1, "b.zip", None, False, "b.csv")
    half = len(data) // 2
    return Block(
        number,
        data,
        Layout("csv", ("x", "y")),
        (
            Segment(files[0], 0, half, 77, "latin-1"),
            Segment(files[1], half, len(data), 5, first_line=2),
        ),
        Form.REGULAR,
        (Oversize(0, 1000, 3),),
    )


@dataclass(frozen=True)
class Other:
    """A Restorable that this package knows nothing of."""

    block: Block

    def restored(self) -> Block:
        return self.block


def kinds_of(block: Block) -> list[Restorable]:
    """Kept as it is, kept packed, and kept by somebody else."""
    packed = keep(block, 0)
    assert packed.packed is not None
    return [Kept(block), packed, Other(block)]


@pytest.fixture
def origins(tmp_path: Path) -> Iterator[Origins]:
    """Origins with a file, which is removed afterwards."""
    made = Origins()
    made.opened(PrivateFile(tmp_path / "o"))
    yield made
    made.remove()


def written(origins: Origins, kept: Restorable) -> OnDisk:
    """A block's place, after it was written there."""
    place = origins.place()
    origins.write(kept)
    return place


@given(st.lists(st.binary(max_size=300), max_size=4))
def test_every_block_comes_back(tmp_path_factory: pytest.TempPathFactory, blocks: list[bytes]):
    """Each by its place, all its fields, however it was kept, and more than once."""
    origins = Origins()
    origins.opened(PrivateFile(tmp_path_factory.mktemp("origins") / "o"))
    kept = [k for n, data in enumerate(blocks) for k in kinds_of(block_of(data, n))]
    places = [written(origins, one) for one in kept]
    for _ in range(2):
        assert [place.restored() for place in places] == [one.restored() for one in kept]
    origins.remove()


def test_places_are_given_before_blocks_are_written(origins: Origins) -> None:
    """The loop gives places, a thread writes later, in the same order."""
    first, second = origins.place(), origins.place()
    assert first != second
    with pytest.raises(IngestError, match="before it was written"):
        first.restored()
    origins.write(Kept(block_of(b"one")))
    with pytest.raises(IngestError, match="before it was written"):
        second.restored()
    origins.write(Kept(block_of(b"two")))
    assert (first.restored().data, second.restored().data) == (b"one", b"two")


def test_a_place_without_a_file() -> None:
    """Nothing was written at all: told, and nothing to remove."""
    origins = Origins()
    with pytest.raises(IngestError, match="before it was written"):
        origins.place().restored()
    origins.remove()


def test_what_is_packed_is_written_packed(origins: Origins, tmp_path: Path) -> None:
    """It is not unpacked for the disk; the rest is written as it is."""
    data = b"abc,def\n" * 1000
    packed = keep(block_of(data), 1)
    assert packed.packed is not None
    written(origins, packed)
    assert (tmp_path / "o").read_bytes() == packed.packed
    written(origins, Kept(block_of(data)))
    assert (tmp_path / "o").read_bytes() == packed.packed + data


def test_the_block_in_memory_has_no_bytes(origins: Origins) -> None:
    """What was kept is not held on to."""
    block = block_of(b"x" * 1000)
    written(origins, Kept(block))
    (bare,) = origins._blocks
    assert bare == Kept(replace(block, data=b""))


def test_removed(origins: Origins, tmp_path: Path) -> None:
    """The file is gone, once more is no error, and asking is one."""
    place = written(origins, Kept(block_of(b"one")))
    origins.remove()
    origins.remove()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(IngestError, match="it is closed"):
        place.restored()
