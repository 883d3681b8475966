"""The README's picture: a real run in a real (pseudo) terminal, drawn as SVG.

    python -m benchmarks.picture

The command runs under a pseudo-terminal of a fixed size, so it draws its bar and its colours as it
would for a person. What it writes goes through a terminal emulator (pyte), since a bar moves the
cursor. The picture shows two moments of the emulator's screen, colours kept: the last one with the
bar on it, and the end. Nothing is edited, but for the directory that the run's paths begin with,
which is nobody's business.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import shlex
import struct
import subprocess
import termios
from pathlib import Path
from typing import Any

import pyte
from rich.console import Console
from rich.style import Style
from rich.text import Text

COLUMNS, ROWS = 100, 60
BAR = "━━"  # of a bar; the tables' rules are drawn with a thinner line
HERE = Path(__file__).parent
SQL = (
    "select country, count(*) as airports, max(elevation) as highest_ft"
    " from airports group by country order by airports desc limit 5"
)
COMMAND = f'ingest run configs/quickstart.toml --ask "{SQL}"'
COLOURS = {"brown": "yellow", "default": None}


def main() -> None:
    """Run the command and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--command", default=COMMAND)
    parser.add_argument("--out", type=Path, default=HERE / "pictures" / "quickstart.svg")
    arguments = parser.parse_args()
    lines = run_in_terminal(shlex.split(arguments.command))
    draw(lines, arguments.command, arguments.out)


def run_in_terminal(command: list[str]) -> list[Text]:
    """The last screen with a bar on it, and below it what the command had added by its end."""
    screen = pyte.Screen(COLUMNS, ROWS)
    stream = pyte.ByteStream(screen)
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(COLUMNS)}
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    ) as process:
        os.close(theirs)
        during: list[Text] = []
        while data := _read(ours):
            stream.feed(data)
            if any(BAR in line for line in screen.display):
                during = _lines(screen)
    os.close(ours)
    if process.returncode != 0:
        raise SystemExit("\n".join(screen.display) + f"\nexit code {process.returncode}")
    end = _lines(screen)
    above = next((i for i, line in enumerate(during) if BAR in line.plain), 0)
    return [*during, Text(), *end[above:]]


def _lines(screen: pyte.Screen) -> list[Text]:
    """The screen's lines up to the last one with text."""
    lines = [_line(screen.buffer[row]) for row in range(screen.lines)]
    while lines and not lines[-1].plain.strip():
        lines.pop()
    return lines


def _read(handle: int) -> bytes:
    try:
        return os.read(handle, 65536)
    except OSError:  # how Linux says that the other side is closed
        return b""


def draw(lines: list[Text], command: str, path: Path) -> None:
    """The command and the lines as SVG."""
    console = Console(record=True, width=COLUMNS, file=Path(os.devnull).open("w"))  # noqa: SIM115 - lives as long as the process
    console.print(Text("$ ", style="bold green") + Text(command, style="bold"))
    for line in lines:
        console.print(line, soft_wrap=True)
    svg = console.export_svg(title="ingest", clear=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(svg.replace(f"{Path.cwd()}/", ""), encoding="utf-8")


def _line(cells: Any) -> Text:
    text = Text()
    for column in range(COLUMNS):
        cell = cells[column]
        text.append(cell.data, style=_style(cell))
    text.rstrip()
    return text


def _style(cell: Any) -> Style:
    return Style(
        color=_colour(cell.fg), bgcolor=_colour(cell.bg), bold=cell.bold, reverse=cell.reverse
    )


def _colour(name: str) -> str | None:
    if name in COLOURS:
        return COLOURS[name]
    if name.startswith("bright"):
        return "bright_" + name.removeprefix("bright").replace("brown", "yellow")
    return f"#{name}" if len(name) == 6 and set(name) <= set("0123456789abcdef") else name


if __name__ == "__main__":
    main()
