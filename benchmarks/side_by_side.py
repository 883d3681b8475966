"""The side-by-side: each contender once verified, then in turn A B C A B C, as often as asked.

Alternating, so that whatever slows the machine down for a while slows all of them down; ratios are
taken within a round, between neighbours in time. In the verified runs every row that arrives is
hashed; who claims to deliver our rows must have our hash. In the timed runs nothing is hashed, but
requests, records and bytes must be those of the verified run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.contenders import OURS, Contender, Ran, Stage
from benchmarks.handle import DiscardingServer, Received
from benchmarks.table import Sample

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Verified:
    """What a contender's verified run delivered; `rows_hash` of what it sent or wrote."""

    contender: Contender
    received: Received
    rows_hash: str


def verify(stage: Stage, contenders: Sequence[Contender], say: Say) -> dict[str, Verified]:
    """One checked run of each, by name. Raises RuntimeError where rows differ from ours."""
    found: dict[str, Verified] = {}
    with DiscardingServer(verify=True) as server:
        for contender in contenders:
            say(f"checking {contender.label}")
            server.reset()
            stage.run(contender, server.url)
            received = server.received()
            rows_hash = received.rows_hash or ""
            if contender.delivers == "none":
                rows_hash = stage.hash_of_output()
            found[contender.name] = Verified(contender, received, rows_hash)
    check_hashes(found)
    return found


def check_hashes(found: dict[str, Verified]) -> None:
    """Raises RuntimeError naming every contender whose rows are not ours though they should be."""
    ours = found.get(OURS)
    wrong = [
        f"{name} {one.rows_hash}"
        for name, one in found.items()
        if ours and one.contender.delivers != "other rows" and one.rows_hash != ours.rows_hash
    ]
    if ours and wrong:
        raise RuntimeError(f"other rows than ours ({ours.rows_hash}): {', '.join(wrong)}")


def race(stage: Stage, verified: dict[str, Verified], rounds: int, say: Say) -> list[Sample]:
    """The timed runs, all rounds. Raises RuntimeError where a run delivered less or more."""
    samples = []
    with DiscardingServer() as server:
        for number in range(1, rounds + 1):
            for expected in verified.values():
                server.reset()
                ran = stage.run(expected.contender, server.url)
                received = server.received()
                check_received(expected, received)
                sample = sample_of(number, expected.contender, ran, received)
                samples.append(sample)
                say(f"round {number}: {sample.label}: {sample.wall_s:.2f} s")
    return samples


def check_received(expected: Verified, received: Received) -> None:
    """Raises RuntimeError if a timed run did not deliver what the verified one did."""
    was, now = ((r.requests, r.records, r.size_bytes) for r in (expected.received, received))
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
