"""Where and with what a measurement was made: kept beside every result."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

_PACKAGES = (
    *("ingest", "polars", "orjson", "httpx", "uvloop"),
    *("aitoai", "chdb", "dlt", "duckdb", "mq-bridge", "requests"),
)


def machine() -> dict[str, Any]:
    """Processor, cores, Python, versions, and the load average before anything was started."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "load_average": os.getloadavg()[0],
        "versions": {name: _version(name) for name in _PACKAGES},
    }


def busy_note(load_average: float) -> str:
    """What to say about a machine that does other things too; empty if it is idle."""
    if load_average < 0.5:
        return ""
    return f"the machine is busy (load average {load_average:.2f}): figures will be off"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
