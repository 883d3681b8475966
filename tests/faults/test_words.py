"""Words that are not ours, from a service or in a file's name, on a person's terminal.

A terminal obeys what it is sent: it can be retitled, its screen cleared, a link put under harmless
words. So foreign words arrive there letter by letter, bounded, and markup is shown, not obeyed.
"""

from __future__ import annotations

import re
from pathlib import Path

import orjson
import pytest

from tests.end_to_end import credentials, new_table, rejects_of
from tests.faults.front import front, says
from tests.faults.terminal import on_terminal

HOSTILE = (
    "\x1b]0;owned\x07\x1b[2J\x1b]8;;http://evil.example\x1b\\x\x1b]8;;\x1b\\\x9b31m\u202e[red]R"
)
TITLE_OR_LINK = re.compile(rb"\x1b\](?:0|8);|\x1b\[2J|\xc2\x9b|\xe2\x80\xae")
MARKUP = b"[red]R"
INTEGER, REPORT = 'fields.n.type="integer"', "report.json"


def loaded(sandbox, folder: Path, path: str, *acts, columns: int = 200) -> tuple[int, bytes]:
    """One file loaded on a terminal, with no bar in the way of the words."""
    with front(sandbox, *acts) as (server, _):
        return on_terminal(
            folder, "load", path, "--to", f"avalanchio:{new_table()}", "--create", "--set", INTEGER,
            "--progress", "none", "--state-dir", folder / "state", "--report", folder / REPORT,
            env=credentials(server), columns=columns,
        )  # fmt: skip


@pytest.mark.parametrize("status", [400, 404])
def test_a_services_words_are_shown_and_not_obeyed(sandbox, tmp_path, status):
    """A refused record and a refused run: no title, no link, no cleared screen, no colour."""
    (tmp_path / "a.csv").write_text("n\n1\n")
    body = orjson.dumps({"message": HOSTILE})
    code, shown = loaded(sandbox, tmp_path, "a.csv", says(status, body))
    report = orjson.loads((tmp_path / REPORT).read_bytes())
    said = report["error"]["message"] if status == 404 else rejects_of(report)[0]["message"]
    assert code == (1 if status == 404 else 3)
    assert not TITLE_OR_LINK.search(shown)
    assert (MARKUP.decode() in said, "\x1b" in said, "\u202e" in said) == (True, False, False)
    if status == 404:
        assert MARKUP in shown


def test_an_error_page_of_ten_megabytes_is_a_few_words(sandbox, tmp_path):
    """On the terminal, in the report and in the kept state: bounded, whatever came."""
    (tmp_path / "a.csv").write_text("n\n1\n")
    page = b"<html><title>Oops</title>" + HOSTILE.encode() * 170_000
    assert len(page) > 10_000_000
    code, shown = loaded(sandbox, tmp_path, "a.csv", says(404, page, content_type="text/html"))
    assert (code, b"Oops" in shown, TITLE_OR_LINK.search(shown)) == (1, True, None)
    assert len(shown) < 10_000
    kept = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    assert kept < 1_000_000


@pytest.mark.parametrize("columns", [20, 200])
def test_a_files_name_is_shown_and_not_obeyed(sandbox, tmp_path, columns):
    """A name may hold whatever a file system takes; the narrowest terminal takes it, too."""
    name = f"{HOSTILE.replace('/', '')}\n.csv"
    (tmp_path / name).write_text("n\n1\nx\ny\n")
    code, shown = loaded(sandbox, tmp_path, name, columns=columns)
    assert (code, TITLE_OR_LINK.search(shown)) == (3, None)
    assert b"Traceback" not in shown
    report = orjson.loads((tmp_path / REPORT).read_bytes())
    assert report["records"]["rejected"] == 2
