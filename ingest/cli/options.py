"""The options that several commands share, each declared once, and what their texts mean.

Only standard library and Typer here: this module is read for every `--help`.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from ingest.state import DEFAULT_STATE_DIR

_UNITS_S = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)(s|m|h|d)?)", re.ASCII)
GRACE_S = 25.0


def seconds(text: str | float) -> float:
    """`30s`, `5m`, `1.5h`, `2d` or plain seconds. Raises typer.BadParameter."""
    match = _DURATION.fullmatch(str(text).strip())
    value = float(match[1]) * _UNITS_S[match[2] or ""] if match else math.inf
    if not math.isfinite(value):
        raise typer.BadParameter(f"{text!r} is no duration: write 30s, 5m, 2h or seconds")
    return value


def positive_seconds(text: str | float) -> float:
    """As `seconds`, but more than none."""
    value = seconds(text)
    if value <= 0:
        raise typer.BadParameter("must be more than 0")
    return value


_SHOWN = "What is shown"

Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=TOML", help="Set one value of the job: limits.in_flight=4."),
]
State = Annotated[
    Path,
    typer.Option(
        "--state-dir", envvar="INGEST_STATE_DIR", help="Where runs keep reports and rejects."
    ),
]
Report = Annotated[
    Path | None,
    typer.Option("--report", metavar="FILE", help="Write the run's report (JSON) there too."),
]
Limit = Annotated[
    int | None, typer.Option("--limit", metavar="N", min=1, help="Read the first N records only.")
]
MaxDuration = Annotated[
    float | None,
    typer.Option(
        "--max-duration",
        parser=positive_seconds,
        metavar="TIME",
        help="Stop in order after this long: 30s, 5m, 2h or seconds.",
    ),
]
Grace = Annotated[
    float,
    typer.Option(
        "--grace",
        parser=seconds,
        metavar="TIME",
        help="How long requests in flight may take to end after Ctrl-C.",
    ),
]
Profile = Annotated[
    str | None, typer.Option("--profile", help="Which of the service's credentials to use.")
]
BaseUrl = Annotated[
    str | None,
    typer.Option("--base-url", metavar="URL", help='The service\'s address, or "sandbox".'),
]
Ask = Annotated[
    str | None,
    typer.Option(
        "--ask", metavar="SQL", help="After the load, ask the service this and print the rows."
    ),
]
Log = Annotated[
    Literal["text", "json"],
    typer.Option("--log-format", rich_help_panel=_SHOWN, help="Lines for people or for machines."),
]
ProgressOption = Annotated[
    Literal["auto", "bar", "plain", "none"],
    typer.Option("--progress", rich_help_panel=_SHOWN, help="auto: a bar on a terminal."),
]
Quiet = Annotated[
    bool,
    typer.Option("--quiet", "-q", rich_help_panel=_SHOWN, help="Warnings and errors only."),
]


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the command line said about a run, whatever the job."""

    state_dir: Path = DEFAULT_STATE_DIR
    report: Path | None = None
    limit: int | None = None
    max_duration: float | None = None
    grace: float = GRACE_S
    profile: str | None = None
    base_url: str | None = None
    ask: str | None = None
    log_format: Literal["text", "json"] = "text"
    progress: Literal["auto", "bar", "plain", "none"] = "auto"
    quiet: bool = False
