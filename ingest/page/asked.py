"""What was asked: the job's settings as they stood when the run began.

They are those that the run's directory keeps; a setting that was not given is shown with its
default, in grey, because that is what held. A base URL is shown without user and password.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from ingest.display import json_bytes
from ingest.job import (
    DeliverySettings,
    LimitSettings,
    RejectSettings,
    SourceSettings,
    TargetSettings,
)
from ingest.page.markup import Child, Html, lines, tag
from ingest.page.parts import facts, section, table
from ingest.page.reading import Report, part, texts, word

_USER = re.compile(r"(?<=://)[^/@]*@")
_GROUPS: tuple[tuple[str, str, type[BaseModel] | None], ...] = (
    ("Target", "target", TargetSettings),
    ("Source", "source", SourceSettings),
    ("Limits", "limits", LimitSettings),
    ("Delivery", "delivery", DeliverySettings),
    ("Rejects allowed", "rejects", RejectSettings),
    ("Table", "table", None),
)
_ORIGINS = ("from", "sql", "value")


def asked(settings: Report) -> Html:
    """The section; without settings it says that there are none."""
    if not settings:
        said = "The run's directory does not hold its settings."
        return section("What was asked", tag("p", said, class_="none"))
    groups = [
        tag("div", tag("h3", title), facts(_settings(part(settings, key), model), "facts asked"))
        for title, key, model in _GROUPS
        if model is not None or part(settings, key)
    ]
    return section("What was asked", tag("div", *groups, class_="groups"), _fields(settings))


def in_flight(settings: Report) -> int | None:
    """The most requests at once; None where it is not known."""
    if not settings:
        return None
    found = part(settings, "limits").get("in_flight", LimitSettings().in_flight)
    return found if isinstance(found, int) else None


def _settings(given: Report, model: type[BaseModel] | None) -> list[tuple[str, Child]]:
    """Those given, and then the defaults of the others that have one worth showing."""
    found: list[tuple[str, Child]] = [(key, _shown(value)) for key, value in given.items()]
    for key, info in model.model_fields.items() if model is not None else ():
        default = info.default
        if key not in given and not info.is_required() and default not in (None, "", False):
            found.append((key, tag("span", _shown(default), class_="default", title="default")))
    return found


def _fields(settings: Report) -> Html | None:
    fields = part(settings, "fields")
    rest = word(settings, "source", "rest") or "keep"
    kept = {
        "keep": "Columns that are not named travel under their own name.",
        "drop": "Columns that are not named are left out.",
    }.get(rest)
    note = tag("p", kept, class_="note") if kept else None
    if not fields:
        return tag("div", tag("h3", "Fields"), note)
    rows = [
        _field(str(name), one if isinstance(one, Mapping) else {}) for name, one in fields.items()
    ]
    return tag("div", tag("h3", "Fields"), table(["Field", "From", "Type", "Else"], rows), note)


def _field(name: str, one: Mapping[str, Any]) -> list[Child]:
    origin = next((key for key in _ORIGINS if one.get(key) is not None), None)
    source = _shown(one[origin]) if origin else name
    others = [
        f"{key} = {_shown(value)}"
        for key, value in one.items()
        if key not in (*_ORIGINS, "type") and value is not None
    ]
    return [
        tag("code", name),
        tag("code", source, class_=None if origin else "default"),
        word(one, "type") or tag("span", "as found", class_="default"),
        lines("\n".join(others)),
    ]


def _shown(value: Any) -> str:
    """A setting as a person writes it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list | tuple):
        return ", ".join(one if one.strip() else f'"{one}"' for one in texts(value))
    if isinstance(value, str):
        return _USER.sub("", value)
    return json_bytes(value).decode()
