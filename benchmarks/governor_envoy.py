"""Envoy before a service, with its own limit: what `benchmarks.governor` meets in the wild.

The limit is the filter `local_ratelimit`: a bucket of one second's tokens, filled once a second. It
answers 429 without Retry-After. It stands in the route configuration, which Envoy reads anew when
its file is replaced; open connections stay. `late_s` delays every request in Envoy before it meets
the limit, so that a 429 takes as long as anything else. The answers are read from Envoy's log.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks import envoy as program
from benchmarks.envoy import FILTERS, TYPES, fault, http_filter, router
from benchmarks.governor_services import Answers

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
    folder.mkdir()
    service = EnvoyService(folder)
    service.set_limit(per_s)
    with program.running(folder, configuration(behind, folder, late_s)) as service.url:
        yield service


def routes(per_s: float) -> dict[str, Any]:
    """The route configuration, as Envoy reads it from a file: bodies are limited, the rest not."""
    bucket = {"max_tokens": round(per_s), "tokens_per_fill": round(per_s), "fill_interval": "1s"}
    always = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}
    limit = {
        "@type": f"{FILTERS}.http.local_ratelimit.v3.LocalRateLimit",
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
    kind = f"{TYPES}.config.route.v3.RouteConfiguration"
    hosts = [{"name": "all", "domains": ["*"], "routes": table}]
    resource = {"@type": kind, "name": "routes", "virtual_hosts": hosts}
    return {"version_info": str(time.time_ns()), "resources": [resource]}


def configuration(behind: str, folder: Path, late_s: float) -> dict[str, Any]:
    """Everything else, for the service at the URL `behind`."""
    delay = {"fixed_delay": f"{late_s}s", "percentage": {"numerator": 100}}
    filters = [
        *([fault(delay=delay)] if late_s else []),
        http_filter("local_ratelimit", "local_ratelimit.v3.LocalRateLimit", stat_prefix="none"),
        router(),
    ]
    path = {"path_config_source": {"path": f"{folder}/routes.json"}}
    log = {"text_format_source": {"inline_string": _LOG_LINE}}
    kind = f"{TYPES}.extensions.access_loggers.file.v3.FileAccessLog"
    logger = {"@type": kind, "path": f"{folder}/requests", "log_format": log}
    manager = {
        "rds": {"route_config_name": "routes", "config_source": path},
        "access_log": [{"name": "envoy.access_loggers.file", "typed_config": logger}],
        "http_filters": filters,
    }
    many = {"circuit_breakers": {"thresholds": [{"max_connections": 4096, "max_requests": 4096}]}}
    return program.configuration(urlsplit(behind).port or 80, manager, many)
