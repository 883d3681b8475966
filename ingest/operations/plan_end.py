"""How long it would take, and how a plan ends. Pure.

The time is the sending's alone, and the assumption stands beside it: at the rate that the job
allows, else at a latency that is given, with as many requests at once as the job allows.

Exit codes, the first that applies: 2 what a run would refuse before it sends · 1 an input can't be
read to its end · 130 or 143 interrupted · 4 the reject limit would be passed · 3 there would be
rejects · 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LATENCY_S = 0.2


def sending(
    requests: int, in_flight: int, requests_per_s: float | None, latency_s: float
) -> dict[str, Any]:
    """`seconds` that the requests take, and the `assumption` behind it."""
    at_once = max(1, min(in_flight, requests))
    by_latency_s = requests * latency_s / at_once
    by_rate_s = requests / requests_per_s if requests_per_s else 0.0
    said = f"if each is answered within {latency_s:g} s, {at_once} at once"
    if requests_per_s and by_rate_s >= by_latency_s:
        said = f"at limits.requests_per_s = {requests_per_s:g}"
    return {"seconds": max(by_latency_s, by_rate_s), "assumption": said}


def exit_code(report: Mapping[str, Any], interrupted: int | None) -> int:
    """The process's exit code for a plan's report."""
    rejects = report["rejects"]
    for applies, code in (
        (report["conflicts"], 2),
        (report["error"], 1),
        (interrupted, interrupted or 0),
        (rejects["limit_passed"], 4),
        (rejects["by_reason"], 3),
    ):
        if applies:
            return code
    return 0
