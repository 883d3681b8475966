r"""Words and figures for people: every text from outside passes through `safe` before it is shown.

A service's error page, a file name and a CSV header are somebody else's bytes. Printed as they are
they could move the cursor, retitle the terminal, colour a lie or, taken as Rich markup, hide a
message. So: escape sequences are removed whole, other control characters (bidi overrides included)
become spaces, what the output's encoding lacks is spelt as `\xNN`, and the length is bounded.
Markup is no matter here: nobody in this program hands such text to Rich but as `Text`.

Pure functions, and nothing heavy imported: the door uses them before anything else is there.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import Any, TextIO

from msgspec import Struct
from msgspec.structs import asdict

# CSI and OSC first and whole, so that nothing of `\x1b[31m` or a window title is left as text. The
# one-byte forms (U+009B and the like) become spaces below, which disarms what follows them.
_SEQUENCES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]?"
    r"|\x1b[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)?"
    r"|\x1b[ -/]*[0-~]?"
)
_CONTROLS = "\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff"
_IN_LINE = re.compile(f"[{_CONTROLS}\t\n]+")
_IN_TEXT = re.compile(f"[{_CONTROLS}\t]+")


def safe(text: str, *, encoding: str = "utf-8", max_chars: int = 2000, lines: bool = False) -> str:
    """`text` fit to be shown: no control characters, encodable, at most `max_chars` long.

    With `lines`, newlines are kept. A cut is marked with `...`.
    """
    # A page of 10 MB is cut before it is searched, with room for what the stripping takes away.
    head = text[: max_chars * 4]
    clean = (_IN_TEXT if lines else _IN_LINE).sub(
        " ", _SEQUENCES.sub("", head.replace("\r\n", "\n"))
    )
    clean = clean.rstrip() if lines else clean.strip()
    if len(clean) > max_chars or len(head) < len(text):
        clean = clean[: max(0, max_chars - 3)] + "..."
    return encodable(clean, encoding)


def encoding_of(stream: TextIO) -> str:
    """The encoding of a text stream; UTF-8 for one that has none (a buffer in memory)."""
    return getattr(stream, "encoding", None) or "utf-8"


def encodable(text: str, encoding: str = "utf-8") -> str:
    r"""`text` with everything that `encoding` can't hold spelt out (`\xff`, `\u2192`).

    A file name that is no UTF-8 arrives with surrogates for its bytes; those are spelt as the bytes
    they stand for.
    """
    try:
        text.encode(encoding)
    except LookupError:
        return encodable(text)
    except UnicodeEncodeError:
        whole = _without_surrogates(text)
        return whole.encode(encoding, "backslashreplace").decode(encoding)
    return text


def _without_surrogates(text: str) -> str:
    return re.sub(r"[\ud800-\udfff]", _spell_surrogate, text)


def _spell_surrogate(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}"


def json_bytes(value: Any, *, indent: bool = False, sort_keys: bool = False) -> bytes:
    """`value` as JSON in UTF-8, whatever its texts hold.

    Lone surrogates (file names that are no UTF-8) have no place in JSON and are spelt out. The
    common case pays nothing: the texts are looked at only after the encoder has refused.
    """
    import orjson  # noqa: PLC0415 - `--help` comes by here and needs none

    options = orjson.OPT_INDENT_2 if indent else 0
    options |= orjson.OPT_SORT_KEYS if sort_keys else 0
    try:
        return orjson.dumps(value, option=options)
    except TypeError:
        return orjson.dumps(_encodable_all(value), default=str, option=options)


def json_line(value: Any, encoding: str = "utf-8") -> str:
    r"""`value` as one line of JSON that a text stream of this encoding can take, newline included.

    What the encoding lacks becomes `\uNNNN`, which is still the same JSON.
    """
    text = json_bytes(value).decode()
    if encodable(text, encoding) != text:
        import json  # noqa: PLC0415 - for a rare kind of terminal only

        text = json.dumps(json.loads(text))
    return text + "\n"


def _encodable_all(value: Any) -> Any:
    if isinstance(value, Struct):
        value = asdict(value)
    if isinstance(value, str):
        return encodable(value)
    if isinstance(value, dict):
        return {encodable(str(key)): _encodable_all(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_encodable_all(part) for part in value]
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return str(value)
    return value


def now_text() -> str:
    """This moment as reports have it: ISO 8601, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def count(number: int) -> str:
    """A whole number with thousands parted: 1,240,000."""
    return f"{number:,}"


def size(size_bytes: float) -> str:
    """Bytes in decimal units, three figures: 999 B, 1.24 MB, 52.0 GB."""
    value = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 999.5 or unit == "TB":
            break
        value /= 1000
    if unit == "B":
        return f"{value:.0f} B"
    digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
    return f"{value:.{digits}f} {unit}"


def duration(seconds: float) -> str:
    """Seconds for people: 0.42 s, 12.3 s, 4m 05s, 2h 03m, 3d 04h. `-` for what is no time."""
    if not math.isfinite(seconds) or seconds < 0:
        return "-"
    if seconds < 59.95:
        return f"{seconds:.2f} s" if seconds < 9.995 else f"{seconds:.1f} s"
    minutes, rest_s = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}m {rest_s:02d}s"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours}h {minutes:02d}m"
    return f"{hours // 24}d {hours % 24:02d}h"


def rate(records: int, seconds: float) -> str:
    """Records a second: `88,102/s`; `-` where no time has passed."""
    return f"{records / seconds:,.0f}/s" if seconds > 0 else "-"


def plural(number: int, noun: str) -> str:
    """`1 file`, `2 files`: the noun's plural takes an s."""
    return f"{count(number)} {noun}" + ("" if number == 1 else "s")
