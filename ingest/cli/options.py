"""The options that several commands share, each declared once, and what their texts mean.

What the commands that load have in common is the class `Wishes`: its fields *are* those options,
with their declarations. Typer reads signatures, so `wishing` gives a command one that has an option
for each field, and calls it with the wishes made of them.

Only standard library, Typer and msgspec here: this module is read for every `--help`.
"""

from __future__ import annotations

import functools
import inspect
import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

import typer
from msgspec import Struct

from ingest.errors import SettingsError
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


def age(text: str | float) -> float:
    """As `seconds`, but with its unit: who writes 30 may mean days. Raises typer.BadParameter."""
    value = seconds(text)
    if value and str(text).strip()[-1].isdigit():
        raise typer.BadParameter(f"{text!r} has no unit: write 30d, 12h, 90m or 45s")
    return value


_SHOWN = "What is shown"
_JOURNAL = "What earlier runs settled"

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
IfRunning = Annotated[
    Literal["fail", "skip", "wait"],
    typer.Option(
        "--if-running",
        help="If another run holds the job: exit 5; or skip: exit 0, nothing more is run; or wait"
        " until it has ended, within --max-duration.",
    ),
]
Metrics = Annotated[
    Path | None,
    typer.Option(
        "--metrics",
        metavar="FILE",
        rich_help_panel=_SHOWN,
        help="Keep the run's figures in FILE (*.prom), for the node exporter's text-file"
        " collector.",
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
Restart = Annotated[
    bool,
    typer.Option(
        "--restart",
        rich_help_panel=_JOURNAL,
        help="Forget it and load everything again, as after the table was emptied: what is still"
        " there may be doubled.",
    ),
]
Fresh = Annotated[
    bool,
    typer.Option(
        "--fresh",
        rich_help_panel=_JOURNAL,
        help="Neither read nor record it, to measure the same load again and again: a killed run"
        " can't be taken up.",
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


class Wishes(Struct, frozen=True):
    """What the command line said about a run, whatever the job. Raises SettingsError for two
    wishes that exclude each other."""

    state_dir: State = DEFAULT_STATE_DIR
    report: Report = None
    limit: Limit = None
    max_duration: MaxDuration = None
    grace: Grace = GRACE_S
    if_running: IfRunning = "fail"
    profile: Profile = None
    base_url: BaseUrl = None
    ask: Ask = None
    restart: Restart = False
    fresh: Fresh = False
    log_format: Log = "text"
    progress: ProgressOption = "auto"
    quiet: Quiet = False
    metrics: Metrics = None

    def __post_init__(self) -> None:
        if self.restart and self.fresh:
            raise SettingsError(
                "--restart and --fresh exclude each other: one begins the job's record anew, the"
                " other leaves it alone",
                "--fresh alone loads everything too; only later runs know nothing of it",
            )
        if self.fresh and self.if_running != "fail":
            raise SettingsError(
                f"--if-running {self.if_running} and --fresh exclude each other: a run outside of"
                " the journal holds no lock"
            )


def wishing(command: Callable[..., int], without: Sequence[str] = ()) -> Callable[..., int]:
    """The command with an option for each of the `Wishes`, but for those named in `without`, in
    place of its parameter `wishes`."""

    @functools.wraps(command)
    def outside(**values: Any) -> int:
        wishes = Wishes(**{name: values.pop(name) for name in hints})
        return command(**values, wishes=wishes)

    hints = get_type_hints(Wishes, include_extras=True)
    for name in without:
        del hints[name]
    own = inspect.signature(command, eval_str=True)
    parameters = [
        *(parameter for name, parameter in own.parameters.items() if name != "wishes"),
        *(
            inspect.Parameter(
                wish.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=wish.default,
                annotation=hints[wish.name],
            )
            for wish in inspect.signature(Wishes).parameters.values()
            if wish.name in hints
        ),
    ]
    outside.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined] # PEP 362
    outside.__annotations__ = {one.name: one.annotation for one in parameters}
    return outside
