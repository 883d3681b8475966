"""A job without a file: paths (or a program's records), a target, and whatever else a job may hold.

Its name, and with it its identity, is a hash of paths, target and fields: who loads the same again,
by the command or as a library, runs the same job tomorrow. Paths count as absolute ones, so that
two directories' `data.csv` differ.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ingest.display import json_bytes
from ingest.errors import SettingsError
from ingest.sources.discover import STDIN
from ingest.sources.records import RECORDS

_NAME_DIGITS = 12


def load_name(document: Mapping[str, Any]) -> str:
    """`load-` and twelve hex digits of a hash of paths, target and fields."""
    identity = [
        [
            path if path in (STDIN, RECORDS) else str(Path(path).absolute())
            for path in _paths(document)
        ],
        document.get("target"),
        document.get("fields"),
    ]
    digest = hashlib.sha256(json_bytes(identity, sort_keys=True)).hexdigest()
    return f"load-{digest[:_NAME_DIGITS]}"


def target_of(to: str) -> dict[str, str]:
    """`SYSTEM:TABLE` as a job's `[target]` has it. Raises SettingsError."""
    system, colon, table = to.partition(":")
    if not colon or not system or not table:
        raise SettingsError(f"{to!r} is not SYSTEM:TABLE, like avalanchio:stock")
    return {"system": system, "table": table}


def _paths(document: Mapping[str, Any]) -> list[str]:
    found = document["source"].get("paths", [])
    return [found] if isinstance(found, str) else [str(path) for path in found]
