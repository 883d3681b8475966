"""`python -m benchmarks`: everything that the README shows. One program alone by its name.

Everything is made anew in a temporary folder, which is gone afterwards. Progress goes to standard
error, tables to standard output. `--json FILE` writes every single run; `--keep` writes runs,
tables and pictures where the README finds them (`benchmarks/results`, `benchmarks/pictures`).
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.console import say, shown_so_far
from benchmarks.machine import busy_note, machine
from benchmarks.measure import ROOT
from benchmarks.plot import as_svg

HERE = Path(__file__).parent
EVERYTHING, KILLS = "everything", "kills"
DATA = ("stock", "flights", "numbers", "sparse", "wide")  # names of `side_by_side.INPUTS`
Run = Callable[[argparse.Namespace, Path], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Program:
    """A benchmark: `run` is "module:function" of (options, temporary folder), which prints its
    tables and gives back its figures; a `plot.Chart` among them, under "chart", is drawn.

    `rows` and `quick_rows` are the records it is made for. It belongs to what `everything` runs
    unless it is left out.
    """

    run: str
    what: str
    rows: int = 1_000_000
    quick_rows: int = 100_000
    in_everything: bool = True

    def load(self) -> Run:
        """The function; its module is imported only now, since the harness must stay small."""
        module, _, name = self.run.partition(":")
        found: Run = getattr(import_module(module), name)
        return found


PROGRAMS = {
    "shaping": Program("benchmarks.side_by_side:shaping", "files to sealed bodies, thrown away"),
    "end-to-end": Program("benchmarks.side_by_side:end_to_end", "every body posted to a server"),
    "shapes": Program("benchmarks.shapes:program", "what a file's shape costs", 750_000, 60_000),
    "start": Program("benchmarks.start:program", "--help, and a load of ten records"),
    "memory": Program("benchmarks.memory:program", "peak memory, where it might grow"),
    "aito": Program("benchmarks.aito:program", "against aito's own client"),
    "spool": Program("benchmarks.spool:program", "packing into gzip files"),
    "whole-floats": Program("benchmarks.whole_floats:program", '"12345.0" beside "12345"'),
    "journal": Program("benchmarks.journal_cost:program", "what the journal costs a run"),
    "governor": Program(
        "benchmarks.governor:program", "against services with limits", in_everything=False
    ),
    "guard": Program(
        "benchmarks.guard:program", "CI's: is it as fast as it was", in_everything=False
    ),
}


def run_all(options: argparse.Namespace, names: Sequence[str]) -> dict[str, Any]:
    """Run these in turn; their figures by name."""
    results = {}
    for name in names:
        program = PROGRAMS[name]
        if len(names) > 1:
            print(f"\n{name}: {program.what}\n", flush=True)
        rows = options.rows or (program.quick_rows if options.quick else program.rows)
        own = argparse.Namespace(**{**vars(options), "rows": rows})
        with tempfile.TemporaryDirectory(prefix="ingest-benchmarks-") as folder:
            found = program.load()(own, Path(folder))
        chart = found.pop("chart", None)
        results[name] = found
        if options.keep:
            suffix = "" if options.data == "stock" else f"-{options.data}"
            keep(f"{name}{suffix}", found, as_svg(chart) if chart else "")
    return results


def keep(name: str, found: dict[str, Any], svg: str) -> None:
    """Write runs, tables and picture where the README finds them."""
    results, pictures = HERE / "results", HERE / "pictures"
    results.mkdir(exist_ok=True)
    whole = {"machine": machine(), **found}
    (results / f"{name}.json").write_text(json.dumps(whole, indent=1) + "\n")
    (results / f"{name}.md").write_text(shown_so_far() + "\n")
    if svg:
        (pictures / f"{name}.svg").write_text(svg)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options, `--quick` resolved."""
    about = [(name, program.what) for name, program in PROGRAMS.items()]
    about.append((KILLS, "loads that are killed: is every record there once? (kills --help)"))
    listed = "\n".join(f"  {name:<14}{what}" for name, what in about)
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        epilog=f"programs:\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("what", nargs="?", choices=[EVERYTHING, *PROGRAMS], default=EVERYTHING, metavar="PROGRAM")
    add("--quick", action="store_true", help="a tenth of the sizes, 2 rounds: about two minutes")
    add("--rows", type=int, help="records in the file (default 1,000,000; shapes 750,000)")
    add("--runs", type=int, help="rounds (default 5)")
    add("--seed", type=int, default=1, help="of the made data (default 1)")
    add("--scale", type=float, help="memory: size of the inputs; governor: times")
    add("--data", choices=DATA, default="stock", help="shaping, end-to-end: the input")
    add("--only", action="append", metavar="NAME", help="this contender or shape; repeatable")
    add("--markdown", action="store_true", help="print tables as Markdown")
    add("--json", type=Path, metavar="FILE", help="write every run's figures there")
    add("--keep", action="store_true", help="write runs, tables and pictures for the README")
    add("--record", action="store_true", help="guard: record this machine's figure")
    options = parser.parse_args(arguments)
    options.runs = options.runs if options.runs is not None else (2 if options.quick else 5)
    options.scale = options.scale if options.scale is not None else (0.02 if options.quick else 1.0)
    if min(1 if options.rows is None else options.rows, options.runs, options.scale) <= 0:
        parser.error("--rows, --runs and --scale must be more than 0")
    return options


def compile_all() -> None:
    """An installed program is compiled. A checkout may not be, and where Python is told to keep no
    bytecode every start compiles it again: a quarter of a second that no user waits for."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    compileall.compile_dir(ROOT / "ingest", quiet=1)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what was asked for."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    if given[:1] == [KILLS]:  # it measures nothing, and has options of its own
        sys.exit(import_module("benchmarks.kills").main(given[1:]))
    options = parse(given)
    compile_all()
    where = machine()
    if note := busy_note(where["load_average"]):
        say(note)
    everything = [name for name, program in PROGRAMS.items() if program.in_everything]
    names = everything if options.what == EVERYTHING else [options.what]
    results = run_all(options, names)
    if options.json:
        found = results if options.what == EVERYTHING else results[options.what]
        options.json.write_text(json.dumps({"machine": where, **found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
