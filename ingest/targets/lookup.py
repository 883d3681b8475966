"""Where a credential stands, which base URL is used, and whether the one may go to the other.

The rules stand at the head of `credentials`; here they are carried out, up to the point where a
`token_command` would be run. A command is looked up, never run here: what it is bound to is checked
before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from msgspec import Struct

from ingest.errors import SettingsError
from ingest.targets.inifile import DEFAULT, IniFile, read_ini
from ingest.targets.schemes import CredentialScheme
from ingest.wire import Address, parse_base_url

COMMAND_KEY = "token_command"


class CredentialRequest(Struct, frozen=True):
    """What the job and the command line say. The environment and the file say the rest."""

    job_base_url: str | None = None
    cli_base_url: str | None = None
    profile: str | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """One section of the file, after inheritance."""

    shown: str = "the ini file"
    base_url: Address | None = None
    token: str | None = field(default=None, repr=False)
    token_command: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What is known before a command is run; `token` is None where one is to be run. `profile` is
    that of the file, None for the one that nobody named."""

    target: Address
    origin: str
    token: str | None = field(repr=False)
    section: Section
    file: IniFile
    profile: str | None
    notes: tuple[str, ...]


def look_up(
    request: CredentialRequest,
    environ: Mapping[str, str],
    home: Path | None,
    scheme: CredentialScheme,
) -> Found:
    """Where the credential stands, and which base URL is used. Raises SettingsError for what is
    missing or forbidden. Reads files, runs nothing."""
    notes: list[str] = []
    token, env_url = _set(environ, scheme.token_variable), _env_address(scheme, environ, notes)
    file, section, profile = IniFile(), Section(), request.profile
    if token and env_url:  # they say it all: the file need not even be readable
        if request.profile:
            names = f"{scheme.token_variable} and {scheme.url_variables[0]}"
            notes.append(f"{names} win over the profile {request.profile}")
    else:
        file = read_ini(scheme.place(scheme.file, environ, home))
        profile = _profile(scheme, request, environ, home)
        section = _section(scheme, file, profile)
        if file.readable_by_others:
            notes.append(f"{file.path} can be read by others: chmod 600 it")
    target = _target(scheme, request, env_url or section.base_url)
    origin = scheme.token_variable if token else section.shown
    bound = (env_url or section.base_url) if token else (section.base_url or env_url)
    if not token and not section.token and not section.token_command:
        raise SettingsError(f"no token for {target.shown}", scheme.ways)
    if not _is_allowed(target, _set(environ, scheme.allow_variable) or ""):
        _check_binding(scheme, request, target, bound, origin)
    return Found(target, origin, token or section.token, section, file, profile, tuple(notes))


def _set(environ: Mapping[str, str], name: str) -> str | None:
    """The variable; one that is empty counts as not set."""
    return environ.get(name, "").strip() or None


def _env_address(
    scheme: CredentialScheme, environ: Mapping[str, str], notes: list[str]
) -> Address | None:
    """The first URL that the environment gives; the others are noted where they differ."""
    found = {name: text for name in scheme.url_variables if (text := _set(environ, name))}
    if not found:
        return None
    name, text = next(iter(found.items()))
    losers = [other for other in found if found[other].rstrip("/") != text.rstrip("/")]
    if losers:
        notes.append(f"{name} wins over {', '.join(losers)}, which differs")
    return parse_base_url(text, name)


def _profile(
    scheme: CredentialScheme,
    request: CredentialRequest,
    environ: Mapping[str, str],
    home: Path | None,
) -> str | None:
    """The profile that the user named, here or to the service's own tool."""
    named = request.profile or _set(environ, scheme.profile_variable)
    if named or scheme.active_file is None:
        return named
    kept = read_ini(scheme.place(scheme.active_file, environ, home))
    return kept.sections.get(scheme.active_section, {}).get("active_profile") or None


def _target(scheme: CredentialScheme, request: CredentialRequest, known: Address | None) -> Address:
    if request.cli_base_url:
        return parse_base_url(request.cli_base_url, "--base-url")
    if request.job_base_url:
        return parse_base_url(request.job_base_url, "target.base_url")
    if known is None:
        raise SettingsError("no base URL: which service is to be asked?", scheme.ways)
    return known


def _is_allowed(target: Address, allowed: str) -> bool:
    names = {name.strip().lower() for name in allowed.split(",")}
    return bool({target.host, f"{target.host}:{target.port}", target.shown} & names)


def _check_binding(
    scheme: CredentialScheme,
    request: CredentialRequest,
    target: Address,
    bound: Address | None,
    origin: str,
) -> None:
    """Refuse a token for a host it did not come with."""
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
        f"if it is meant to go there: export {scheme.allow_variable}={target.host},"
        f" or set {scheme.url_variables[0]}",
    )


def _section(scheme: CredentialScheme, file: IniFile, profile: str | None) -> Section:
    """The profile's own keys over `[DEFAULT]`'s; the token only where the hosts agree."""
    if profile is not None and profile not in file.sections:
        known = f"there are {', '.join(file.profiles)}" if file.sections else "there is no profile"
        place = file.path or scheme.file_shown
        raise SettingsError(f"{place}: no profile {profile!r}; {known}", scheme.ways)
    name = profile or scheme.default_profile
    shown = f"{file.path} [{name}]"
    own, default = file.sections.get(name, {}), file.sections.get(DEFAULT, {})
    inherited = _ini_address(scheme, default, shown)
    base_url = _ini_address(scheme, own, shown) or inherited
    token_keys = (scheme.token_key, COMMAND_KEY)
    keys = own if any(own.get(key) for key in token_keys) else default
    if keys is default and any(default.get(key) for key in token_keys):
        _check_inheritance(shown, base_url, inherited, scheme.token_key)
    if all(keys.get(key) for key in token_keys):
        raise SettingsError(f"{shown}: {' and '.join(token_keys)} exclude each other")
    return Section(shown, base_url, keys.get(scheme.token_key), keys.get(COMMAND_KEY))


def _check_inheritance(
    shown: str, own: Address | None, inherited: Address | None, token_key: str
) -> None:
    if own is not None and inherited is not None and own.origin != inherited.origin:
        raise SettingsError(
            f"{shown}: names {own.shown}, but [{DEFAULT}]'s token belongs to {inherited.shown}",
            f"write the profile's own {token_key} (or {COMMAND_KEY}) to it",
        )


def _ini_address(
    scheme: CredentialScheme, section: Mapping[str, str], shown: str
) -> Address | None:
    text = section.get(scheme.url_key, "").strip()
    return parse_base_url(text, f"{shown} {scheme.url_key}") if text else None
