"""Which token goes to which host. The one place that decides it, for every service.

What differs from service to service are names, and they stand in `schemes`. The rules are the same;
`lookup` carries them out.

Order: the environment's token and URL win over the file (its default section, or the profile that
is named; `[DEFAULT]` gives a profile what it does not say itself). The base URL that is used: the
command line's, else the job's, else the environment's, else the file's.

A credential is bound to the base URL it came with, because a job file is somebody's data and must
not direct a token to a host of its choice:

- a token from the environment belongs to the environment's URL, else to the file's;
- a token from the file belongs to its section's URL, else to the environment's; a profile with a
  URL of its own does not inherit a token of `[DEFAULT]`, which came with another;
- a token with neither goes where the command line says, never where only the job says.

A variable (hosts, or host:port, parted by commas) allows more, outside the job. The binding is
checked before a `token_command` is run (see there).

A token that says itself that it has ended (`wire.expires_at`) is none. While a run goes on a token
may be asked for afresh (`resolve_again`): by the same rules and from the same profile, whatever
became the active one meanwhile, and for the same base URL or not at all. A token from the
environment has no other, because nobody can change a variable of a process that runs.

No message here ever holds a token or a part of one.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import anyio.to_thread
from msgspec import Struct
from msgspec.structs import replace

from ingest.errors import SettingsError
from ingest.targets.lookup import COMMAND_KEY, CredentialRequest, look_up
from ingest.targets.schemes import AITO, AVALANCHIO, CredentialScheme
from ingest.targets.token_command import run_token_command
from ingest.wire import Secret, expires_at, shown_moment

__all__ = [
    "AITO",
    "AVALANCHIO",
    "Credential",
    "CredentialRequest",
    "CredentialScheme",
    "clean_token",
    "resolve",
    "resolve_again",
]
_BEARER = re.compile(r"bearer\s+", re.IGNORECASE)


class Credential(Struct, frozen=True):
    """A token and the base URL it may go to. `origin` and `notes` are for people.

    `renewable`: another one may come from where it came, which was that `profile` of the file.
    """

    base_url: str
    token: Secret
    origin: str
    notes: tuple[str, ...] = ()
    profile: str | None = None
    renewable: bool = False


async def resolve(
    request: CredentialRequest,
    environ: Mapping[str, str],
    home: Path | None,
    scheme: CredentialScheme = AVALANCHIO,
    wall: Callable[[], float] = time.time,
) -> Credential:
    """The credential for a run. Raises SettingsError that says what is missing or forbidden.

    `wall` is the wall clock, for a token that says when it ends.
    """
    # In a thread that is left behind if it must be: a home may lie on a network.
    look = partial(look_up, request, environ, home, scheme)
    found = await anyio.to_thread.run_sync(look, abandon_on_cancel=True)
    text = found.token
    if text is None and found.section.token_command:
        place = f"{found.section.shown} {COMMAND_KEY}"
        text = await run_token_command(found.section.token_command, found.file, place)
    token = clean_token(text or "", found.origin, scheme)
    _check_end(token, found.origin, wall())
    renewable = found.origin != scheme.token_variable
    return Credential(
        found.target.url, Secret(token), found.origin, found.notes, found.profile, renewable
    )


async def resolve_again(
    known: Credential,
    request: CredentialRequest,
    environ: Mapping[str, str],
    home: Path | None,
    scheme: CredentialScheme = AVALANCHIO,
) -> Credential:
    """The credential afresh from where `known` came; perhaps the same. Raises SettingsError as
    above, and where it is meant for another base URL now."""
    if known.profile is None:  # what the service's own tool made active since is another one
        scheme = replace(scheme, active_file=None)
    found = await resolve(replace(request, profile=known.profile), environ, home, scheme)
    if found.base_url != known.base_url:
        raise SettingsError(
            f"{found.origin}: names {found.base_url} now, and the run goes to {known.base_url}"
        )
    return found


def _check_end(token: str, where: str, wall_s: float) -> None:
    """Refuse a token that has ended by its own words."""
    end = expires_at(token)
    if end is not None and end <= wall_s:
        raise SettingsError(
            f"{where}: the token expired at {shown_moment(end)}, and it is {shown_moment(wall_s)}",
            "put a new one in its place; if this machine's clock is wrong, set that",
        )


def clean_token(text: str, where: str, scheme: CredentialScheme = AVALANCHIO) -> str:
    """The token in `text`, without white space around it and without a pasted `Bearer `.

    Raises SettingsError, without the token, for what can't be one.
    """
    token = _BEARER.sub("", text.strip(), count=1) if _BEARER.match(text.strip()) else text.strip()
    if not token or token.lower() == "bearer":
        raise SettingsError(f"{where}: the token is empty", scheme.ways)
    if token.startswith("<") or token.endswith(">"):
        raise SettingsError(
            f"{where}: the token is still a placeholder in angle brackets",
            "put the token in its place, without the brackets",
        )
    if token[0] in "\"'" or token[-1] in "\"'":
        raise SettingsError(f"{where}: the token stands in quotes", "leave the quotes out")
    if any(not "!" <= character <= "~" for character in token):
        raise SettingsError(
            f"{where}: the token holds white space, a line end, or a character that is no ASCII",
            "copy it again, whole and on one line",
        )
    return token
