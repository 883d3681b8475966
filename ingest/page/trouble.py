"""What went wrong: the error, the rejects by reason, samples of them, and ambiguous batches.

Samples are somebody's data and stand on the page only if they were asked for.
"""

from __future__ import annotations

from collections.abc import Sequence

from ingest.display import count, plural
from ingest.page.markup import Html, joined, lines, soft, tag
from ingest.page.parts import long_table, section
from ingest.page.reading import Report, items, part, reasons, whole, word

_REASONS = 40
_BATCHES = 5
_RAW_CHARS = 1000


def error(report: Report) -> Html | None:
    """The error in the service's or the program's words, and what to do."""
    found = part(report, "error")
    if not found:
        return None
    hint = word(found, "hint")
    later = "The same command may succeed later." if found.get("retryable") is True else None
    return tag(
        "div",
        tag("p", tag("b", word(found, "kind") or "error"), " ", lines(word(found, "message"))),
        tag("p", lines(hint), class_="hint") if hint else None,
        tag("p", later, class_="hint") if later else None,
        class_="error",
        role="note",
    )


def rejects(report: Report, samples: Sequence[Report]) -> Html | None:
    """Rejects by reason, as bars with figures, and the samples."""
    found = reasons(report)
    if not found and not samples:
        return None
    most = max((number_of for _, number_of in found), default=1) or 1
    bars = [_bar(reason, number_of, most) for reason, number_of in found[:_REASONS]]
    rest = found[_REASONS:]
    more = f"{plural(len(rest), 'more reason')}: {count(sum(n for _, n in rest))} records"
    where = word(report, "rejects", "file")
    return section(
        "Rejects by reason",
        tag("table", tag("tbody", *bars), class_="bars"),
        tag("p", more, class_="note") if rest else None,
        tag("p", "Each with its place and its bytes: ", tag("code", soft(where)), class_="note")
        if where
        else None,
        *_samples(samples),
    )


def ambiguous(report: Report) -> Html | None:
    """Each batch that may be doubled or missing, with its records."""
    found = items(report, "ambiguous")
    if not found:
        return None
    rows = [
        [
            "perhaps doubled" if one.get("resent") is True else "perhaps missing",
            _spans(items(one, "spans")),
            lines(word(one, "why"), 300),
            count(whole(one, "records")),
            count(whole(one, "batch")),
        ]
        for one in found
    ]
    heads = ["What", "Records of", "Why", "Records", "Batch"]
    said = "Their answers were lost. Look these records up before they are loaded again."
    return section(
        "Ambiguous batches", tag("p", said, class_="note"), long_table(heads, rows, 3, _BATCHES)
    )


def _bar(reason: str, number_of: int, most: int) -> Html:
    width = f"{100 * number_of / most:.2f}%"
    drawn = tag("rect", class_="end rejected", width=width, height=10)
    bar = tag("svg", drawn, width="100%", height=10, aria_hidden="true")
    return tag(
        "tr",
        tag("th", reason, scope="row"),
        tag("td", count(number_of), class_="n"),
        tag("td", bar, class_="drawn"),
    )


def _spans(spans: Sequence[Report]) -> Html:
    shown = [
        tag(
            "div",
            soft(word(one, "file")),
            f" {count(whole(one, 'first'))} to {count(whole(one, 'last'))}",
        )
        for one in spans[:6]
    ]
    more = tag("div", f"and {plural(len(spans) - 6, 'more span')}") if len(spans) > 6 else None
    return joined(*shown, more)


def _samples(samples: Sequence[Report]) -> list[Html]:
    if not samples:
        return []
    return [tag("h3", f"The first {plural(len(samples), 'reject')}"), *map(_sample, samples)]


def _sample(one: Report) -> Html:
    place = f"line {whole(one, 'line'):,}, record {whole(one, 'record'):,}"
    column = word(one, "column") or word(one, "field")
    raw = word(one, "raw") or f"{word(one, 'raw_base64')} (base64: no UTF-8)"
    return tag(
        "article",
        tag(
            "p",
            tag("code", soft(word(one, "file"))),
            f" {place}",
            joined(", column ", tag("code", column)) if column else None,
        ),
        tag("p", tag("b", word(one, "reason")), " ", lines(word(one, "message"))),
        tag("pre", lines(raw, _RAW_CHARS)),
        class_="sample",
    )
