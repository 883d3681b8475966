"""Where a journal may lie: private files, no links, no network."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from ingest.errors import SettingsError
from ingest.journal import set_aside
from ingest.journal.place import file_system_of, refuse_network, sides
from tests.journal.helpers import JOB, begun, opened, place

MOUNTS = """\
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 27 0:40 / /mnt/a\\040b rw - nfs4 server:/x rw
31 30 0:41 / /mnt/a\\040b/local rw shared:7 - tmpfs tmpfs rw
32 27 0:42 / /mnt/over rw - ext4 /dev/vdb rw
33 27 0:43 / /mnt/over rw - fuse.sshfs host: rw
nonsense
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/x", "ext4"),
        ("/mnt/a b", "nfs4"),
        ("/mnt/a b/c/d", "nfs4"),
        ("/mnt/a b/local/c", "tmpfs"),
        ("/mnt/a", "ext4"),
        ("/mnt/over/c", "fuse.sshfs"),
    ],
)
def test_the_file_system_of_a_path(path: str, kind: str) -> None:
    """The deepest mount above it, and of two on one point the later."""
    assert file_system_of(Path(path), MOUNTS) == kind


def test_nothing_is_known_without_a_table() -> None:
    """No mount, no answer."""
    assert file_system_of(Path("/x"), "") is None


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "fuse.glusterfs"])
def test_a_network_file_system_is_refused(tmp_path: Path, kind: str) -> None:
    """By its name, with the option that names another place."""
    table = tmp_path / "mountinfo"
    table.write_text(f"27 1 0:1 / / rw - ext4 a rw\n28 27 0:2 / {tmp_path} rw - {kind} b rw\n")
    with pytest.raises(SettingsError, match=rf"network file system \({kind}\)") as caught:
        refuse_network(tmp_path, table)
    assert "--state-dir" in caught.value.hint


@pytest.mark.parametrize("kind", ["ext4", "overlay", "tmpfs", "xfs", "fuse.fuse-overlayfs"])
def test_a_local_one_is_taken(tmp_path: Path, kind: str) -> None:
    """So is one that is not known, and a system without such a table."""
    table = tmp_path / "mountinfo"
    table.write_text(f"27 1 0:1 / / rw - {kind} a rw\n")
    refuse_network(tmp_path, table)
    refuse_network(tmp_path, tmp_path / "none")
    assert file_system_of(tmp_path, table.read_text()) == kind


def test_everything_is_private(tmp_path: Path) -> None:
    """Directory 0700; the file and what SQLite puts beside it 0600, whatever the umask says."""
    before = os.umask(0)
    try:
        with opened(tmp_path) as journal:
            begun(journal)
            found = {
                one.name: stat.S_IMODE(one.stat().st_mode) for one in journal.path.parent.iterdir()
            }
    finally:
        os.umask(before)
    assert found == dict.fromkeys(
        ("journal.sqlite", "journal.sqlite-wal", "journal.sqlite-shm"), 0o600
    )
    assert stat.S_IMODE(place(tmp_path).parent.stat().st_mode) == 0o700


def test_a_mode_that_was_loosened_is_set_right(tmp_path: Path) -> None:
    """Before a byte is written."""
    opened(tmp_path).close()
    place(tmp_path).chmod(0o644)
    opened(tmp_path).close()
    assert stat.S_IMODE(place(tmp_path).stat().st_mode) == 0o600


@pytest.mark.parametrize("side", ["", "-wal", "-shm"])
def test_links_are_refused(tmp_path: Path, side: str) -> None:
    """The file itself and those beside it."""
    opened(tmp_path).close()
    path = place(tmp_path)
    link = path.with_name(path.name + side)
    target = tmp_path / "elsewhere"
    if link.exists():
        link.rename(target)
    link.symlink_to(target)
    with pytest.raises(SettingsError, match="it is a link") as caught:
        opened(tmp_path)
    assert "--state-dir" in caught.value.hint


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """A FIFO does not hang the run."""
    place(tmp_path).parent.mkdir(parents=True)
    os.mkfifo(place(tmp_path))
    with pytest.raises(SettingsError, match="no plain file"):
        opened(tmp_path)


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    """Exit code 2, and the option is named."""
    (tmp_path / "jobs").write_text("a file where the directory should be")
    with pytest.raises(SettingsError, match="can't be kept") as caught:
        opened(tmp_path)
    assert caught.value.exit_code == 2
    assert "--state-dir" in caught.value.hint


def test_a_making_that_was_killed_leaves_no_trouble(tmp_path: Path) -> None:
    """The half-made file is made again."""
    place(tmp_path).parent.mkdir(parents=True)
    half = place(tmp_path).with_name("journal.sqlite.new")
    half.write_bytes(b"half")
    with opened(tmp_path) as journal:
        assert journal.runs() == []
    assert not half.exists()


def test_a_log_alone_is_no_new_journal(tmp_path: Path) -> None:
    """Without its file it is damage, not a job that has sent nothing."""
    opened(tmp_path).close()
    sides(place(tmp_path))[0].write_bytes(b"x" * 100)
    place(tmp_path).unlink()
    with pytest.raises(SettingsError, match=r"only journal\.sqlite-wal is left") as caught:
        opened(tmp_path)
    assert "--restart" in caught.value.hint


def test_setting_aside(tmp_path: Path) -> None:
    """A damaged journal is moved, with what lies beside it, and a new one can be made."""
    opened(tmp_path).close()
    path = place(tmp_path)
    path.write_bytes(b"garbage")
    sides(path)[0].write_bytes(b"log")
    first = set_aside(path)
    assert first == path.with_name("journal.sqlite.damaged-1")
    assert first.read_bytes() == b"garbage"
    assert sides(first)[0].read_bytes() == b"log"
    assert set_aside(path) is None
    opened(tmp_path).close()
    assert set_aside(path) == path.with_name("journal.sqlite.damaged-2")
    assert JOB in str(path)
