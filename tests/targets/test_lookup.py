"""Where a credential stands; `test_credentials` asks for all the rest of it."""

from __future__ import annotations

from pathlib import Path

from ingest.targets.lookup import CredentialRequest, look_up
from ingest.targets.schemes import AVALANCHIO

TOKEN = "tok-0123456789"
URL = "https://apps.example.com"


def written(home: Path, text: str) -> Path:
    """The home of somebody with this file."""
    (home / "aio").mkdir()
    (home / "aio" / "avalanchio.ini").write_text(f"[DEFAULT]\nbase_url={URL}\n{text}")
    return home


def test_what_was_found_does_not_print_the_token(tmp_path):
    """It travels between threads, and tracebacks may show it."""
    home = written(tmp_path, f"authorization={TOKEN}\n")
    found = look_up(CredentialRequest(), {}, home, AVALANCHIO)
    assert found.token == TOKEN
    assert TOKEN not in repr(found) + repr(found.section) + repr(found.file)


def test_a_command_is_looked_up_and_not_run(tmp_path):
    """What it would print is not known here."""
    mark = tmp_path / "ran"
    home = written(tmp_path, f'token_command=["touch", "{mark}"]\n')
    found = look_up(CredentialRequest(), {}, home, AVALANCHIO)
    assert found.token is None
    assert found.section.token_command
    assert not mark.exists()
