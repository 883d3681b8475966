"""A draft as the text of a job file: settings, and above each the sentences for it. Pure.

What is written is read back before anybody else sees it (`tomllib`, then the job's own checks): a
draft that would not be the job that was meant is a defect here and never a file.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ingest.job import Job, make_job
from ingest.operations import init_toml as toml
from ingest.operations.init_draft import Draft
from ingest.operations.init_fields import FieldDraft
from ingest.operations.init_header import DOUBT


def job_text(name: str, schema: str, head: Sequence[str], draft: Draft) -> str:
    """The job file's text. `schema` is where an editor finds the schema, from the file."""
    lines = [f"#:schema {schema}"]
    for sentence in head:
        lines += toml.comment(sentence)
    lines += ["", toml.assignment("name", name)]
    lines += _section("source", draft)
    lines += ["", "[fields]"]
    width = max((len(toml.key(f.name)) for f in draft.fields if f.active), default=0)
    for field in draft.fields:
        lines += _field(field, min(width, 24))
    for section in ("target", "delivery"):
        if section in draft.sections:
            lines += _section(section, draft)
    return "\n".join(lines) + "\n"


def checked(text: str, draft: Draft, base: Path) -> Job:
    """The job that the text is. Raises SettingsError for settings that don't go together."""
    document = tomllib.loads(text)
    name = document.pop("name")
    assert document == draft.document(), "a job file that does not say what was meant"
    return make_job({"name": name, **document}, base=base, text=text, shown="the job")


def _section(name: str, draft: Draft) -> list[str]:
    section: Mapping[str, Any] = draft.sections[name]
    width = max(map(len, section), default=0)
    lines = ["", f"[{name}]"]
    for sentence in draft.comments.get(name, ()):
        lines += toml.comment(sentence)
    return lines + [toml.assignment(key, thing, width) for key, thing in section.items()]


def _field(field: FieldDraft, width: int) -> list[str]:
    lines = toml.comment(field.why)
    for doubt in field.doubts:
        lines += toml.comment(DOUBT + doubt)
    line = toml.assignment(field.name, field.settings, width)
    lines.append(line if field.active else f"# {line}")
    return lines
