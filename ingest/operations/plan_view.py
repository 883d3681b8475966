"""A plan for people: what would be read, rejected, sent and made, narrow terminals too.

Made from the plan's report alone. Everything from outside is shown through `safe` and as `Text`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from ingest.display import count, duration, plural, safe, size

STYLES: dict[str, str] = {"info": "", "warning": "yellow", "error": "bold red", "hint": "cyan"}
NARROW = 80
_STATES = {
    "whole": "the whole input was read",
    "sample": "a sample: only the first records were read",
    "partial": "PARTIAL: interrupted, this is what was known by then",
    "failed": "FAILED: an input can't be read to its end",
    "refused": "REFUSED: a run would stop before it sends anything",
}
_STATE_STYLES = {"whole": "green", "failed": "bold red", "refused": "bold red"}


class PlanView:
    """A Rich renderable of a plan's report."""

    def __init__(self, report: Mapping[str, Any]) -> None:
        self.report = report

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Head, figures, ways, fields, then what there is to say in sentences."""
        report, encoding = self.report, options.encoding
        yield _head(report, encoding)
        if report["records"] is not None:
            yield _figures(report, encoding)
            yield _ways(report)
        if report["fields"]:
            yield _fields(report["fields"], encoding, narrow=options.max_width < NARROW)
        for level, sentence in sentences(report):
            yield Text(safe(sentence, encoding=encoding), STYLES[level], overflow="fold")


def sentences(report: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What there is to say beyond the figures: (a level of `STYLES`, sentence)."""
    if unfinished := report["unfinished"]:
        yield "warning", _taken_up(unfinished)
    yield from _rejects(report)
    yield from _data(report)
    yield from _table(report)
    if error := report["error"]:
        yield "error", f"error: {error['message']}"
        if error["hint"]:
            yield "hint", f"hint: {error['hint']}"
    for conflict in report["conflicts"]:
        yield "error", f"conflict: {conflict}"
    if report["hint"]:
        yield "hint", f"hint: {report['hint']}"


def _taken_up(unfinished: Mapping[str, Any]) -> str:
    requests = unfinished["open_requests"]
    asked = f", {plural(requests, 'request')} perhaps applied" if requests else ""
    return (
        f"the run {unfinished['run']} of this job is not finished: a run would take it up and send"
        f" only what is left ({plural(unfinished['settled'], 'record')} of it settled{asked}); the"
        " figures above are of the whole input"
    )


def _head(report: Mapping[str, Any], encoding: str) -> Text:
    state = str(report["state"])
    head = Text(overflow="fold")
    head.append(safe(f"plan of {report['job']}", encoding=encoding), "bold")
    head.append(f"  {_STATES[state]}\n", _STATE_STYLES.get(state, "bold yellow"))
    asked = "" if report["asked"] else " (the service was not asked)"
    files = plural(report["files"]["count"], "file")
    on_disk = report["files"]["bytes"]
    much = f", {size(on_disk)} on the disk" if on_disk is not None else ""
    head.append(safe(f"{report['target']}{asked}; {files}{much}", encoding=encoding), "dim")
    return head


def _grid() -> Table:
    table = Table(box=box.HORIZONTALS, show_header=False, pad_edge=False)
    for justify in ("left", "right", "left"):
        table.add_column(justify=justify, overflow="fold")
    return table


def _figures(report: Mapping[str, Any], encoding: str) -> Table:
    records, table = report["records"], _grid()
    table.add_row("records read", count(records["read"]), size(report["bytes"]["read"]))
    table.add_row("  would be sent", count(records["to_send"]), "")
    style = "yellow" if records["rejected"] else ""
    table.add_row("  would be rejected", count(records["rejected"]), "", style=style)
    for reason, number in report["rejects"]["by_reason"].items():
        table.add_row(Text(f"    {safe(str(reason), encoding=encoding)}"), count(number), "")
    if records["skipped"]:
        table.add_row("  would be skipped", count(records["skipped"]), "in unchanged files")
    return table


def _ways(report: Mapping[str, Any]) -> Table:
    table = Table(box=box.HORIZONTALS, pad_edge=False)
    for title in ("way", "requests", "bytes"):
        table.add_column(title, justify="left" if title == "way" else "right", overflow="fold")
    table.add_column("", overflow="fold")
    for index, way in enumerate(report["ways"]):
        about = way["about"]
        requests = ("about " if "requests" in about else "") + count(way["requests"])
        sent = ("about " if "bytes" in about else "") + size(way["bytes"])
        remarks = ["this job's"] if index == 0 else []
        if way["plain_bytes"] is not None:
            remarks.append(f"gzip of {size(way['plain_bytes'])}")
        if way["superseded"]:
            remarks.append(f"{count(way['superseded'])} superseded")
        if way["too_large"]:
            remarks.append(f"{count(way['too_large'])} too large")
        table.add_row(way["way"], requests, sent, ", ".join(remarks))
    return table


def _fields(fields: Sequence[Mapping[str, Any]], encoding: str, *, narrow: bool) -> Table:
    table = Table(box=box.HORIZONTALS, pad_edge=False)
    titles = ("field", "before, after") if narrow else ("field", "from", "type", "before", "after")
    for title in titles:
        table.add_column(title, overflow="fold")
    for field in fields:
        name, before, after = (_shown(field[key], encoding) for key in ("name", "before", "after"))
        kind = " ".join(filter(None, (field["type"], _as_column(field))))
        source = _shown(field["from"], encoding)
        if narrow:
            table.add_row(Text(f"{name}\n{kind}"), Text(f"{before}\n{after}"))
        else:
            table.add_row(*map(Text, (name, source, kind, before, after)))
    return table


def _as_column(field: Mapping[str, Any]) -> str:
    return f"({field['column_type']})" if field["column_type"] else ""


def _shown(value: Any, encoding: str) -> str:
    return "-" if value is None else safe(str(value), encoding=encoding, max_chars=60)


def _rejects(report: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    rejects = report["rejects"]
    for one in rejects["examples"]:
        column = one["column"] or one["field"]
        place = f"{one['file']}:{one['line']}" + (f", column {column}" if column else "")
        yield "warning", f"{one['reason']}: {place}: {one['message']}"
    if rejects["limit_passed"]:
        yield "error", f"a run would stop: {rejects['limit_passed']}"
    for one in report["ambiguous_dates"]:
        said = f"{count(one['records'])} values of {one['column']} can be read in two ways"
        yield "warning", f'{said} ({one["example"]}): say which with format = "..."'


def _data(report: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if report["dropped"]:
        yield "info", f"dropped columns: {', '.join(report['dropped'])}"
    if keys := report["keys"]:
        yield from _keys(keys)
    if sending := report["sending"]:
        yield "info", f"sending takes {duration(sending['seconds'])} {sending['assumption']}"
    if report["records"] is not None and not report["records"]["read"] and not report["error"]:
        yield "info", "nothing to do: the inputs hold no records"


def _keys(keys: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    looked = f"{count(keys['looked_at'])} keys looked at ({keys['bytes_a_key']} bytes a key)"
    if keys["keys_doubled"]:
        groups = "; ".join(
            " and ".join(f"{one['file']} record {one['record']:,}" for one in group)
            for group in keys["examples"]
        )
        said = f"{count(keys['keys_doubled'])} keys stand on {count(keys['records'])} records"
        yield "warning", f"{keys['column']}: {said}: {groups}; {looked}"
    else:
        yield "info", f"{keys['column']}: no key stands twice; {looked}"
    if keys["without"]:
        yield "warning", f"{keys['column']}: {plural(keys['without'], 'record')} without a key"
    if keys["not_looked_at"]:
        left = plural(keys["not_looked_at"], "record")
        yield "warning", f"{keys['column']}: {left} beyond the bound were not looked at"


def _table(report: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    table = report["table"]
    if table is None:
        return
    made = ", ".join(
        " ".join((column["name"], column["type"], *column["flags"]))
        for column in table["columns_made"]
    )
    if not report["asked"]:
        yield "info", f"whether the table is there is not known; it would be made with: {made}"
    elif table["made"]:
        yield "info", f"the table would be made with {made}"
    elif made:
        yield "info", f"columns that would be added: {made}"
    elif table["exists"]:
        yield "info", "the table is there and has all columns that are needed"
    for sentence in table["differs"]:
        yield "warning", f"the table differs: {sentence}"
    for column in table["not_filled"]:
        level = "warning" if column["required"] else "info"
        must = "required, and " if column["required"] else ""
        yield level, f"the table's column {column['name']} ({column['type']}) is {must}not filled"
