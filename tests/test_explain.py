"""What pydantic finds wrong, in the words of a job file."""

from __future__ import annotations

import pytest

from ingest.explain import line_of

TEXT = """\
name = "x"
limits.records = 5

[source]            # the files
paths = [
  "a.csv",
]
[ fields ]
a = { from = "A", type = "date" }
"b c" = { value = 1 }
'd.e' = { value = 2 }

[fields."f.g".column]
indexed = true
[fields.h]
from = "H"
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (["name"], 1),
        (["limits", "records"], 2),
        (["limits", "bytes"], None),
        (["source"], 4),
        (["source", "paths"], 5),
        (["source", "nosuch"], 4),
        (["fields"], 8),
        (["fields", "a"], 9),
        (["fields", "a", "type"], 9),
        (["fields", "b c", "value"], 10),
        (["fields", "d.e"], 11),
        (["fields", "f.g", "column", "indexed"], 14),
        (["fields", "f.g", "column", "unique"], 13),
        (["fields", "h"], 15),
        (["fields", "h", "from"], 16),
        (["fields", "nosuch"], 8),
        (["target"], None),
        ([], None),
    ],
)
def test_the_line_of_a_key(path: list[str], line: int | None) -> None:
    """Its own, or that of the nearest table above it; none if it stands nowhere."""
    assert line_of(TEXT, path) == line


def test_no_text_has_no_lines() -> None:
    """Settings that came from the command line alone."""
    assert line_of("", ["name"]) is None
