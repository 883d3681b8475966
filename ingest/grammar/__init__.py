"""Where CSV records begin and end: one meaning, written as regular expressions over bytes.

The meaning is that of Python's `csv.reader(strict=True)`: a quote opens a field only at the field's
start (`a,5" pipe,b` is three fields) and is doubled inside; LF, CR and CRLF end a record, mixed as
they like; line ends within quotes belong to the field; blank lines are no records. It differs on
purpose where `csv` gives up on the rest of the file, and in knowing comments:

- An opening quote that is not closed by the end of the data, or by the time its record is longer
  than `max_record_bytes` allows, spoils its record up to the end of the physical *line* the quote
  stands in; reading goes on at the next line.
- Text after a closing quote spoils its record up to the end of the line the text stands in.
- A record longer than `max_record_bytes` lasts to the first line end behind that length.
- A line that starts with the comment mark where a record would start is no record.

Offsets are exact, since everything works on bytes: all marks are ASCII, and in UTF-8 no ASCII byte
is part of another character. A legal record is one match; only where there is none is the place
examined for the reason. All repetition is possessive, so no input makes it backtrack. An unclosed
quote costs one search of at most `max_record_bytes`, and the next one stands beyond that: behind a
quote that stays open every run of quotes is even, so each field opened there closes within its run.

`patterns` spells a dialect, `records` walks through a text; `regular` knows less and is the faster
for it: texts of exactly n fields a record and no stray quote, which a native reader may be given.
"""

from ingest.grammar.lines import (
    LINE_END,
    count_feeds,
    count_lines,
    feeds_before,
    has_blank_line,
    has_comment,
    is_utf8,
)
from ingest.grammar.patterns import RUN_RECORDS, legal_run
from ingest.grammar.records import (
    UNLIMITED,
    Extent,
    Structural,
    border,
    field_count,
    fields,
    split,
)
from ingest.grammar.regular import (
    PATTERN_COLUMNS,
    is_regular,
    is_regular_at_once,
    plain_records,
    record_pattern,
    regular_end,
    regular_pattern,
)

__all__ = [
    "LINE_END",
    "PATTERN_COLUMNS",
    "RUN_RECORDS",
    "UNLIMITED",
    "Extent",
    "Structural",
    "border",
    "count_feeds",
    "count_lines",
    "feeds_before",
    "field_count",
    "fields",
    "has_blank_line",
    "has_comment",
    "is_regular",
    "is_regular_at_once",
    "is_utf8",
    "legal_run",
    "plain_records",
    "record_pattern",
    "regular_end",
    "regular_pattern",
    "split",
]
