"""Where the users of a service keep its credential, and by which names: one value a service.

Avalanchio's are those of its page. aito's are those of its own client, so that who has set that up
needs nothing more: the two URL variables, the file with its profiles, and which of these is active
(seen). Only `AITO_ALLOW_HOST` and `token_command` are ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from ingest.targets.inifile import DEFAULT


class CredentialScheme(Struct, frozen=True):
    """A service's names for things.

    Of `url_variables` the first one that is set wins. `file` lies in the home directory or, with
    `in_config`, in that for configurations (XDG). The profile that nobody named is the one of
    `profile_variable`, else the `active_profile` that the service's own tool keeps in
    `active_file`, section `active_section`, else `default_profile`.
    """

    token_variable: str
    url_variables: tuple[str, ...]
    allow_variable: str
    file: Path
    url_key: str
    token_key: str
    default_profile: str = DEFAULT
    in_config: bool = False
    profile_variable: str = ""
    active_file: Path | None = None
    active_section: str = ""

    @property
    def file_shown(self) -> str:
        """The file for people."""
        return f"~/{'.config/' if self.in_config else ''}{self.file}"

    @property
    def ways(self) -> str:
        """How a credential is given: the hint of most refusals."""
        return (
            f"export {self.token_variable} and {self.url_variables[0]}, or write {self.url_key}"
            f" and {self.token_key} to {self.file_shown}"
        )

    def place(self, file: Path, environ: Mapping[str, str], home: Path | None) -> Path | None:
        """Where `file` lies. A relative XDG_CONFIG_HOME counts for nothing, as its page wants."""
        if not self.in_config:
            return home / file if home else None
        config = Path(environ.get("XDG_CONFIG_HOME", ""))
        if config.is_absolute():
            return config / file
        return home / ".config" / file if home else None


AVALANCHIO = CredentialScheme(
    token_variable="AIO_TOKEN",  # noqa: S106 - a variable's name
    url_variables=("AIO_BASE_URL",),
    allow_variable="AIO_ALLOW_HOST",
    file=Path("aio", "avalanchio.ini"),
    url_key="base_url",
    token_key="authorization",  # noqa: S106 - a key's name
)
AITO = CredentialScheme(
    token_variable="AITO_API_KEY",  # noqa: S106 - a variable's name
    url_variables=("AITO_URL", "AITO_INSTANCE_URL"),
    allow_variable="AITO_ALLOW_HOST",
    file=Path("aito", "credentials"),
    url_key="instance_url",
    token_key="api_key",  # noqa: S106 - a key's name
    default_profile="default",
    in_config=True,
    profile_variable="AITO_PROFILE",
    active_file=Path("aito", "config"),
    active_section="aito",
)
