"""The user's own ini file of a service: sections read with interpolation off, nothing leaked.

Interpolation is off because a `%` in a token breaks the default parser for a named profile. The
parser's own error messages quote the line they stumble over, which may be the token: only its
number is passed on. `[DEFAULT]` is read as a section like the others, so that a caller can tell
what a profile says itself from what it would inherit.
"""

from __future__ import annotations

import configparser
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ingest.errors import SettingsError

DEFAULT = "DEFAULT"
FILE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class IniFile:
    """What stands in the file, which does not print: a token is among it. `readable_by_others`,
    `writable_by_others`: group or world."""

    path: Path | None = None
    sections: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)
    readable_by_others: bool = False
    writable_by_others: bool = False

    @property
    def profiles(self) -> list[str]:
        """The names that may be asked for."""
        return sorted(self.sections)


def read_ini(path: Path | None) -> IniFile:
    """The file at `path`; an empty one where there is none. Raises SettingsError if unreadable."""
    if path is None:
        return IniFile()
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(path.stat().st_mode)
            text = file.read(FILE_BYTES).decode("utf-8-sig")
    except (FileNotFoundError, NotADirectoryError):
        return IniFile()
    except UnicodeDecodeError:
        raise SettingsError(f"{path}: is no UTF-8 text", "save it as UTF-8") from None
    except OSError as exc:
        raise SettingsError(f"{path}: can't be read: {exc.strerror}") from exc
    return IniFile(path, _sections(path, text), bool(mode & 0o044), bool(mode & 0o022))


def _sections(path: Path, text: str) -> dict[str, dict[str, str]]:
    # A name that no section can have: [DEFAULT] becomes a section like any other.
    parser = configparser.ConfigParser(interpolation=None, default_section="\0")
    try:
        parser.read_string(text)
    except configparser.Error as exc:
        raise SettingsError(f"{path}{_line(exc)}: can't be read as an ini file", _FORM) from None
    return {name: dict(parser[name]) for name in parser.sections()}


def _line(exc: configparser.Error) -> str:
    number = getattr(exc, "lineno", None)
    if number is None and isinstance(exc, configparser.ParsingError) and exc.errors:
        number = exc.errors[0][0]
    return f":{number}" if number else ""


_FORM = "each line is [section] or key = value; a section or key stands once"
