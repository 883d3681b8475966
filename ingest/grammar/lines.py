"""Physical lines: LF, CR and CRLF end one, and nothing else does, whatever Unicode calls a line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import accumulate, pairwise

from ingest.model import Dialect

LINE_END = re.compile(rb"\r\n?|\n")


def is_utf8(data: bytes) -> bool:
    """Whether `data` is valid UTF-8."""
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def count_lines(
    data: bytes, start: int = 0, end: int | None = None, feeds: int | None = None
) -> int:
    """Physical line ends in `data[start:end]`: LF, CRLF and CR are one each. `feeds` are the LFs
    among them, where somebody has counted them."""
    count = count_feeds(data, start, end) if feeds is None else feeds
    if data.find(b"\r", start, end) >= 0:
        count += data.count(b"\r", start, end) - data.count(b"\r\n", start, end)
    return count


def count_feeds(data: bytes, start: int = 0, end: int | None = None) -> int:
    """The LFs in `data[start:end]`: as `bytes.count`, which looks at each byte by itself and so
    takes two or three times as long where lines are not short."""
    part = data[start:end]
    return len(part) - len(part.replace(b"\n", b""))


def feeds_before(data: bytes, places: Sequence[int]) -> list[int]:
    """How many LFs stand before each of these places, which rise."""
    return list(accumulate(count_feeds(data, *part) for part in pairwise((0, *places))))


def has_comment(data: bytes, dialect: Dialect, start: int = 0, end: int | None = None) -> bool:
    """Whether a line may be a comment; one within quotes counts, for safety."""
    if not dialect.comment:
        return False
    mark = dialect.comment.encode()
    return data.startswith(mark, start) or any(
        data.find(line_end + mark, start, end) >= 0 for line_end in (b"\n", b"\r")
    )


def has_blank_line(data: bytes, start: int = 0, end: int | None = None) -> bool:
    """Whether a line is blank, in a text whose lines end with LF or CRLF."""
    return data.startswith((b"\n", b"\r\n"), start) or any(
        data.find(pair, start, end) >= 0 for pair in (b"\n\n", b"\n\r\n")
    )
