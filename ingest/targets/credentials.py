"""Which token goes to which host. The one place that decides it.

Order: `AIO_TOKEN` and `AIO_BASE_URL` win over `~/aio/avalanchio.ini` (`[DEFAULT]`, or the profile
that is named; keys `base_url`, `authorization`, `token_command`). The base URL that is used: the
command line's, else the job's, else the environment's, else the file's.

A credential is bound to the base URL it came with, because a job file is somebody's data and must
not direct a token to a host of its choice:

- a token from the environment belongs to `AIO_BASE_URL`, else to the file's `base_url`;
- a token from the file belongs to its section's `base_url`, else to `AIO_BASE_URL`; a profile with
  a `base_url` of its own does not inherit a token of `[DEFAULT]`, which came with another;
- a token with neither goes where the command line says, never where only the job says.

`AIO_ALLOW_HOST` (hosts, or host:port, parted by commas) allows more, outside the job. The binding
is checked before a `token_command` is run. That is an argument list (a JSON array, or words as a
shell would split them), run without a shell, for at most `COMMAND_S` seconds, and only from a file
that nobody else can write.

No message here ever holds a token or a part of one.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson

from ingest.errors import SettingsError
from ingest.targets.inifile import DEFAULT, IniFile, read_ini
from ingest.wire import Address, Secret, parse_base_url, safe_words

INI = Path("aio", "avalanchio.ini")
COMMAND_S = 30.0
WAYS = (
    "export AIO_TOKEN and AIO_BASE_URL, or write base_url and authorization to ~/aio/avalanchio.ini"
)
_TOKEN_KEYS = ("authorization", "token_command")
_BEARER = re.compile(r"bearer\s+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class CredentialRequest:
    """What the job and the command line say. The environment and the file say the rest."""

    job_base_url: str | None = None
    cli_base_url: str | None = None
    profile: str | None = None


@dataclass(frozen=True, slots=True)
class Credential:
    """A token and the base URL it may go to. `origin` and `notes` are for people."""

    base_url: str
    token: Secret
    origin: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Section:
    """One section of the file, after inheritance."""

    shown: str = "the ini file"
    base_url: Address | None = None
    authorization: str | None = None
    token_command: str | None = None


def resolve(
    request: CredentialRequest, environ: Mapping[str, str], home: Path | None
) -> Credential:
    """The credential for a run. Raises SettingsError that says what is missing or forbidden."""
    token, env_url = _set(environ, "AIO_TOKEN"), _env_address(environ)
    notes: list[str] = []
    file, section = IniFile(), _Section()
    if token and env_url:  # they say it all: the file need not even be readable
        if request.profile:
            notes.append(f"AIO_TOKEN and AIO_BASE_URL win over the profile {request.profile}")
    else:
        file = read_ini(home / INI if home else None)
        section = _section(file, request.profile)
        if file.readable_by_others:
            notes.append(f"{file.path} can be read by others: chmod 600 it")
    target = _target(request, env_url, section)
    origin = "AIO_TOKEN" if token else section.shown
    bound = (env_url or section.base_url) if token else (section.base_url or env_url)
    if not token and not section.authorization and not section.token_command:
        raise SettingsError(f"no token for {target.shown}", WAYS)
    _check_binding(request, target, bound, origin, _set(environ, "AIO_ALLOW_HOST") or "")
    if token is None and section.token_command:
        token = _run(section, file)
    secret = Secret(clean_token(token or section.authorization or "", origin))
    return Credential(target.url, secret, origin, tuple(notes))


def clean_token(text: str, where: str) -> str:
    """The token in `text`, without white space around it and without a pasted `Bearer `.

    Raises SettingsError, without the token, for what can't be one.
    """
    token = _BEARER.sub("", text.strip(), count=1) if _BEARER.match(text.strip()) else text.strip()
    if not token or token.lower() == "bearer":
        raise SettingsError(f"{where}: the token is empty", WAYS)
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


def _set(environ: Mapping[str, str], name: str) -> str | None:
    """The variable; one that is empty counts as not set."""
    return environ.get(name, "").strip() or None


def _env_address(environ: Mapping[str, str]) -> Address | None:
    text = _set(environ, "AIO_BASE_URL")
    return parse_base_url(text, "AIO_BASE_URL") if text else None


def _target(request: CredentialRequest, env_url: Address | None, section: _Section) -> Address:
    if request.cli_base_url:
        return parse_base_url(request.cli_base_url, "--base-url")
    if request.job_base_url:
        return parse_base_url(request.job_base_url, "target.base_url")
    if found := env_url or section.base_url:
        return found
    raise SettingsError("no base URL: which service is to be asked?", WAYS)


def _check_binding(
    request: CredentialRequest, target: Address, bound: Address | None, origin: str, allowed: str
) -> None:
    """Refuse a token for a host it did not come with, unless the user allows it."""
    names = {name.strip().lower() for name in allowed.split(",")}
    if {target.host, f"{target.host}:{target.port}", target.shown} & names:
        return
    if bound is None and (request.cli_base_url or not request.job_base_url):
        return
    if bound is not None and bound.origin == target.origin:
        return
    where = "--base-url" if request.cli_base_url else "the job"
    belongs = f"belongs to {bound.shown}" if bound else "came without a base URL"
    if bound is not None and bound.shown == target.shown:
        belongs = f"belongs to {bound.scheme}://{bound.shown}, another scheme"
    raise SettingsError(
        f"{where} names {target.shown}, but the token from {origin} {belongs}",
        f"if it is meant to go there: export AIO_ALLOW_HOST={target.host}, or set AIO_BASE_URL",
    )


def _section(file: IniFile, profile: str | None) -> _Section:
    """The profile's own keys over `[DEFAULT]`'s; the token only where the hosts agree."""
    if profile is not None and profile not in file.sections:
        known = f"there are {', '.join(file.profiles)}" if file.sections else "there is no profile"
        place = file.path or f"~/{INI}"
        raise SettingsError(f"{place}: no profile {profile!r}; {known}", WAYS)
    name = profile or DEFAULT
    shown = f"{file.path} [{name}]"
    own, default = file.sections.get(name, {}), file.sections.get(DEFAULT, {})
    base_url = _ini_address(own, shown) or _ini_address(default, shown)
    keys = own
    if not any(own.get(key) for key in _TOKEN_KEYS):
        keys = default
        _check_inheritance(shown, base_url, _ini_address(default, shown), default)
    if all(keys.get(key) for key in _TOKEN_KEYS):
        raise SettingsError(f"{shown}: authorization and token_command exclude each other")
    return _Section(shown, base_url, keys.get("authorization"), keys.get("token_command"))


def _check_inheritance(
    shown: str, own: Address | None, inherited: Address | None, default: Mapping[str, str]
) -> None:
    if not any(default.get(key) for key in _TOKEN_KEYS) or own is None or inherited is None:
        return
    if own.origin != inherited.origin:
        raise SettingsError(
            f"{shown}: names {own.shown}, but [{DEFAULT}]'s token belongs to {inherited.shown}",
            "write the profile's own authorization (or token_command) to it",
        )


def _ini_address(section: Mapping[str, str], shown: str) -> Address | None:
    text = section.get("base_url", "").strip()
    return parse_base_url(text, f"{shown} base_url") if text else None


def _run(section: _Section, file: IniFile) -> str:
    """What the token command prints."""
    if file.writable_by_others:
        raise SettingsError(
            f"{file.path}: others can write it, so its token_command is not run", "chmod 600 it"
        )
    place = f"{section.shown} token_command"
    arguments = _arguments(section.token_command or "", place)
    try:
        done = subprocess.run(  # noqa: S603 - the user's own command from a file only they write
            arguments, stdin=subprocess.DEVNULL, capture_output=True, timeout=COMMAND_S, check=False
        )
    except subprocess.TimeoutExpired:
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


_LIST = 'write it like ["pass", "show", "avalanchio"]'
