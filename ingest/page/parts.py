"""What every section is made of: headings, tables, lists of facts, and lists that may be long."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ingest.display import count
from ingest.page.markup import Child, Html, joined, tag

SHOWN = 20
MOST = 500


def section(title: str, *children: Child) -> Html:
    """A part of the page with a heading."""
    return tag("section", tag("h2", title), *children)


def table(
    heads: Sequence[str],
    rows: Iterable[Sequence[Child]],
    *,
    numbers_from: int | None = None,
    look: str | None = "stacked",
) -> Html:
    """A table; columns from `numbers_from` on hold figures. On a narrow screen a `stacked` one
    shows each row as a list, another one is scrolled sideways."""

    def look_of(at: int) -> str | None:
        return "n" if numbers_from is not None and at >= numbers_from else None

    head = tag(
        "tr", *(tag("th", one, scope="col", class_=look_of(at)) for at, one in enumerate(heads))
    )
    body = [
        tag(
            "tr",
            *(
                tag("td", cell, class_=look_of(at), data_of=heads[at])
                for at, cell in enumerate(row)
            ),
        )
        for row in rows
    ]
    whole = tag("table", tag("thead", head), tag("tbody", *body), class_=look)
    # Scrollable by keyboard, too, and so it needs a name.
    return tag("div", whole, class_="wide", tabindex=0, role="region", aria_label=", ".join(heads))


def long_table(
    heads: Sequence[str], rows: Sequence[Sequence[Child]], numbers_from: int, first: int = SHOWN
) -> Html:
    """The `first` rows, the others folded away, and what is beyond `MOST` counted only."""
    shown = table(heads, rows[:first], numbers_from=numbers_from)
    rest = rows[first:MOST]
    if not rest:
        return shown
    more = f"{count(len(rows) - first)} more"
    if len(rows) > MOST:
        more += f", {count(len(rest))} of them here and all in the report's JSON"
    folded = table(heads, rest, numbers_from=numbers_from)
    return joined(shown, tag("details", tag("summary", more), folded))


def facts(pairs: Iterable[tuple[str, Child]], look: str = "facts") -> Html:
    """Names and values; what has no value is left out."""
    rows = [
        tag("div", tag("dt", name), tag("dd", value))
        for name, value in pairs
        if value is not None and value != ""
    ]
    return tag("dl", *rows, class_=look)
