"""A verification for people: a table of what was found, the first differences, what remains open.

Made from the report alone. Everything in it came from outside: shown through `safe` and as `Text`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ingest.display import count, json_bytes, plural, safe
from ingest.operations.verify_findings import KINDS

_CHARS = 80


def table_of(verification: Mapping[str, Any]) -> RenderableType:
    """Counts by kind, and the examples under it."""
    table = Table(box=box.HORIZONTALS, show_header=False, pad_edge=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_row("compared", Text(safe(str(verification["how"]))))
    table.add_row("records checked", count(verification["checked"]))
    for kind in (*KINDS, "unverified"):
        number = int(verification[kind])
        table.add_row(f"  {kind}", count(number), style="yellow" if number else "")
    for name, one in sorted(verification.get("sums", {}).items()):
        if not one["ok"]:
            table.add_row(Text(f"  sum of {safe(name)}"), _short(one["found"]), style="yellow")
    parts: list[RenderableType] = [table]
    if verification["examples"]:
        parts.append(_examples(verification["examples"]))
    return Group(*parts)


def words_of(verification: Mapping[str, Any]) -> list[str]:
    """What there is to say besides: the verdict, and why something is not verified."""
    return list(_words(verification))


def _words(verification: Mapping[str, Any]) -> Iterator[str]:
    if verification["ok"]:
        yield "verified: the service has what the files hold"
        return
    differences = sum(int(verification[kind]) for kind in KINDS)
    if differences:
        yield f"{plural(differences, 'difference')} between the files and the table"
    for why, records in verification["why"].items():
        some = f" ({plural(records, 'record')})" if records else ""
        yield f"not verified{some}: {why}"


def _examples(examples: list[Mapping[str, Any]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("", "file", "line", "column", "expected", "found"):
        table.add_column(name, overflow="fold")
    for one in examples:
        cells = (one["kind"], one["file"] or "", one["line"], one["column"] or "")
        shown = [Text(safe(str(cell)) if cell is not None else "") for cell in cells]
        table.add_row(*shown, _short(one["expected"]), _short(one["found"]))
    return table


def _short(value: Any) -> Text:
    text = json_bytes(value).decode()
    return Text(safe(text if len(text) <= _CHARS else text[: _CHARS - 1] + "…"))
