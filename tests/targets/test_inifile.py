"""The user's ini file."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.errors import SettingsError
from ingest.targets.inifile import IniFile, read_ini


def written(tmp_path: Path, text: str | bytes, mode: int = 0o600) -> Path:
    """An ini file with this text."""
    path = tmp_path / "a.ini"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(mode)
    return path


@pytest.mark.parametrize("path", [None, Path("/nonexistent/a.ini"), Path("/dev/null/a.ini")])
def test_no_file_is_an_empty_one(path):
    """No home, no directory, no file: nothing is configured, nothing crashes."""
    assert read_ini(path) == IniFile()


def test_values_are_taken_as_they_stand(tmp_path):
    """No interpolation, no inheritance; a byte order mark and upper case keys are borne."""
    text = "\ufeff[DEFAULT]\nBase_URL = https://h.example/%x\n[prod]\nauthorization=a%b%%c=d:e\n"
    file = read_ini(written(tmp_path, text))
    assert file.sections == {
        "DEFAULT": {"base_url": "https://h.example/%x"},
        "prod": {"authorization": "a%b%%c=d:e"},
    }
    assert file.profiles == ["DEFAULT", "prod"]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("authorization = tok-secret\n", ":1"),
        ("[a]\nx=1\ntok-secret-without-equals\n", ":3"),
        ("[a]\nauthorization=1\nauthorization=tok-secret\n", ":3"),
        ("[a]\n[a]\n", ":2"),
        (b"[a]\nauthorization=\xfftok-secret\n", ""),
    ],
)
def test_a_broken_file_is_named_by_its_line_only(tmp_path, text, place):
    """The parser would quote the line, which may be the token."""
    path = written(tmp_path, text)
    with pytest.raises(SettingsError) as caught:
        read_ini(path)
    assert f"{path}{place}" in caught.value.message
    chain = f"{caught.value} {caught.value.hint} {caught.value.__cause__}"
    assert "tok-secret" not in chain
    assert caught.value.hint


@pytest.mark.parametrize(
    ("mode", "readable", "writable"),
    [(0o600, False, False), (0o400, False, False), (0o640, True, False), (0o604, True, False),
     (0o620, False, True), (0o602, False, True), (0o666, True, True)],
)  # fmt: skip
def test_who_else_can_use_the_file_is_known(tmp_path, mode, readable, writable):
    """Group and world, reading and writing."""
    file = read_ini(written(tmp_path, "[a]\nx=1\n", mode))
    assert (file.readable_by_others, file.writable_by_others) == (readable, writable)


def test_a_directory_in_its_place_is_an_error(tmp_path):
    """Not silently nothing."""
    with pytest.raises(SettingsError, match="can't be read"):
        read_ini(tmp_path)
