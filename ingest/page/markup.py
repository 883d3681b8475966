"""Markup that can't be broken out of: whatever is no `Html` is escaped where it is put in.

Names of files, fields and reasons, a service's words and a record's bytes are somebody else's. So
no part of the page is made by pasting text into tags: it is made of `tag`, which takes text and
markup as different types, quotes every attribute, and knows no way to pass text on as it is. Text
also goes through `display.safe`: no control characters, no overrides of the writing direction.
"""

from __future__ import annotations

from html import escape

from ingest.display import safe

_VOID = frozenset({"br", "link", "meta"})
_MAX_CHARS = 2000


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


Child = str | int | float | None
Attribute = str | int | float | bool | None


def tag(name: str, /, *children: Child, **attributes: Attribute) -> Html:
    """An element. Children and attributes that are None are left out; an attribute that is True
    stands without a value. `class_` is class, `stroke_width` is stroke-width."""
    opened = f"<{name}{''.join(_attribute(key, one) for key, one in attributes.items())}>"
    return Html(opened if name in _VOID else f"{opened}{joined(*children)}</{name}>")


def joined(*children: Child) -> Html:
    """Pieces behind one another, each escaped unless it is markup."""
    return Html("".join(child if isinstance(child, Html) else _text(child) for child in children))


def lines(text: str, max_chars: int = _MAX_CHARS) -> Html:
    """Text in which newlines are kept, for a place that shows them."""
    return Html(escape(safe(text, lines=True, max_chars=max_chars)))


def soft(path: str) -> Html:
    """A path that may be folded behind each of its separators."""
    parts = [_text(part) for part in path.split("/")]
    return Html("/<wbr>".join(parts))


def _text(child: Child) -> str:
    # `safe` strips: the blanks around a text are the page's own and matter between elements.
    if child is None:
        return ""
    text = str(child)
    head = text[: len(text) - len(text.lstrip(" "))]
    tail = text[len(text.rstrip(" ")) :] if text.strip(" ") else ""
    return head + escape(safe(text, max_chars=_MAX_CHARS)) + tail


def _attribute(key: str, value: Attribute) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    return (
        f" {name}"
        if value is True
        else f' {name}="{value if isinstance(value, Html) else _text(value)}"'
    )
