"""Axes: which values get a line, where a value lies, and how short it can be written. Pure."""

from __future__ import annotations

import math

_STEPS = (1, 2, 5, 10)
_TIME_STEPS_S = (
    0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600,
    43_200, 86_400,
)  # fmt: skip


def ticks(highest: float, most: int = 3) -> list[float]:
    """Round values from 0 on that hold `highest` under the last of them: at most `most` above 0.

    >>> ticks(8.0)
    [0.0, 5.0, 10.0]
    """
    if not (highest > 0 and math.isfinite(highest)):
        return [0.0, 1.0]
    unit = 10.0 ** math.floor(math.log10(highest / most))
    step = next(
        unit * factor for factor in (*_STEPS, 20) if highest <= unit * factor * most * (1 + 1e-9)
    )
    number_of = max(1, math.ceil(highest / step * (1 - 1e-9)))
    return [step * index for index in range(number_of + 1)]


def time_ticks(from_s: float, to_s: float, most: int = 6) -> list[float]:
    """Round moments within a stretch of time, at most `most` and the start of one more.

    >>> time_ticks(0, 91)
    [0, 30, 60, 90]
    """
    width_s = max(0.0, to_s - from_s)
    day_s = _TIME_STEPS_S[-1]
    days = math.ceil(width_s / most / day_s) * day_s
    step = next((one for one in _TIME_STEPS_S if width_s <= one * most), days)
    first = math.ceil(from_s / step - 1e-9)
    return [step * index for index in range(first, math.floor(to_s / step + 1e-9) + 1)]


def compact(value: float) -> str:
    """A figure for an axis: 0, 0.5, 250, 12k, 1.5M."""
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if value >= limit:
            return f"{value / (1e3 if unit == 'k' else limit):.6g}{unit}"
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def moment(seconds: float) -> str:
    """A moment on the axis of time: 0, 30 s, 1:30, 2:05:00, 3 d."""
    if seconds < 60:
        return f"{seconds:g} s" if seconds else "0"
    whole = round(seconds)
    if whole % 86_400 == 0:
        return f"{whole // 86_400} d"
    hours, minutes, rest = whole // 3600, whole % 3600 // 60, whole % 60
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
