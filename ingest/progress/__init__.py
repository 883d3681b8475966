"""What people and log collectors see while a run goes: four watchers behind one promise.

    BarWatcher    a terminal: two live lines on standard error, notes above them
    PlainWatcher  no terminal: a line at the start, one every few seconds
    JsonWatcher   `--log-format json`: the same as structlog's JSON lines
    QuietWatcher  `--quiet`: warnings and errors only

No watcher reads a clock to decide anything: a snapshot carries its time, so the same snapshots give
the same lines. None raises for what becomes of its stream. All text from outside passes through
`display.safe` and reaches Rich as `Text`, never as markup. Rich and structlog are imported only by
the watcher that needs them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TextIO, TypeAlias, Union

from ingest.progress.lines import PLAIN_EVERY_S, PlainWatcher, QuietWatcher

if TYPE_CHECKING:
    from ingest.progress.bar import BarWatcher
    from ingest.progress.structured import JsonWatcher

Progress = Literal["auto", "bar", "plain", "none"]
LogFormat = Literal["text", "json"]
AnyWatcher: TypeAlias = Union["QuietWatcher", "BarWatcher", "JsonWatcher"]


def make_watcher(
    progress: Progress, log_format: LogFormat, *, quiet: bool, stream: TextIO
) -> AnyWatcher:
    """The watcher that these options ask for, on `stream`; `auto` is a bar on a live terminal."""
    every_s = None if progress == "none" else PLAIN_EVERY_S
    if log_format == "json":
        from ingest.progress.structured import JsonWatcher  # noqa: PLC0415 - structlog

        return JsonWatcher(stream, every_s, quiet=quiet)
    if quiet:
        return QuietWatcher(stream)
    from ingest.progress.bar import BarWatcher, steady_console  # noqa: PLC0415 - Rich

    console = steady_console(stream)
    live = stream.isatty() and console.is_terminal and not console.is_dumb_terminal
    if progress == "bar" or (progress == "auto" and live):
        return BarWatcher(console)
    return PlainWatcher(stream, every_s)
