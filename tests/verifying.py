"""Does `verify --full` find what was done to the rows behind the program's back, and only that?

`python -m tests.verifying N` loads N tables of different shapes into a sandbox for each kind of
damage and N untouched ones, does the damage to SQLite's file itself, and verifies. Everything is
drawn from a seed, so that a case can be made again: `python -m tests.verifying 1 --first 17`.
"""

from __future__ import annotations

import argparse
import os
import random
import sqlite3
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest import mock

import anyio
import orjson

from ingest.build import RunOptions
from ingest.build.verifying import Asked, verify
from ingest.job import Job, make_job
from ingest.sandbox.store import FILE_NAME
from ingest.state import RunDir
from tests.end_to_end import Listener, credentials, load
from tests.sandbox.conftest import Running, running

TEXTS = (
    "plain", "", " ", 'say "hi"', "two\nlines", "a,b", "x' OR '1'='1", "%", "back\\slash", "ü→𝄞",
    "00100", "1", "true", "null", "{}", "tab\there", "  padded  ", "a\r\nb",
)  # fmt: skip
MOMENTS = ("2024-02-29T12:30:00", "2024-01-01 00:00:00.120", "2024-01-01T01:00:00Z")
DAMAGES = ("deleted", "changed", "swapped", "null for empty", "doubled", "deleted and doubled")
WAYS: dict[str, dict[str, Any]] = {
    "ids": {"system": "avalanchio", "delivery": {"id": "derived"}},
    "stamp": {"system": "avalanchio", "delivery": {"stamp": "stamp"}},
    "whole rows": {"system": "avalanchio", "delivery": {}},
    "upsert": {"system": "avalanchio", "mode": "upsert", "upsert_key": "k", "delivery": {}},
    "aito stamp": {"system": "aito", "delivery": {"stamp": "stamp"}},
    "aito key": {"system": "aito", "delivery": {"evidence_key": "k"}},
    "aito whole rows": {"system": "aito", "delivery": {}},
}
TYPES = {
    "k": "integer",
    "n": "integer",
    "x": "decimal",
    "d": "date",
    "at": "timestamp",
    "s": "text",
    "t": "string",
}
NULLS = ["NULL"]


@dataclass
class Case:
    """A table loaded from random files, in one of the ways."""

    server: Running
    folder: Path
    seed: int
    way: str = ""
    random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.way = self.way or self.random.choice(sorted(WAYS))
        self.table = f"v{self.seed}_{sorted(WAYS).index(self.way)}"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.kind = self.random.choice(["csv", "ndjson"])
        self._write()
        self.loaded = load(self.server, self.job(), self.folder)
        assert self.loaded.code in (0, 3), self.loaded.report
        self.run = RunDir(self.folder / "state" / "runs" / self.loaded.report["run"])

    def job(self) -> Job:
        """Typed columns, small requests."""
        way = dict(WAYS[self.way])
        delivery = way.pop("delivery")
        fields: dict[str, Any] = {name: {"type": kind} for name, kind in TYPES.items()}
        if way.get("upsert_key"):
            fields["k"]["column"] = {"indexed": True, "unique": True}
        return make_job(
            {
                "name": "job",
                "source": {"paths": [f"*.{self.kind}"], "nulls": NULLS, "rest": "drop"},
                "fields": fields,
                "target": {"table": self.table, "create": True, **way},
                "limits": {"records": self.random.choice([3, 10, 1000])},
                "delivery": delivery,
            },
            base=self.folder,
        )

    def _write(self) -> None:
        number = 0
        for file in range(self.random.randint(1, 3)):
            records = []
            for _ in range(self.random.randint(4, 40)):
                number += 1
                records.append(self._record(number))
            text = self._csv(records) if self.kind == "csv" else self._ndjson(records)
            (self.folder / f"f{file}.{self.kind}").write_bytes(text)

    def _record(self, number: int) -> dict[str, Any]:
        draw = self.random
        bad = draw.random() < 0.03 and number > 5
        return {
            "k": number,
            "n": "no number" if bad else draw.choice([None, 0, -1, 2**31 - 1, draw.randint(-9, 9)]),
            "x": draw.choice([None, 5, 0.1, -2.5e-7, 1e300, 12345.678, draw.random()]),
            "d": draw.choice([None, "2024-02-29", "1999-12-31"]),
            "at": draw.choice([None, *MOMENTS]),
            "s": draw.choice([None, *TEXTS]),
            "t": draw.choice(TEXTS) + str(draw.randint(0, 3)),
        }  # fmt: skip

    def _csv(self, records: list[dict[str, Any]]) -> bytes:
        lines = [",".join(TYPES)]
        lines += [",".join(map(_csv_cell, record.values())) for record in records]
        return ("\n".join(lines) + "\n").encode()

    def _ndjson(self, records: list[dict[str, Any]]) -> bytes:
        return b"".join(orjson.dumps(record) + b"\n" for record in records)

    def verified(self, *, full: bool = True, backend: str = "asyncio") -> dict[str, Any]:
        """What verify says."""
        asked = Asked(self.run, full, sample=20, seed=self.seed)
        options = RunOptions(self.folder / "state")
        with mock.patch.dict(os.environ, environment(self.server)):
            found = anyio.run(partial(verify, asked, options), Listener(), backend=backend)
        assert (found.exit_code == 0) == found.verification["ok"]
        assert orjson.loads(self.run.report_path.read_bytes())["verification"] == found.verification
        return found.verification

    def damage(self, kind: str) -> bool:
        """Do it behind the program's back; False if the rows don't allow it."""
        with sqlite3.connect(self.server.data_dir / FILE_NAME, timeout=30) as db:
            return Damage(db, self).done(kind)


@dataclass
class Damage:
    """One kind of damage to a table."""

    db: sqlite3.Connection
    case: Case

    def __post_init__(self) -> None:
        avalanchio = WAYS[self.case.way]["system"] == "avalanchio"
        table = self.case.table if avalanchio else aito_stored(self.db, self.case.table)
        self.name = f'"{table}"'
        stored = [row[1] for row in self.db.execute(f"PRAGMA table_info({self.name})")]
        self.aito = not avalanchio
        if self.aito:
            names = [n for n in (*TYPES, "stamp") if n != "stamp" or "stamp" in self.case.way]
            self.columns = dict(zip(names, stored, strict=True))
        else:
            self.columns = {name: f'"{name}"' for name in TYPES}
        self.stored = [f'"{name}"' for name in stored if name != "id"]
        self.rows = [row[0] for row in self.db.execute(f"SELECT rowid FROM {self.name}")]

    def done(self, kind: str) -> bool:
        """Whether it could be done."""
        draw = self.case.random
        row = draw.choice(self.rows)
        match kind:
            case "deleted":
                self._run(f"DELETE FROM {self.name} WHERE rowid = ?", row)
            case "changed":
                self._change(row)
            case "swapped":
                return self._swap()
            case "null for empty":
                return self._null()
            case "doubled":
                return self._double(row)
            case "deleted and doubled":
                if not self._double(row):
                    return False
                others = [one for one in self.rows if one != row]
                self._run(f"DELETE FROM {self.name} WHERE rowid = ?", draw.choice(others))
        return True

    def _change(self, row: int) -> None:
        column = self.case.random.choice([n for n in TYPES if n != "k"])
        new = {"n": 77, "x": 77.125, "d": "2001-01-01", "at": "2001-01-01T00:00:00"}
        self._run(
            f"UPDATE {self.name} SET {self.columns[column]} = ? WHERE rowid = ?",
            new.get(column, "other"),
            row,
        )

    def _swap(self) -> bool:
        """The cells of two rows in one column, where they differ."""
        draw = self.case.random
        for column in draw.sample([n for n in TYPES if n != "k"], len(TYPES) - 1):
            cell = self.columns[column]
            found = self.db.execute(f"SELECT rowid, {cell} FROM {self.name}").fetchall()
            draw.shuffle(found)
            for (one, a), (other, b) in pairwise(found):
                if orjson.dumps(a) != orjson.dumps(b) and not self._is_same_swap(
                    one, other, column
                ):
                    self._run(f"UPDATE {self.name} SET {cell} = ? WHERE rowid = ?", b, one)
                    self._run(f"UPDATE {self.name} SET {cell} = ? WHERE rowid = ?", a, other)
                    return True
        return False

    def _is_same_swap(self, one: int, other: int, column: str) -> bool:
        """Rows that differ in this column alone: swapped, they are the same rows."""
        rest = ", ".join(cell for name, cell in self.columns.items() if name != column)
        rows = [
            self.db.execute(f"SELECT {rest} FROM {self.name} WHERE rowid = ?", (rowid,)).fetchone()
            for rowid in (one, other)
        ]
        return bool(rows[0] == rows[1])

    def _null(self) -> bool:
        cell = self.columns["s"]
        found = self.db.execute(f"SELECT rowid FROM {self.name} WHERE {cell} = ''").fetchall()
        if not found:
            return False
        row = self.case.random.choice(found)[0]
        self._run(f"UPDATE {self.name} SET {cell} = NULL WHERE rowid = ?", row)
        return True

    def _double(self, row: int) -> bool:
        """Another row of the same content, but for the id; a unique key forbids it."""
        if self.case.way == "upsert":
            return False
        cells = ", ".join(self.stored)
        self._run(
            f"INSERT INTO {self.name} ({cells}) SELECT {cells} FROM {self.name} WHERE rowid = ?",
            row,
        )
        return True

    def _run(self, statement: str, *values: object) -> None:
        assert self.db.execute(statement, values).rowcount == 1


def aito_stored(db: sqlite3.Connection, table: str) -> str:
    """Under which name the sandbox keeps aito's rows of that table."""
    names = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type='table'")]
    (entry,) = [row for row in db.execute("SELECT * FROM _sandbox_aito") if table in row]
    (found,) = [n for n in names if n in {f"_sandbox_aito_{cell}" for cell in entry}]
    return str(found)


def environment(server: Running) -> dict[str, str]:
    """What either service is reached by."""
    return credentials(server) | {"AITO_URL": server.url, "AITO_API_KEY": "sandbox"}


@contextmanager
def reached(server: Running) -> Iterator[None]:
    """Both services' credentials are in the environment."""
    with mock.patch.dict(os.environ, environment(server)):
        yield


def _csv_cell(value: Any) -> str:
    if value is None:
        return NULLS[0]
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return '"' + text.replace('"', '""') + '"' if set(text) & set('",\n\r') or not text else text


def tried(server: Running, folder: Path, seed: int, damage: str | None) -> str | None:
    """One case: what verify said wrong, None if nothing, '' if the rows don't allow the damage."""
    with reached(server):
        case = Case(server, folder, seed)
        if damage is None:
            said = case.verified()
            return None if said["ok"] else f"false alarm: {said}"
        if not case.damage(damage):
            return ""
        said = case.verified()
    found = sum(said[kind] for kind in ("missing", "changed", "doubled", "foreign"))
    return None if found else f"not found ({case.way}, {case.kind}): {said}"


def main(arguments: list[str] | None = None) -> int:
    """Try N cases of each kind."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("number", type=int)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    asked = parser.parse_args(arguments)
    right: Counter[str] = Counter()
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as folder, running(Path(folder) / "data") as server:
        seed = asked.first
        for damage in (None, *DAMAGES):
            name = damage or "untouched"
            while right[name] + sum(one.startswith(f"{name} ") for one in wrong) < asked.number:
                seed += 1
                said = tried(server, Path(folder) / f"c{seed}", seed, damage)
                if said is None:
                    right[name] += 1
                elif said:
                    wrong.append(f"{name} (seed {seed}): {said}")
            sys.stdout.write(f"{name}: {right[name]} of {asked.number}\n")
            sys.stdout.flush()
    sys.stdout.writelines(f"{one}\n" for one in wrong)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
