"""What is loaded, and what must be true of it at the end, however often it was killed on the way.

Two files of numbered records, each with one bad record a third in, so that rejects stand among
what is sent. `way` is how a lost answer is settled: by ids that are derived, by a stamp, by a key
that is unique in the data, or not at all. With the first three every record must be in the table
once, cell by cell. Without, none may be missing, and each that is doubled must stand in a batch
that the report names; and no more batches may be named than there were in doubt: open when a
process was killed, or sent with the answer lost to a reset.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

Row = tuple[int, float, str]
REJECTED = 2
_ENDS = ("accepted", "rejected", "skipped", "ambiguous", "unsent")
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Way:
    """How a job asks for it. `settles`: it promises every record once."""

    system: str
    delivery: Mapping[str, str] = field(default_factory=dict)

    @property
    def settles(self) -> bool:
        """Whether something proves what became of a lost answer."""
        return bool(self.delivery)


WAYS = {
    "ids": Way("avalanchio", {"id": "derived"}),
    "stamp": Way("avalanchio", {"stamp": "stamp"}),
    "evidence": Way("aito", {"evidence_key": "n"}),
    "none": Way("avalanchio"),
}


@dataclass(frozen=True, slots=True)
class Case:
    """`records` good ones in bodies of `batch`, into `table`. `late_s` is how long after a client's
    death, or a lost answer, the service may still commit."""

    way: Way
    records: int = 20_000
    batch: int = 500
    late_s: float = 5.0
    table: str = "t"

    @property
    def half(self) -> int:
        """Records of the first file; the second has the others."""
        return self.records // 2

    @property
    def longest_server_s(self) -> float:
        """What the job says of the service, with a margin for a busy machine."""
        return self.late_s + 1.0

    def place(self, n: int) -> tuple[str, int]:
        """File and record number of the record with that `n`."""
        name, index, good = (
            ("a.csv", n, self.half)
            if n < self.half
            else ("b.csv", n - self.half, self.records - self.half)
        )
        return name, index + 1 + (index >= good // 3)

    def rows(self) -> set[Row]:
        """The rows that the files hold."""
        return {(n, n + 0.5, f"text {n}") for n in range(self.records)}

    def write_files(self, folder: Path) -> None:
        """`a.csv` and `b.csv`."""
        for name, numbers in (
            ("a", range(self.half)),
            ("b", range(self.half, self.records)),
        ):
            lines = [f"{n},{n}.5,text {n}\n" for n in numbers]
            lines.insert(len(lines) // 3, "bad,1,x\n")
            (folder / f"{name}.csv").write_text("n,price,name\n" + "".join(lines))

    def write_job(self, path: Path, files: Path) -> Path:
        """A job that loads them; small blocks, so that bodies are made of several."""
        delivery = {"longest_server_s": self.longest_server_s, **self.way.delivery}
        paths = [str(files / name) for name in ("a.csv", "b.csv")]
        path.write_text(
            f"[source]\npaths = {orjson.dumps(paths).decode()}\nblock_bytes = 4096\n"
            '[fields]\nn = { type = "integer" }\nprice = { type = "decimal" }\n'
            f'[target]\nsystem = "{self.way.system}"\ntable = "{self.table}"\ncreate = true\n'
            f"[limits]\nrecords = {self.batch}\nin_flight = 4\n[delivery]\n"
            + "".join(
                f"{key} = {orjson.dumps(value).decode()}\n" for key, value in delivery.items()
            )
        )
        return path


@dataclass(frozen=True, slots=True)
class Findings:
    """What the table and the report show. `in_doubt` bodies were open when a process was killed, or
    lost their answer to a reset. `violations` are what must not be, in words."""

    missing: int
    doubled: int
    differing: int
    named: int
    in_doubt: int
    violations: tuple[str, ...]


def judged(case: Case, rows: Counter[Row], report: Mapping[str, Any], in_doubt: int) -> Findings:
    """Hold the table and the report against what was promised."""
    expected = case.rows()
    numbers = Counter(n for n, _, _ in rows.elements())
    missing = sorted({n for n, _, _ in expected} - numbers.keys())
    doubled = sorted(n for n, times in numbers.items() if times > 1)
    differing = sorted(rows.keys() - expected)
    named = report["ambiguous"]
    found = [
        *_listed("missing", missing),
        *_listed("other than in the files", differing),
        *_accounts(case, report),
    ]
    if case.way.settles:
        found += _listed("doubled", doubled)
        found += [f"{len(named)} batches named as ambiguous"] * bool(named)
    else:
        told = set(named_records(report))
        found += _listed("doubled and not named", [n for n in doubled if case.place(n) not in told])
        if len(named) > in_doubt:
            found.append(f"{len(named)} batches named, but only {in_doubt} were in doubt")
    return Findings(len(missing), len(doubled), len(differing), len(named), in_doubt, tuple(found))


def named_records(report: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """File and number of every record in a batch that the report names."""
    for batch in report["ambiguous"]:
        for span in batch["spans"]:
            name = Path(span["file"]).name
            yield from ((name, number) for number in range(span["first"], span["last"] + 1))


def _accounts(case: Case, report: Mapping[str, Any]) -> Iterator[str]:
    records = report["records"]
    if report["state"] != "done":
        yield f"it ended as {report['state']}: {report['error']}"
    if records["read"] != sum(records[end] for end in _ENDS):
        yield f"the sum is off: {records}"
    wanted = {"read": case.records + REJECTED, "rejected": REJECTED, "unsent": 0}
    for name, number in wanted.items():
        if records[name] != number:
            yield f"{records[name]} {name}, not {number}"
    path = report["rejects"]["file"]
    lines = Path(path).read_bytes().splitlines() if path else []
    places = sorted((Path(one["file"]).name, one["record"]) for one in map(orjson.loads, lines))
    bad = [("a.csv", case.half // 3 + 1), ("b.csv", (case.records - case.half) // 3 + 1)]
    if places != bad:
        yield f"the rejects are {places}, not {bad}"


def _listed(what: str, found: Sequence[object]) -> list[str]:
    if not found:
        return []
    shown = ", ".join(map(str, found[:_SHOWN])) + ", ..." * (len(found) > _SHOWN)
    return [f"{len(found)} records {what}: {shown}"]
