"""`python -m benchmarks`: the side-by-side, one table of ratios. The others by name.

Everything is made anew in a temporary folder, which is gone afterwards. Progress goes to standard
error, the table to standard output, and with `--json FILE` every single run to a file.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks import aito, data, memory
from benchmarks.contenders import CEILING, CONTENDERS, OURS, Contender, Stage
from benchmarks.machine import busy_note, machine
from benchmarks.side_by_side import race, verify
from benchmarks.table import HEADER, Row, as_markdown, as_text, rows_of, summarise

FULL = {"rows": 1_000_000, "runs": 5, "scale": 1.0}
QUICK = {"rows": 250_000, "runs": 3, "scale": 0.1}


def say(words: str) -> None:
    """A line for people, on standard error."""
    print(words, file=sys.stderr, flush=True)


def side_by_side(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Every contender on the same file; prints the table."""
    contenders = chosen(options)
    say(f"making {options.rows:,} records")
    made = data.write_stocks(folder / "stock.csv", options.rows, options.seed)
    stage = Stage(made, folder)
    verified = verify(stage, contenders, say)
    samples = race(stage, verified, options.runs, say)
    summaries = summarise(samples, OURS)
    show(options, HEADER, rows_of(summaries, OURS))
    return {
        "input": {"records": made.records, "bytes": made.size_bytes, "seed": options.seed},
        "rows_hash": {name: one.rows_hash for name, one in verified.items()},
        "runs": [asdict(sample) for sample in samples],
        "summary": [asdict(summary) for summary in summaries],
    }


def chosen(options: argparse.Namespace) -> list[Contender]:
    """Who runs: all, or this program and those that were named."""
    everyone = (*CONTENDERS, CEILING) if options.ceiling else CONTENDERS
    return [c for c in everyone if not options.only or c.name in (OURS, *options.only)]


def whole_floats(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """`12345.0` against `12345`; prints the ratio."""
    from benchmarks import whole_floats as measured  # noqa: PLC0415 - it brings Polars along

    say(f"making {options.rows:,} records twice")
    plain = data.write_stocks(folder / "plain.csv", options.rows, options.seed)
    floats = data.write_stocks(folder / "floats.csv", options.rows, options.seed, whole_floats=True)
    ratio, plain_s, floats_s = asyncio.run(measured.measure(plain.path, floats.path, options.runs))
    header = ("shape stage, one thread", "records/s", "times the cost")
    rows = [
        (word, f"{options.rows / min(seconds):,.0f}", shown)
        for word, seconds, shown in (
            ('volume "12345"', plain_s, ""),
            ('volume "12345.0"', floats_s, f"{ratio.shown}, at most {measured.PROMISE}"),
        )
    ]
    show(options, header, rows)
    return {"records": options.rows, "ratio": asdict(ratio), "plain": plain_s, "floats": floats_s}


def peak_memory(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Peak memory of the client; prints one line a case."""
    peaks = []
    for case in memory.cases(options.scale):
        say(f"{case.label}: making the input, then loading it")
        peaks.append(memory.measure(case, folder))
    show(options, memory.HEADER, [memory.row_of(peak) for peak in peaks])
    return {"scale": options.scale, "cases": [asdict(peak) for peak in peaks]}


def onto_disk(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Packing into gzip files beside packing in memory; prints ratio and size."""
    from benchmarks import spool  # noqa: PLC0415 - it brings Polars along

    say(f"making {options.rows:,} records")
    made = data.write_stocks(folder / "stock.csv", options.rows, options.seed)
    packed = asyncio.run(spool.measure(made.path, folder / "spool", options.runs))
    show(options, spool.HEADER, spool.rows_of(packed, made.records))
    return {"records": made.records, **asdict(packed)}


def against_aito(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """aito's own client, by batches and by files; prints the table."""
    say(f"making {options.rows:,} records")
    made = data.write_stocks(folder / "stock.csv", options.rows, options.seed)
    samples = aito.race(aito.Runner(made, folder), options.runs, say)
    summaries, rows = [], []
    for pair in aito.PAIRS:
        found = summarise([s for s in samples if s.contender in pair], pair[0])
        summaries += found
        rows += rows_of(found, pair[0])
    show(options, HEADER, rows)
    return {
        "input": {"records": made.records, "bytes": made.size_bytes, "seed": options.seed},
        "runs": [asdict(sample) for sample in samples],
        "summary": [asdict(summary) for summary in summaries],
    }


NAMES = [contender.name for contender in CONTENDERS if contender.name != OURS]
COMMANDS = {
    "side-by-side": side_by_side,
    "whole-floats": whole_floats,
    "memory": peak_memory,
    "aito": against_aito,
    "spool": onto_disk,
}


def show(options: argparse.Namespace, header: Row, rows: Sequence[Row]) -> None:
    """The table on standard output."""
    print((as_markdown if options.markdown else as_text)(header, rows))


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options, `--quick` resolved."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    add = parser.add_argument
    add("what", nargs="?", choices=list(COMMANDS), default="side-by-side")
    add("--quick", action="store_true", help="250,000 records, 3 rounds, a tenth of the sizes")
    add("--rows", type=int, help="records in the file (default 1,000,000)")
    add("--runs", type=int, help="rounds (default 5)")
    add("--seed", type=int, default=1, help="of the made data (default 1)")
    add("--scale", type=float, help="memory: size of the inputs, 1 = 100 MB and 1 GB")
    add("--only", action="append", choices=NAMES, help="run against this one alone; repeatable")
    add("--ceiling", action="store_true", help="also a bare socket with ready-made bodies")
    add("--markdown", action="store_true", help="print the table as Markdown")
    add("--json", type=Path, metavar="FILE", help="write every run's figures there")
    options = parser.parse_args(arguments)
    defaults = QUICK if options.quick else FULL
    for name, value in defaults.items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    if min(options.rows, options.runs, options.scale) <= 0:
        parser.error("--rows, --runs and --scale must be more than 0")
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what was asked for."""
    options = parse(arguments)
    where = machine()
    if note := busy_note(where["load_average"]):
        say(note)
    with tempfile.TemporaryDirectory(prefix="ingest-benchmarks-") as folder:
        result = COMMANDS[options.what](options, Path(folder))
    if options.json:
        options.json.write_text(json.dumps({"machine": where, **result}, indent=1) + "\n")


if __name__ == "__main__":
    main()
