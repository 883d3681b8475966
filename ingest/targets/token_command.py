"""A token that a program gives out: `token_command` in the user's own file of a service.

It is an argument list (a JSON array, or words as a shell would split them), run without a shell,
for at most `COMMAND_S` seconds, and only from a file that nobody else can write: else it would be
their command. What it prints is the token; it stands in no message, its complaints do.

It may be run in the middle of a load, when a token has come to its end: so nothing else stands
still meanwhile, and when the run is stopped it is killed.
"""

from __future__ import annotations

import shlex
import subprocess

import anyio
import orjson

from ingest.errors import SettingsError
from ingest.targets.inifile import IniFile
from ingest.wire import safe_words

COMMAND_S = 30.0
_LIST = 'write it like ["pass", "show", "loader-token"]'


async def run_token_command(text: str, file: IniFile, place: str) -> str:
    """What the command prints. `place` names it in the SettingsError for whatever goes wrong."""
    if file.writable_by_others:
        raise SettingsError(
            f"{file.path}: others can write it, so its token_command is not run", "chmod 600 it"
        )
    arguments = _arguments(text, place)
    try:
        with anyio.fail_after(COMMAND_S):
            done = await anyio.run_process(arguments, stdin=subprocess.DEVNULL, check=False)
    except TimeoutError:
        raise SettingsError(f"{place}: took longer than {COMMAND_S:g} s") from None
    except (OSError, ValueError) as exc:
        raise SettingsError(f"{place}: {arguments[0]!r} can't be run: {exc}") from None
    if done.returncode:
        words = safe_words(done.stderr) or "it said nothing"
        raise SettingsError(f"{place}: ended with code {done.returncode}: {words}")
    return done.stdout.decode("utf-8", errors="replace")


def _arguments(text: str, place: str) -> list[str]:
    try:
        found = orjson.loads(text) if text.lstrip().startswith("[") else shlex.split(text)
    except ValueError as exc:
        raise SettingsError(f"{place}: can't be read as an argument list: {exc}", _LIST) from None
    if not found or not all(isinstance(argument, str) for argument in found):
        raise SettingsError(f"{place}: must be a list of texts, not empty", _LIST)
    return list(found)
