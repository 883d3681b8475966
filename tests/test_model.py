"""A body's digest: its kind stands in it, and one of the earlier kind is still understood."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from msgspec.structs import replace

from ingest.errors import SettingsError
from ingest.model import Batch, Spool
from ingest.pack import Packer
from tests.pack.helpers import envelope_of, slice_of
from tests.pack.test_recut import intent_of, recut

PART = slice_of([b'{"n":1}', b'{"n":2}', b'{"n":3}'])


def packed() -> Batch:
    """The one body of a few records."""
    packer = Packer(envelope_of(3))
    return (*packer.add(PART), *packer.finish())[0]


def test_of_the_whole_body_however_it_is_cut():
    """Of its bytes alone, and with its kind before it."""
    batch = packed()
    whole = b"".join(batch.body)
    again = replace(batch, body=tuple(memoryview(whole)[n : n + 1] for n in range(len(whole))))
    assert again.digest() == batch.digest()
    assert batch.digest().startswith("xxh3_128:")
    assert len(batch.digest()) == len("xxh3_128:") + 32
    other = replace(batch, body=(memoryview(whole[:-1] + b" "),))
    assert other.digest() != batch.digest()


def test_like_a_recorded_one():
    """Of the same kind: SHA-256 in bare hex is what earlier versions recorded; what no version
    knows is like none."""
    batch = packed()
    sha = hashlib.sha256(b"".join(batch.body)).hexdigest()
    assert batch.digest(sha) == sha
    assert batch.digest(batch.digest()) == batch.digest()
    assert batch.digest("another:00") != "another:00"


def test_of_a_file_it_is_the_file_s():
    """Whatever it is asked to be like."""
    batch = replace(packed(), body=(), spool=Spool(Path("s"), 1, 2, "ab" * 32))
    assert batch.digest() == batch.digest("xxh3_128:00") == "ab" * 32


@pytest.mark.parametrize("kind", ["xxh3_128", "sha256"])
def test_a_body_is_made_again_from_either_kind(kind):
    """The same one is handed on, any other is refused."""
    batch = packed()
    recorded = intent_of(batch)
    if kind == "sha256":
        recorded = replace(recorded, digest=batch.digest("of an earlier version"))
    _, made = recut([PART], [recorded])
    assert [(b.number, b.digest()) for b in made] == [(batch.number, batch.digest())]
    wrong = recorded.digest[:-1] + ("0" if recorded.digest[-1] != "0" else "1")
    with pytest.raises(SettingsError, match="can't be made again"):
        recut([PART], [replace(recorded, digest=wrong)])
