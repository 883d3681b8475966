"""What may be shown: secrets that don't print, URLs without their query, words made harmless.

Promises. A `Secret` gives its value to `reveal` and to nothing else: not to `str`, `repr`, format
strings or pickle. A service's words come out as at most `WORDS_CHARACTERS` printable characters on
one line: terminal escapes (ECMA-48 control sequences and strings), control, format and surrogate
characters are gone, so neither a terminal nor a log reader acts on them. They may still look like
markup to Rich, which is the printer's business: `literal_markup` is there for it.

A service that echoes the token in its answer must not publish it through our messages, so known
secrets are blotted out after the cleaning (an escape in the middle must not hide one).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from urllib.parse import urlsplit, urlunsplit

HIDDEN = "***"
WORDS_CHARACTERS = 2_000
# Shorter ones are words of the language ("sandbox"); no service gives out tokens that short.
SCRUBBED_FROM_CHARACTERS = 8

_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # control sequences: colours, cursor, screen
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)"  # titles, links
    r"|\x1b[ -/]*[0-~]"
)
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})


class Secret:
    """A text that is shown as `***`; only `reveal` gives it out."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The text itself. Hand it to a header or a comparison, never to a message."""
        return self._value

    def prefixed(self, prefix: str) -> Secret:
        """The secret with `prefix` before it, as in `Bearer <token>`."""
        return Secret(prefix + self._value)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return HIDDEN

    def __format__(self, spec: str) -> str:
        return format(HIDDEN, spec)

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("a secret is not pickled or copied into anything that leaves the process")


def scrubbed(text: str, secrets: Iterable[Secret]) -> str:
    """`text` with every secret (and the bare token of a `Bearer <token>`) blotted out."""
    for secret in secrets:
        whole = secret.reveal()
        for needle in (whole, whole.rpartition(" ")[2]):
            if len(needle) >= SCRUBBED_FROM_CHARACTERS:
                text = text.replace(needle, HIDDEN)
    return text


def safe_words(text: bytes | str, secrets: Iterable[Secret] = ()) -> str:
    """Somebody else's words for a message: one line, printable, bounded, without our secrets."""
    if isinstance(text, bytes):
        text = text[: 8 * WORDS_CHARACTERS].decode("utf-8", errors="replace")
    text = _ESCAPES.sub("", text[: 8 * WORDS_CHARACTERS])
    text = "".join(map(_visible, text))
    text = scrubbed(" ".join(text.split()), secrets)
    return text if len(text) <= WORDS_CHARACTERS else text[: WORDS_CHARACTERS - 1] + "…"


def without_query(url: str) -> str:
    """The URL for people: without query, fragment and user, which is where signatures stand."""
    try:
        parts = urlsplit(safe_words(url))
    except ValueError:
        return "(an unreadable URL)"
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, HIDDEN if parts.query else "", ""))


def literal_markup(text: str) -> str:
    """`text` so that Rich prints it letter by letter instead of obeying `[red]` or `[link=...]`."""
    from rich.markup import escape  # noqa: PLC0415 - late: only what prints needs Rich

    return escape(text)


def _visible(character: str) -> str:
    if character.isspace():
        return " "
    return "" if unicodedata.category(character) in _INVISIBLE else character
