"""Bodies on the disk, and bodies that are only counted."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import pytest

from ingest.sandbox.s3_objects import Objects, quoted

NAME = "0b38de74-0694-46ad-b239-1af5626f1fc9"


def put(objects: Objects, *pieces: bytes) -> str:
    """A whole body; its ETag."""
    upload = objects.begin(NAME)
    for piece in pieces:
        upload.write(piece)
    upload.commit()
    return quoted(upload.md5)


def left(tmp_path: Path) -> list[str]:
    """What lies on the disk."""
    return sorted(path.name for path in (tmp_path / "s3").iterdir())


def test_a_body_has_its_name_once_it_is_whole(tmp_path: Path) -> None:
    """Not before."""
    objects = Objects(tmp_path)
    upload = objects.begin(NAME)
    upload.write(b"a")
    assert not objects.path(NAME).exists()
    upload.write(b"b")
    upload.commit()
    assert objects.path(NAME).read_bytes() == b"ab"
    assert objects.etag(NAME) == quoted(upload.md5) == f'"{hashlib.md5(b"ab").hexdigest()}"'
    assert left(tmp_path) == [NAME]


def test_an_abandoned_body_leaves_what_was_there(tmp_path: Path) -> None:
    """And nothing else."""
    objects = Objects(tmp_path)
    put(objects, b"before")
    upload = objects.begin(NAME)
    upload.write(b"a")
    upload.abandon()
    assert objects.path(NAME).read_bytes() == b"before"
    assert left(tmp_path) == [NAME]


def test_two_uploads_at_once_do_not_mix(tmp_path: Path) -> None:
    """The later to be whole wins."""
    objects = Objects(tmp_path)
    one, two = objects.begin(NAME), objects.begin(NAME)
    one.write(b"1")
    two.write(b"2")
    two.commit()
    one.commit()
    assert objects.path(NAME).read_bytes() == b"1"


def test_a_taken_body_is_out_of_reach(tmp_path: Path) -> None:
    """A later upload is another body; it goes when it was processed."""
    objects = Objects(tmp_path)
    put(objects, b"first")
    objects.take(NAME)
    objects.take(NAME)
    put(objects, b"second")
    assert objects.taken(NAME).read_bytes() == b"first"
    objects.forget(NAME)
    assert left(tmp_path) == [NAME]
    objects.delete(NAME)
    assert left(tmp_path) == []
    with pytest.raises(FileNotFoundError):
        objects.take(NAME)


@pytest.mark.parametrize("name", ["", "..", "a/b", NAME.upper(), NAME + "x", NAME + "\n"])
def test_no_other_names(tmp_path: Path, name: str) -> None:
    """Than UUIDs in lower case."""
    with pytest.raises(AssertionError):
        Objects(tmp_path).begin(name)


@pytest.mark.parametrize("count", [0, 1, 2, 1000])
def test_discarded_bodies_are_counted(tmp_path: Path, count: int) -> None:
    """Piece by piece; only the number is kept."""
    objects = Objects(tmp_path, discard=True)
    content = gzip.compress(b"{}\n" * count)
    assert put(objects, content[:9], content[9:]) == quoted(hashlib.md5(content).digest())
    objects.take(NAME)
    assert objects.counted(NAME) == (count, "")
    assert left(tmp_path) == [f"{NAME}.lines"]
    objects.forget(NAME)
    assert left(tmp_path) == []
    with pytest.raises(FileNotFoundError):
        objects.take(NAME)


@pytest.mark.parametrize("content", [b"no gzip", gzip.compress(b"{}\n" * 9, mtime=0)[:-1], b""])
def test_broken_bodies_are_told(tmp_path: Path, content: bytes) -> None:
    """The upload is fine, as on S3; what is wrong is kept with the count."""
    objects = Objects(tmp_path, discard=True)
    put(objects, content, b"")
    lines, broken = objects.counted(NAME)
    assert lines in {0, 9}
    assert broken
