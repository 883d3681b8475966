"""The lines of a rejects file, read back."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.errors import SettingsError
from ingest.model import Reject
from ingest.rejects import lines
from ingest.sources.reject_lines import read_mended

LINE: dict[str, Any] = {
    "file": "a.csv", "line": 2, "byte": 0, "record": 1, "column": None, "field": None,
    "stage": "parse", "reason": "odd", "message": "it is odd", "raw": "1,2",
}  # fmt: skip


def written(folder: Path, *found: Any) -> Path:
    """A file of these lines."""
    path = folder / "rejects.ndjson"
    texts = (one if isinstance(one, bytes) else orjson.dumps(one) for one in found)
    path.write_bytes(b"\n".join(texts))
    return path


@given(
    st.lists(
        st.tuples(st.integers(1, 2**40), st.binary(max_size=20), st.booleans()),
        unique_by=lambda one: one[0],
        max_size=4,
    )
)
def test_what_a_run_writes_is_read_back(tmp_path_factory, records):
    """Place, bytes (text or not), and whether they are all."""
    rejects = [
        Reject("ä.csv", n + 1, n - 1, n, "send", "refused", "no", raw, raw_truncated=cut)
        for n, raw, cut in records
    ]
    path = tmp_path_factory.mktemp("r") / "rejects.ndjson"
    path.write_bytes(b"".join(lines(rejects)))
    found = read_mended(path)
    assert [(m.key, m.line, m.byte, m.raw, m.truncated) for m in found] == [
        ((r.file, r.record), r.line, r.byte, r.raw, r.raw_truncated) for r in rejects
    ]
    assert b"".join(one.text + b"\n" for one in found) == path.read_bytes()


def test_editors_leave_traces(tmp_path):
    """CRLF, blank lines, no last line end, keys of one's own: none of them matters."""
    path = written(tmp_path, orjson.dumps(LINE) + b"\r", b"", LINE | {"record": 2, "mine": [1]})
    assert [one.record for one in read_mended(path)] == [1, 2]
    assert read_mended(written(tmp_path)) == []


def test_bytes_that_were_no_text_and_are_now(tmp_path):
    """Mended, `raw` stands in place of `raw_base64`."""
    line = {**LINE, "raw_base64": base64.b64encode(b"\xff").decode()}
    del line["raw"]
    assert read_mended(written(tmp_path, line))[0].raw == b"\xff"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"x", "malformed"),
        (b'{"file": "a.csv"', "truncated"),
        (b"[1]", "object"),
        (b"[" * 100_000, "line 2"),
        ({k: v for k, v in LINE.items() if k != "record"}, "`record`"),
        ({k: v for k, v in LINE.items() if k != "raw"}, "no raw"),
        (LINE | {"raw_base64": "AA=="}, "raw and raw_base64"),
        (LINE | {"raw": 1}, "raw"),
        (LINE | {"raw_base64": "#", "raw": None}, "raw_base64"),
        (LINE | {"file": None}, "file"),
        (LINE | {"record": 0}, "record"),
        (LINE | {"line": 0}, "line"),
        (LINE | {"byte": -1}, "byte"),
        (LINE | {"record": "1"}, "record"),
        (LINE | {"record": True}, "record"),
    ],
)
def test_what_is_no_reject_is_named(tmp_path, line, said):
    """File and line, and what is wrong."""
    path = written(tmp_path, LINE | {"record": 7}, line)
    with pytest.raises(SettingsError, match="line 2 is no reject") as caught:
        read_mended(path)
    assert str(path) in caught.value.message
    assert said in caught.value.message


def test_two_lines_of_one_record(tmp_path):
    """Both are named; where a run has written them, the file is read all the same."""
    path = written(tmp_path, LINE, LINE | {"file": "b.csv"}, b"", LINE)
    with pytest.raises(SettingsError, match=r"line 4: record 1 of a\.csv stands in line 1 already"):
        read_mended(path)
    assert len(read_mended(path, doubled=True)) == 3


def test_no_such_file(tmp_path):
    """Said with its name."""
    with pytest.raises(SettingsError, match=r"gone\.ndjson: the rejects can't be read"):
        read_mended(tmp_path / "gone.ndjson")
