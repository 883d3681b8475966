"""Reports for the page's tests: a whole one, and one in which every text is an attack."""

from __future__ import annotations

from typing import Any

from ingest.model import Accounts
from ingest.timeline import Timeline

ATTACK = (
    "</script></style></title><script>document.title='ran'</script><img src=x onerror=alert(1)>"
)
BREAKOUT = '" onmouseover="alert(1)" \' x=\' <!-- ]]>'


def timeline(ticks: int = 40, taken_up: bool = False) -> dict[str, Any]:
    """A course with a pause in it, as the report has it."""
    found = Timeline(Accounts(accepted=100 * taken_up), taken_up=taken_up)
    accounts, latencies, paused_s = Accounts(accepted=100 * taken_up, in_flight=4), [], 0.0
    for tick in range(ticks + 1):
        in_pause = 10 < tick <= 15
        paused_s += 0.2 * in_pause
        if not in_pause:
            accounts.accepted += 1000
            accounts.bytes_sent += 120_000
            accounts.requests_sent += 1
            latencies.append(0.05 + 0.001 * tick)
        found.add(0.2 * tick, accounts, paused_s, latencies)
    return found.as_report()


def report(**changes: Any) -> dict[str, Any]:
    """A report that has everything, and whose accounts add up unless `records` is changed."""
    return {
        "run": "20261121-221500-stocks-4f2a",
        "job": "stocks",
        "state": "done",
        "exit_code": 6,
        "started_at": "2026-11-21T22:15:00+00:00",
        "records": {
            "read": 1000, "accepted": 900, "rejected": 40, "skipped": 30, "ambiguous": 20,
            "unsent": 10,
        },
        "requests": {"sent": 12, "retried": 1, "failed": 2, "isolated": 3},
        "bytes": {"read": 1_000_000, "sent": 2_000_000},
        "seconds": 8.0,
        "latency_ms": {"p50": 50.0, "p95": 80.0, "p99": 90.0},
        "peak_rss_bytes": 200_000_000,
        "versions": {"python": "3.11.7", "ingest": "0.1.0"},
        "settings_sha256": "ab" * 32,
        "files": [{"path": "data/a.csv", "sha256": "cd" * 32, "records": 1000}],
        "rejects": {"file": "/s/rejects.ndjson", "by_reason": {"rare": 1, "not_a_number": 39}},
        "ambiguous": [
            {
                "batch": 7, "records": 20, "resent": True, "why": "the connection broke",
                "spans": [{"file": "data/a.csv", "first": 1, "last": 20, "count": 20}],
            }
        ],
        "target": "avalanchio h:1 table stock",
        "error": None,
        "rows": {"before": 5, "after": 905},
        "learned": {
            "limit": 4, "rate_per_s": 12.5, "refusals": 3, "pauses": 2, "paused_s": 4.5,
        },
        "replays": [{"started_at": "2026-11-22", "replayed": 9, "accepted": 8, "exit_code": 3}],
        "verification": {"rows": 900, "equal": True, "differences": ["row 7: a"]},
        "timeline": timeline(),
        **changes,
    }  # fmt: skip


SETTINGS: dict[str, Any] = {
    "name": "stocks",
    "source": {"paths": ["data/*.csv"], "nulls": [""]},
    "fields": {"volume": {"from": "Volume", "type": "integer", "required": True}, "day": {}},
    "table": {"skip_audit_fields": True},
    "target": {"system": "avalanchio", "table": "stock", "base_url": "https://me:pw@h.example/x"},
    "limits": {"in_flight": 4, "records": 500},
}

SAMPLE: dict[str, Any] = {
    "file": "data/a.csv", "line": 3, "record": 2, "column": "Volume", "field": "volume",
    "stage": "coerce", "reason": "not_a_number", "message": "'x' is not a number",
    "raw": "2024-01-01,x",
}  # fmt: skip


FROM_OUTSIDE = ("by_reason", "versions", "verification", "fields", "table")


def hostile(value: Any, text: str = ATTACK + BREAKOUT) -> Any:
    """`value` with this text put behind each text and each name that comes from outside."""
    if isinstance(value, str):
        return value + text
    if isinstance(value, list):
        return [hostile(one, text) for one in value]
    if isinstance(value, dict):
        return {key: _within(key, part, text) for key, part in value.items()}
    return value


def _within(key: str, part: Any, text: str) -> Any:
    if isinstance(part, dict) and key in FROM_OUTSIDE:
        return {f"{name}{text}": hostile(one, text) for name, one in part.items()}
    return hostile(part, text)
