"""The side-by-side: each contender once verified, then in turn A B C A B C, as often as asked.

Alternating, so that whatever slows the machine down for a while slows all of them down; ratios are
taken within a round, between neighbours in time. In the verified runs every row that arrives is
hashed; who claims to deliver our rows must have our hash. In the timed runs nothing is hashed, but
requests, records and bytes must be those of the verified run (of one that is not steady: records).

Two programs are made of it. `end-to-end`: every body is posted over loopback. `shaping`: files to
sealed bodies, thrown away inside the process, beside engines that write the same rows to disk.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import data, inputs
from benchmarks.console import say, show
from benchmarks.contenders import CONTENDERS, OURS, SHAPERS, SHAPING, Contender, Ran, Stage, Task
from benchmarks.handle import DiscardingServer, Received
from benchmarks.peers import missing
from benchmarks.table import HEADER, Sample, chart_of, rows_of, summarise

Say = Callable[[str], None]
INPUTS = {
    "stock": data.write_stocks,
    "flights": inputs.flights,
    "numbers": inputs.numbers,
    "sparse": inputs.sparse,
    "wide": data.write_wide,
}
WITH_NULLS = ("flights", "sparse")


@dataclass(frozen=True, slots=True)
class Verified:
    """What a contender's verified run delivered; `rows_hash` of what it sent or wrote, and `ours`
    of the same input."""

    contender: Contender
    received: Received
    rows_hash: str
    ours: str = ""


@dataclass(slots=True)
class Stages:
    """The whole input, and the shares of it that the slowest are given."""

    write: Callable[[Path, int, int], data.Made]
    rows: int
    seed: int
    table: str
    folder: Path
    made: dict[float, Stage] = field(default_factory=dict)

    def of(self, contender: Contender) -> Stage:
        """The stage of this contender's share; its input is made when it is first asked for."""
        if contender.share not in self.made:
            rows = max(1, round(self.rows * contender.share))
            folder = self.folder / f"share-{contender.share}"
            folder.mkdir()
            say(f"making {rows:,} records")
            made = self.write(folder / "input.csv", rows, self.seed)
            self.made[contender.share] = Stage(Task(made, self.table), folder)
        return self.made[contender.share]


def end_to_end(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Files to a server on the same machine; prints the table."""
    return _program(options, folder, CONTENDERS, "End to end, records a second")


def shaping(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Files to sealed bodies, beside engines that write to disk; prints the table."""
    return _program(options, folder, SHAPERS, "Shaping, records a second")


def _program(
    options: argparse.Namespace, folder: Path, contenders: Sequence[Contender], title: str
) -> dict[str, Any]:
    table = options.data
    stages = Stages(INPUTS[table], options.rows, options.seed, table, folder)
    chosen = list(present(contenders, options.only, table, say))
    verified = verify(stages, chosen, say)
    samples = race(stages, verified, options.runs, say)
    ours = chosen[0].name
    summaries = summarise(samples, ours)
    show(options, HEADER, rows_of(summaries, ours))
    made = stages.of(chosen[0]).task.made
    return {
        "input": {"data": table, "records": made.records, "bytes": made.size_bytes},
        "seed": options.seed,
        "rows_hash": {name: one.rows_hash for name, one in verified.items()},
        "runs": [asdict(sample) for sample in samples],
        "summary": [asdict(summary) for summary in summaries],
        "chart": chart_of(summaries, ours, f"{title} ({made.records:,} records: {table})"),
    }


def present(
    contenders: Sequence[Contender], only: Sequence[str] | None, table: str, say: Say
) -> Iterable[Contender]:
    """Who runs: this program, and of the others all or those that were named, if installed."""
    for contender in contenders:
        if contender.name in (OURS, SHAPING):
            yield contender
        elif only and contender.name not in only:
            continue
        elif note := missing(contender.name):
            say(note)
        elif table in WITH_NULLS and not contender.sends_nulls:
            say(f"{contender.name} is left out: nulls of a file do not arrive as nulls")
        else:
            yield contender


def verify(stages: Stages, contenders: Sequence[Contender], say: Say) -> dict[str, Verified]:
    """One checked run of each, by name. Raises RuntimeError where rows differ from ours."""
    found: dict[str, Verified] = {}
    ours: dict[float, str] = {}
    with DiscardingServer(verify=True) as server:
        for contender in contenders:
            say(f"checking {contender.label}")
            stage = stages.of(contender)
            if contender.share not in ours:
                ours[contender.share] = _verified(stage, contenders[0], server)[1]
            received, rows_hash = _verified(stage, contender, server)
            hash_of_ours = ours[contender.share]
            found[contender.name] = Verified(contender, received, rows_hash, hash_of_ours)
    check_hashes(found)
    return found


def _verified(stage: Stage, contender: Contender, server: DiscardingServer) -> tuple[Received, str]:
    """What arrived in one run, and the hash of the rows that were sent, sealed, or written."""
    server.reset()
    ran = stage.run(contender, server.url, verify=True)
    received = server.received()
    if contender.delivers == "none":
        return received, stage.hash_of_output()
    return received, str(ran.sealed.get("rows_hash") or received.rows_hash)


def check_hashes(found: dict[str, Verified]) -> None:
    """Raises RuntimeError naming every contender whose rows are not ours though they should be."""
    wrong = [
        f"{name} {one.rows_hash} instead of {one.ours}"
        for name, one in found.items()
        if one.contender.delivers != "other rows" and one.rows_hash != one.ours
    ]
    if wrong:
        raise RuntimeError(f"other rows than ours: {', '.join(wrong)}")


def race(stages: Stages, verified: dict[str, Verified], rounds: int, say: Say) -> list[Sample]:
    """The timed runs, all rounds. Raises RuntimeError where a run delivered less or more."""
    samples = []
    with DiscardingServer() as server:
        for number in range(1, rounds + 1):
            for expected in verified.values():
                contender = expected.contender
                server.reset()
                ran = stages.of(contender).run(contender, server.url)
                received = server.received()
                check_received(expected, received)
                sample = sample_of(number, contender, ran, received)
                samples.append(sample)
                say(f"round {number}: {sample.label}: {sample.wall_s:.2f} s")
    return samples


def check_received(expected: Verified, received: Received) -> None:
    """Raises RuntimeError if a timed run did not deliver what the verified one did."""
    was, now = ((r.requests, r.records, r.size_bytes) for r in (expected.received, received))
    if not expected.contender.steady:
        was, now = (0, was[1], 0), (0, now[1], 0)
    if was != now:
        raise RuntimeError(
            f"{expected.contender.name} delivered (requests, records, bytes) {now},"
            f" in its verified run {was}"
        )


def sample_of(number: int, contender: Contender, ran: Ran, received: Received) -> Sample:
    """One line of the results."""
    return Sample(
        round=number,
        contender=contender.name,
        label=contender.label,
        records=ran.records,
        wall_s=ran.measured.wall_s,
        work_s=ran.work_s,
        cpu_s=ran.measured.cpu_s,
        server_cpu_s=received.cpu_s,
        peak_rss_bytes=ran.measured.peak_rss_bytes,
        sent_bytes=received.size_bytes,
        requests=received.requests,
    )
