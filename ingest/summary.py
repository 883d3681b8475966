"""The end of a run, for people: the table of its accounts and what to do next.

Made from the report alone, so that `ingest show` prints next week what the run printed tonight, and
tolerant of keys that an older report lacks. Everything that came from outside is shown through
`safe` and as `Text`, never as markup; what the console can't encode is spelt out.

`verdict` says in sentences what the figures mean; it is also all that `--quiet` prints.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from ingest.display import count, duration, plural, rate, safe, size
from ingest.events import Level

STYLES: dict[str, str] = {"info": "", "warning": "yellow", "error": "bold red", "hint": "cyan"}
_ENDS = ("accepted", "rejected", "skipped", "ambiguous", "unsent")
_STATE_STYLES = {"done": "bold green", "interrupted": "bold yellow", "failed": "bold red"}
_REASONS_SHOWN = 12


class Summary:
    """A Rich renderable: what the run did. `report_path` is named as the place of the details."""

    def __init__(self, report: Mapping[str, Any], report_path: str = "") -> None:
        self.report = report
        self.report_path = report_path

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The parts, from the run's name to the next step."""
        encoding = options.encoding
        yield _head(self.report, encoding)
        table = _accounts(self.report)
        _add_rejects(table, self.report.get("rejects", {}).get("by_reason") or {}, encoding)
        yield table
        for level, sentence in verdict(self.report):
            yield Text(safe(sentence, encoding=encoding), STYLES[level], overflow="fold")
        if self.report_path:
            where = safe(f"report: {self.report_path}", encoding=encoding)
            yield Text(where, "dim", overflow="fold")


def verdict(report: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What there is to say beyond the figures: (`info` | `warning` | `error` | `hint`, sentence).

    Nothing for a run in which every record was accepted or skipped, and which nobody has verified
    or undone since.
    """
    records = report.get("records", {})
    if error := report.get("error"):
        yield "error", f"error: {error.get('message', '')}"
        if error.get("hint"):
            yield "hint", f"hint: {error['hint']}"
        if error.get("retryable"):
            yield "hint", "the same command may succeed later"
    if report.get("state") == "interrupted":
        unsent = plural(records.get("unsent", 0), "record")
        yield "warning", f"interrupted: {unsent} read but not sent"
    if records.get("ambiguous") or report.get("ambiguous"):
        yield from _ambiguous(report)
    if records.get("rejected"):
        where = report.get("rejects", {}).get("file")
        said = f"{plural(records['rejected'], 'record')} rejected"
        yield "warning", said + (f": see {where}" if where else "")
    if not records.get("read") and not report.get("error"):
        yield "info", "nothing to do: the inputs hold no records"
    if found := report.get("verification"):
        yield _verified(found)
    if undone := report.get("undone"):
        yield _undone(undone)


def _verified(found: Mapping[str, Any]) -> tuple[Level, str]:
    """What the service had when it was asked last."""
    when = f"on {found.get('at', '?')} ({found.get('how', '?')})"
    if found.get("ok"):
        checked = plural(found.get("checked", 0), "record")
        return "info", f"verified {when}: {checked} held against the table, no difference"
    kinds = ("missing", "changed", "doubled", "foreign", "unverified")
    counts = [f"{count(found[kind])} {kind}" for kind in kinds if found.get(kind)]
    why = ", ".join((*counts, *(found.get("why") or {})))
    return "warning", f"NOT verified {when}: {why}; `ingest verify` says more"


def _undone(undone: Mapping[str, Any]) -> tuple[Level, str]:
    """What was taken back of the run since."""
    deleted, left = plural(undone.get("deleted", 0), "row"), undone.get("left", 0)
    if undone.get("state") != "done":
        at = undone.get("at", "?")
        return "warning", f"undone in part on {at}: {deleted} deleted; `ingest undo` goes on"
    dropped = ", and the table was dropped" if undone.get("table_dropped") else ""
    stay = f", {plural(left, 'row')} left" if left else ""
    said = f"undone on {undone.get('at', '?')}: {deleted} deleted{stay}{dropped}"
    return "warning" if left else "info", said


def _ambiguous(report: Mapping[str, Any]) -> Iterator[tuple[Level, str]]:
    batches = report.get("ambiguous", [])
    doubled = sum(1 for batch in batches if batch.get("resent"))
    kinds = [
        f"{doubled} perhaps doubled" if doubled else "",
        f"{len(batches) - doubled} perhaps missing" if len(batches) > doubled else "",
    ]
    said = f"{plural(report.get('records', {}).get('ambiguous', 0), 'record')} ambiguous"
    if batches:
        noun = "batch" if len(batches) == 1 else "batches"
        said += f" in {count(len(batches))} {noun} ({', '.join(filter(None, kinds))})"
    yield "warning", said + ": the answer was lost; the report names each under `ambiguous`"


def _head(report: Mapping[str, Any], encoding: str) -> RenderableType:
    name = str(report.get("state", "?"))
    head = Text(overflow="fold")
    head.append(safe(str(report.get("run", "?")), encoding=encoding), "bold")
    head.append("  ")
    head.append(safe(name, encoding=encoding), _STATE_STYLES.get(name, "bold"))
    head.append(f"  exit code {report.get('exit_code', '?')}\n")
    head.append(safe(str(report.get("target") or ""), encoding=encoding), "dim")
    return head


def _accounts(report: Mapping[str, Any]) -> Table:
    records = report.get("records", {})
    seconds = float(report.get("seconds", 0.0))
    read = int(records.get("read", 0))
    table = _table()
    table.add_row("records read", count(read), "")
    for end in _ENDS:
        number = int(records.get(end, 0))
        style = "yellow" if number and end in ("rejected", "ambiguous", "unsent") else ""
        table.add_row(f"  {end}", count(number), _share(number, read), style=style)
    table.add_section()
    requests = report.get("requests", {})
    table.add_row("requests sent", count(requests.get("sent", 0)), _attempts(requests))
    moved = report.get("bytes", {})
    table.add_row("bytes read", size(moved.get("read", 0)), _per_second(moved, "read", seconds))
    table.add_row("bytes sent", size(moved.get("sent", 0)), _per_second(moved, "sent", seconds))
    accepted = int(records.get("accepted", 0))
    table.add_row("time", duration(seconds), f"{rate(accepted, seconds)} accepted")
    latency = report.get("latency_ms", {})
    if latency.get("p50") is not None:
        tail = ", ".join(f"{p} {latency[p]:,.0f} ms" for p in ("p95", "p99") if latency.get(p))
        table.add_row("latency p50", f"{latency['p50']:,.0f} ms", tail)
    if peak := report.get("peak_rss_bytes"):
        table.add_row("peak memory", size(peak), "")
    return table


def _add_rejects(table: Table, by_reason: Mapping[str, int], encoding: str) -> None:
    """The rejects by reason, most frequent first, as a section of the table."""
    if not by_reason:
        return
    table.add_section()
    table.add_row("rejected for", "", "")
    ordered = sorted(by_reason.items(), key=lambda item: (-item[1], item[0]))
    for reason, number in ordered[:_REASONS_SHOWN]:
        table.add_row(Text(f"  {safe(str(reason), encoding=encoding)}"), count(number), "")
    if rest := ordered[_REASONS_SHOWN:]:
        table.add_row(f"  {len(rest)} more", count(sum(n for _, n in rest)), "")


def _table() -> Table:
    """Three columns: what, how much, a remark."""
    table = Table(box=box.HORIZONTALS, show_header=False, pad_edge=False)
    for justify in ("left", "right", "left"):
        table.add_column(justify=justify, overflow="fold")
    return table


def _share(number: int, read: int) -> str:
    if not number or not read:
        return ""
    share = number / read
    return (
        f"{share:.1%}"
        if 0.001 <= share <= 0.999 or number == read
        else "<0.1%"
        if share < 0.5
        else ">99.9%"
    )


def _attempts(requests: Mapping[str, Any]) -> str:
    return f"{count(requests.get('retried', 0))} retried, {count(requests.get('failed', 0))} failed"


def _per_second(moved: Mapping[str, Any], key: str, seconds: float) -> str:
    return f"{size(moved.get(key, 0) / seconds)}/s" if seconds > 0 else ""
