"""The accounts: the five ends as one bar and as a sum that a reader can check, and the figures.

The bar is for the eye: an end that holds one record of a million is drawn as wide as can be seen.
The table is exact.
"""

from __future__ import annotations

from ingest.display import count, duration, size
from ingest.page.course import course, seconds_of
from ingest.page.markup import Html, joined, tag
from ingest.page.parts import facts, section
from ingest.page.reading import ENDS, Report, ends, number, part, whole

_LEAST_SHARE = 0.012
_MEANING = {
    "accepted": "taken by the service",
    "rejected": "left out, with place and reason",
    "skipped": "settled before, or unchanged",
    "ambiguous": "answer lost: missing or doubled",
    "unsent": "read, never handed to a request",
}


def accounts(report: Report) -> Html:
    """The section."""
    return section(
        "Accounts",
        _bar(ends(report)),
        tag("div", _ledger(report), facts(_figures(report), "figures"), class_="columns"),
    )


def hatching() -> Html:
    """What unsent records are drawn with; once a page."""
    stroke = tag("path", d="M0 6L6 0", class_="hatch")
    pattern = tag("pattern", tag("rect", width=6, height=6, class_="ground"), stroke, id="hatch",
                  width=6, height=6, patternUnits="userSpaceOnUse")  # fmt: skip
    return tag("svg", tag("defs", pattern), width=0, height=0, aria_hidden="true", class_="defs")


def _bar(found: dict[str, int]) -> Html:
    total = sum(found.values())
    shares = {end: max(_LEAST_SHARE, n / total) for end, n in found.items() if n > 0}
    whole_share, at, drawn = sum(shares.values()), 0.0, []
    for end, share in shares.items():
        width = share / whole_share
        title = tag("title", f"{end}: {count(found[end])}")
        x, to = f"{100 * at:.3f}%", f"{100 * width:.3f}%"
        drawn.append(tag("rect", title, class_=f"end {end}", x=x, width=to, height="100%"))
        at += width
    said = ", ".join(f"{count(n)} {end}" for end, n in found.items())
    return tag("svg", *drawn, class_="bar", role="img", aria_label=said, width="100%", height=28)


def _ledger(report: Report) -> Html:
    found, read = ends(report), whole(report, "records", "read")
    total = sum(found.values())
    rows = [_row(end, found[end], read) for end in ENDS]
    even = total == read
    mark = "✓ the five add up to it" if even else f"✗ {count(total)} accounted for"
    foot = tag(
        "tr",
        tag(
            "th",
            tag(
                "div",
                tag("i"),
                tag("span", "read", class_="name"),
                tag("span", mark, class_="mark"),
                class_="end-of",
            ),
            scope="row",
        ),
        tag("td", count(read), class_="n"),
        tag("td"),
        class_="sum" if even else "sum off",
    )
    return tag("table", tag("tbody", *rows), tag("tfoot", foot), class_="ledger")


def _row(end: str, number_of: int, read: int) -> Html:
    swatch = tag("svg", tag("rect", class_=f"end {end}", width=12, height=12), width=12, height=12,
                 aria_hidden="true")  # fmt: skip
    name = tag("span", end, class_="name")
    return tag(
        "tr",
        tag(
            "th",
            tag("div", swatch, name, tag("span", _MEANING[end], class_="means"), class_="end-of"),
            scope="row",
        ),
        tag("td", count(number_of), class_="n"),
        tag("td", _share(number_of, read), class_="n share"),
        class_="nought" if not number_of else None,
    )


def _share(number_of: int, read: int) -> str:
    if not number_of or read <= 0:
        return ""
    share = number_of / read
    if number_of == read:
        return "100 %"
    return "<0.1 %" if share < 0.001 else ">99.9 %" if share > 0.999 else f"{share * 100:.1f} %"


def _figures(report: Report) -> list[tuple[str, Html | None]]:
    """The figures beside the accounts, each with a remark."""
    seconds, stretches = number(report, "seconds"), course(report)
    accepted: float = whole(report, "records", "accepted")
    if part(report, "timeline").get("taken_up") is True:  # its accounts are of more processes
        accepted = sum(one.accepted for one in stretches)
        seconds = seconds_of(stretches)
    latency = part(report, "latency_ms")
    tail = ", ".join(f"{p} {number(latency, p):,.0f}" for p in ("p95", "p99") if latency.get(p))
    retried, failed = whole(report, "requests", "retried"), whole(report, "requests", "failed")
    return [
        ("Accepted", _figure(count(round(accepted / seconds)), "records/s") if seconds else None),
        ("Time", _figure(duration(number(report, "seconds")), "")),
        (
            "Requests",
            _figure(
                count(whole(report, "requests", "sent")),
                f"{count(retried)} retried, {count(failed)} failed",
            ),
        ),
        (
            "Sent",
            _figure(
                size(number(report, "bytes", "sent")),
                f"{size(number(report, 'bytes', 'read'))} read",
            ),
        ),
        (
            "Latency p50",
            _figure(f"{number(latency, 'p50'):,.0f} ms", tail) if latency.get("p50") else None,
        ),
        (
            "Memory",
            _figure(size(number(report, "peak_rss_bytes")), "at most")
            if report.get("peak_rss_bytes")
            else None,
        ),
    ]


def _figure(value: str, remark: str) -> Html:
    return joined(tag("b", value), " ", tag("span", remark) if remark else None)
