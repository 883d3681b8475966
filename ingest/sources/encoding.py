"""Which encoding a file is in, and its bytes as UTF-8.

The rest of the program sees UTF-8 only. A UTF-8 file passes through untouched: a byte in it that is
no UTF-8 is its record's trouble, found where the record is parsed. Every other encoding is turned
into UTF-8 as it streams by, and a sequence that can't be is the file's trouble, with its offset.

The order of trust: a byte order mark (nothing else starts like one), the encoding the job names,
then the bytes: valid UTF-8 is UTF-8 (text in another encoding passes that test by accident only
where it is short); two bytes a letter, half of them zero, is UTF-16; and what remains is guessed
among single-byte encodings and *said*, because such a guess can be wrong without failing. Where
the guess reads the same in cp1252, cp1252 it is.

Offsets in messages, rejects and segments are those of the original bytes: `Offsets` turns places in
the UTF-8 text back into them.
"""

from __future__ import annotations

import codecs
import difflib
from collections import deque
from functools import lru_cache

from msgspec import Struct

from ingest.errors import SettingsError, SourceError

UTF8 = "utf-8"
SAMPLE_BYTES = 16 * 1024
_CONTINUATIONS = bytes(range(0x80, 0xC0))  # of a character's bytes in UTF-8 all but the first
_MARKS = (  # UTF-32 first: its little-endian mark starts with UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, UTF8),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_GUESSES = [
    "cp1252", "cp1250", "iso8859_2", "cp1251", "koi8_r", "cp1253", "cp1254", "cp1257",
]  # fmt: skip
_SAME = {"utf-8-sig": UTF8, "ascii": UTF8}
_UNMARKED = {"utf-16": "utf-16-le", "utf-32": "utf-32-le"}
_NO_TEXT_OF_FILES = ("idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape")


class Encoding(Struct, frozen=True):
    """What was found: the codec's name, the length of the mark to leave out, what to tell."""

    name: str
    bom_bytes: int = 0
    note: str = ""


def named(name: str | None) -> str | None:
    """The codec of the encoding a job names, None for None. Raises SettingsError if unknown.

    ASCII is UTF-8 here: every ASCII file is one, and what is no ASCII is judged like UTF-8.
    """
    if name is None:
        return None
    try:
        info = codecs.lookup(name)
    except (LookupError, ValueError) as exc:
        raise SettingsError(f"encoding = {name!r}: no such encoding{_nearest(name)}") from exc
    canonical = info.name.replace("_", "-") if info.name.startswith("utf") else info.name
    if not getattr(info, "_is_text_encoding", True) or info.name in _NO_TEXT_OF_FILES:
        raise SettingsError(f"encoding = {name!r}: is no encoding of text files{_nearest('utf8')}")
    return _SAME.get(canonical, canonical)


def _nearest(name: str) -> str:
    from encodings.aliases import aliases  # noqa: PLC0415 - for an error message only

    known = sorted({alias.replace("_", "-") for alias in (*aliases, *aliases.values())})
    close = difflib.get_close_matches(name.lower().replace("_", "-"), known, n=3, cutoff=0.6)
    return f"; did you mean {' or '.join(close)}?" if close else "; for example utf-8 or cp1252"


def detect(head: bytes, *, final: bool, wanted: str | None, shown: str) -> Encoding:
    """The encoding of a file that starts with `head` (all of it, if `final`).

    `wanted` is what `named` gave for the job's setting.
    """
    for mark, name in _MARKS:
        if head.startswith(mark):
            if wanted is None or name.startswith(wanted):
                return Encoding(name, len(mark))
            note = f"{shown}: starts with the byte order mark of {name}: read as that, not as"
            return Encoding(name, len(mark), f"{note} {wanted}")
    if wanted:
        return Encoding(_UNMARKED.get(wanted, wanted))
    if _is_utf8(head, final=final):
        wide = _wide(head)
        return Encoding(wide, 0, _said(shown, wide)) if wide else Encoding(UTF8)
    name = _wide(head) or guess(head)
    return Encoding(name, 0, _said(shown, name))


def _said(shown: str, name: str) -> str:
    return f'{shown}: read as {name} (detected); name encoding = "{name}" to be sure'


def _is_utf8(head: bytes, *, final: bool) -> bool:
    if head.isascii():
        return True
    try:
        codecs.getincrementaldecoder(UTF8)().decode(head, final)
    except UnicodeDecodeError:
        return False
    return True


def may_be_wide(head: bytes) -> bool:
    """Whether there is a zero byte among the first, as UTF-16 has them even of ASCII."""
    return b"\0" in head[:64]


def _wide(head: bytes) -> str | None:
    """UTF-16 without a mark: nearly every other byte is zero, and nearly none of the others."""
    if not may_be_wide(head) or len(head) < 4:
        return None
    odd, even = head[1::2].count(0), head[::2].count(0)
    most = len(head) * 2 // 5
    if odd >= most and even * 8 < odd:
        return "utf-16-le"
    return "utf-16-be" if even >= most and odd * 8 < even else None


def guess(head: bytes) -> str:
    """The likeliest single-byte encoding of text that is no UTF-8."""
    from charset_normalizer import from_bytes  # noqa: PLC0415 - heavy, seldom needed

    lines = [line for line in head.split(b"\n") if not line.isascii()]
    sample = b"\n".join(lines)[:SAMPLE_BYTES]
    best = from_bytes(sample, cp_isolation=_GUESSES, enable_fallback=False).best()
    name = "cp1252"
    if best is not None and "cp1252" not in best.could_be_from_charset:
        name = best.encoding
    try:
        head.decode(name)
    except UnicodeDecodeError:
        return "iso8859-1"
    return codecs.lookup(name).name


class Transcoder:
    """Bytes of one encoding to UTF-8, as they stream by. Incremental: any cut will do."""

    def __init__(self, name: str, shown: str, bom_bytes: int = 0) -> None:
        self._name = name
        self._shown = shown
        self._fed = bom_bytes
        if name != UTF8:
            self._decoder = codecs.getincrementaldecoder(name)()

    def feed(self, data: bytes, *, final: bool = False) -> tuple[bytes, SourceError | None]:
        """The UTF-8 of `data`; with an error, that of what stands before the bad sequence."""
        if self._name == UTF8:
            return data, None
        held = self._decoder.getstate()[0]
        start = self._fed - len(held)
        self._fed += len(data)
        try:
            return self._decoder.decode(data, final).encode(), None
        except UnicodeDecodeError as exc:
            good = exc.object[: exc.start].decode(self._name, "ignore")
            return good.encode("utf-8", "ignore"), self._error(exc, start)
        except UnicodeEncodeError as exc:
            return b"", SourceError(f"{self._shown}: holds half of a surrogate pair: {exc.reason}")

    def _error(self, exc: UnicodeDecodeError, start: int) -> SourceError:
        shown = exc.object[exc.start : exc.end][:8].hex(" ")
        return SourceError(
            f"{self._shown}: the bytes {shown} at byte {start + exc.start:,} are no {self._name}"
            f" ({exc.reason})",
            "name the file's true encoding in [source] encoding, or mend it",
        )


@lru_cache(maxsize=16)
def _is_bytewise(name: str) -> bool:
    """Whether each byte is a character."""
    return len(bytes(range(256)).decode(name, "replace")) == 256


class Offsets:
    """Places in the UTF-8 text back to places in the original, asked for in rising order.

    Keeps the text of the last `keep_bytes`: a place further back than that is only known to the
    piece. For UTF-8 the two differ by the mark alone, and nothing is kept.
    """

    def __init__(self, encoding: Encoding, keep_bytes: int) -> None:
        self._name = encoding.name
        self._bytewise = _is_bytewise(encoding.name)
        self._keep_bytes = keep_bytes
        self._pieces: deque[bytes] = deque()
        self._held_bytes = 0
        self._text_start = 0
        self._start = encoding.bom_bytes

    def add(self, text: bytes) -> None:
        """The next piece of UTF-8 text."""
        if self._name == UTF8:
            return
        self._pieces.append(text)
        self._held_bytes += len(text)
        while self._held_bytes - len(self._pieces[0]) > self._keep_bytes:
            self._pass()

    def original(self, place: int) -> int:
        """The offset in the original of the byte at `place` of the UTF-8 text."""
        if self._name == UTF8:
            return self._start + place
        while self._pieces and place >= self._text_start + len(self._pieces[0]):
            self._pass()
        if not self._pieces or place <= self._text_start:
            return self._start
        return self._start + self._width(self._pieces[0][: place - self._text_start])

    def _pass(self) -> None:
        piece = self._pieces.popleft()
        self._held_bytes -= len(piece)
        self._text_start += len(piece)
        self._start += self._width(piece)

    def _width(self, text: bytes) -> int:
        """Bytes that this text (whole characters) takes in the original's encoding."""
        if self._bytewise:
            return len(text.translate(None, _CONTINUATIONS))
        return len(text.decode("utf-8", "replace").encode(self._name, "replace"))
