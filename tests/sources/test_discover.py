"""Finding the inputs: files, globs, directories, archives, odd names, litter, what is missing."""

from __future__ import annotations

import os
import socket
import zipfile
from pathlib import Path

import pytest

from ingest.errors import SettingsError, SourceError
from ingest.sources.discover import discover
from tests.sources.tools import settings

APPLE_DOUBLE = b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        " + bytes(40)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A few files, in a directory and below it."""
    for name in ("b.csv", "a.csv", "c.tsv", "notes.md", "d.csv.gz", "sub/e.csv", "sub/f/g.json"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x,y\n1,2\n")
    return tmp_path


def found(base: Path, *paths: str) -> list[str]:
    """The names that are shown for these paths."""
    return [file.shown for file in discover(settings(*paths), base).files]


def test_order_of_paths_is_kept_and_each_sorts_by_name(data):
    """Paths in the job's order, a glob's files by name."""
    assert found(data, "c.tsv", "*.csv") == ["c.tsv", "a.csv", "b.csv"]


def test_index_size_and_place(data):
    """Files are numbered; sizes are those on disk; places can be opened from anywhere."""
    discovery = discover(settings("*.csv"), data)
    assert [(f.index, f.size_bytes, f.regular) for f in discovery.files] == [
        (0, 8, True), (1, 8, True),
    ]  # fmt: skip
    assert [Path(place.path).read_text()[:3] for place in discovery.places] == ["x,y", "x,y"]


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("**/*.csv", ["a.csv", "b.csv", "sub/e.csv"]),
        ("sub/**/*.json", ["sub/f/g.json"]),
        ("[bc].*", ["b.csv", "c.tsv"]),
        ("?.csv", ["a.csv", "b.csv"]),
        ("sub/*", ["sub/e.csv"]),
    ],
)
def test_globs(data, pattern, names):
    """`*`, `?`, `[]` and `**`; directories that match are no files."""
    assert found(data, pattern) == names


def test_directory_is_one_level_of_known_endings(data):
    """Known endings, packed or not; nothing below; nothing else."""
    assert found(data, ".") == ["./a.csv", "./b.csv", "./c.tsv", "./d.csv.gz"]


def test_absolute_paths(data):
    """An absolute path does not start from the base."""
    assert found(Path("/"), str(data / "a.csv")) == [str(data / "a.csv")]
    assert found(Path("/"), f"{data}/?.csv") == [str(data / "a.csv"), str(data / "b.csv")]


def test_a_name_with_a_star_is_a_file_where_there_is_one(data):
    """What exists is taken as it stands."""
    (data / "[a].csv").write_text("x\n")
    assert found(data, "[a].csv") == ["[a].csv"]


def test_one_file_named_twice_is_taken_once(data):
    """By another path, a link or a glob: once, and said."""
    (data / "link.csv").symlink_to("a.csv")
    discovery = discover(settings("a.csv", "./a.csv", "link.csv", "*.csv"), data)
    assert [file.shown for file in discovery.files] == ["a.csv", "b.csv"]
    assert [note for note in discovery.notes if "named twice" in note] == [
        "./a.csv: is named twice: it is read once",
        "link.csv: is named twice: it is read once",
        "a.csv: is named twice: it is read once",
        "link.csv: is named twice: it is read once",
    ]


def test_hard_links_are_two_files(data):
    """Two names of equal standing: who gives both means both."""
    (data / "hard.csv").hardlink_to(data / "a.csv")
    assert found(data, "a.csv", "hard.csv") == ["a.csv", "hard.csv"]


@pytest.mark.parametrize("path", ["*.csv", "."])
def test_hidden_files_and_litter_are_left_out_and_said(data, path):
    """`._a.csv` and other hidden files are not data."""
    (data / "._a.csv").write_bytes(APPLE_DOUBLE)
    (data / ".hidden.csv").write_text("x\n")
    discovery = discover(settings(path), data)
    assert not any("._" in file.path or "hidden" in file.path for file in discovery.files)
    [note] = discovery.notes
    assert "left out 2 hidden files" in note
    assert "._a.csv" in note


def test_litter_without_the_name_is_left_out_of_globs(data):
    """What AppleDouble is, its first bytes say."""
    (data / "odd.csv").write_bytes(APPLE_DOUBLE)
    discovery = discover(settings("o*.csv", "a.csv"), data)
    assert [file.shown for file in discovery.files] == ["a.csv"]
    assert "AppleDouble" in discovery.notes[0]


def test_litter_named_outright_is_an_error(data):
    """Who names litter learns what it is."""
    (data / "._a.csv").write_bytes(APPLE_DOUBLE)
    with pytest.raises(SourceError, match=r"\._a\.csv: this is AppleDouble"):
        discover(settings("._a.csv"), data)


def test_hidden_files_can_be_asked_for(data):
    """A pattern that starts with a dot means them."""
    (data / ".h.csv").write_text("x\n")
    assert found(data, ".h.csv") == [".h.csv"]
    assert found(data, ".*.csv") == [".h.csv"]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("*.json", ["no file matches", "*.json"]),
        ("aa.csv", ["no such file in", "a.csv"]),
        ("gone/a.csv", ["there is no directory"]),
        ("a.csv/b", ["there is no directory"]),
        ("empty", ["none of the 1 entries", ".ndjson", "empty/**/*.csv"]),
        ("dangling", ["is a link to nowhere"]),
        ("nul\0", ["NUL"]),
    ],
)
def test_what_is_not_there(data, path, words):
    """Where was looked, and what is near."""
    (data / "empty").mkdir()
    (data / "empty" / "readme.md").write_text("x")
    (data / "dangling").symlink_to("nowhere")
    with pytest.raises(SettingsError) as caught:
        discover(settings(path), data)
    for word in words:
        assert word in f"{caught.value.message} {caught.value.hint}"


def test_permission_denied(data, monkeypatch):
    """What must not be read is named before anything else is done."""

    def refused(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refused)
    with pytest.raises(SourceError, match=r"a\.csv: can't be opened: Permission denied") as caught:
        discover(settings("a.csv"), data)
    assert "permissions" in caught.value.hint
    monkeypatch.setattr(Path, "iterdir", refused)
    with pytest.raises(SourceError, match="sub: can't be opened: Permission denied"):
        discover(settings("sub"), data)


def test_links_in_a_circle(data):
    """A link to itself can't be opened, and that is what is said."""
    (data / "loop").symlink_to("loop")
    with pytest.raises(SourceError, match="can't be opened"):
        discover(settings("loop"), data)


def test_odd_names(tmp_path):
    """Newlines and bytes that are no UTF-8 are opened as they are and shown with backslashes."""
    for name in (b"two\nlines.csv", b"caf\xe9.csv"):
        Path(tmp_path / os.fsdecode(name)).write_text("x\n")
    discovery = discover(settings("."), tmp_path)
    assert [file.path for file in discovery.files] == ["./caf\\xe9.csv", "./two\\nlines.csv"]
    assert all(Path(place.path).read_text() == "x\n" for place in discovery.places)


def test_zip_members_are_inputs(data):
    """Every member is an input, shown behind its archive."""
    with zipfile.ZipFile(data / "z.zip", "w") as file:
        file.writestr("two.csv", "x\n")
        file.writestr("one\n.csv", "x\n")
        file.writestr("__MACOSX/._two.csv", APPLE_DOUBLE)
    discovery = discover(settings("z.zip", "a.csv"), data)
    assert [f.shown for f in discovery.files] == ["z.zip!two.csv", "z.zip!one\\n.csv", "a.csv"]
    assert [f.member for f in discovery.files] == ["two.csv", "one\\n.csv", None]
    assert discovery.places[0].window is not None


def test_zip_without_files_is_said(data):
    """An empty archive is no error, but not silent."""
    with zipfile.ZipFile(data / "z.zip", "w"):
        pass
    discovery = discover(settings("z.zip"), data)
    assert discovery.files == ()
    assert "holds no files" in discovery.notes[0]


def test_binary_formats_are_refused(data):
    """A Parquet file by whatever name."""
    (data / "p.csv").write_bytes(b"PAR1" + bytes(20))
    with pytest.raises(SourceError, match=r"p\.csv: this is a Parquet file"):
        discover(settings("p.csv"), data)


def test_standard_input(data):
    """`-` is standard input, once."""
    discovery = discover(settings("-", "a.csv", "-"), data)
    assert [(f.path, f.regular, f.size_bytes) for f in discovery.files] == [
        ("-", False, None), ("a.csv", True, 8),
    ]  # fmt: skip
    assert "named twice" in discovery.notes[0]


def test_fifos_by_name_only(data):
    """A FIFO can be named; a glob that would wait for one leaves it out and says so."""
    os.mkfifo(data / "pipe.csv")
    [file] = discover(settings("pipe.csv"), data).files
    assert (file.regular, file.size_bytes) == (False, None)
    discovery = discover(settings("*.csv"), data)
    assert "pipe.csv" not in [file.path for file in discovery.files]
    assert "left out pipe.csv" in discovery.notes[0]


def test_devices_and_sockets(data, monkeypatch):
    """A character device can be read, a socket's file can't."""
    assert found(data, "/dev/null") == ["/dev/null"]
    monkeypatch.chdir(data)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s")
        with pytest.raises(SourceError, match="is a socket"):
            discover(settings("s"), data)
