"""The jobs in configs/, run as they stand by the real command against the sandbox.

What is asked back by SQL is held against what Python's own `csv` and `json` make of the same files
with the mapping written out here: values, JSON types, and the report's accounts.
"""

from __future__ import annotations

import csv
import json
import random
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import airportsdata
import anyio
import pytest

from ingest.model import Schema
from ingest.sandbox.child import sandbox_child
from ingest.targets.avalanchio import AvalanchioTarget, request_headers
from ingest.wire import Secret, Wire

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
AIRPORTS = Path(airportsdata.__file__).with_name("airports.csv")
PAGE = 10_000

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Loaded:
    """How a run ended: its exit code, its report, its words, and where its tables are."""

    code: int
    report: dict[str, Any]
    stderr: str
    state: Path

    @property
    def counts(self) -> dict[str, int]:
        """The report's accounts that are not zero."""
        return {name: n for name, n in self.report["records"].items() if n}


def load(job: Path, folder: Path, *options: str) -> Loaded:
    """Run a job by the command line; its state and report go to `folder`."""
    report = folder / "report.json"
    report.unlink(missing_ok=True)
    command = [sys.executable, "-P", "-m", "ingest.cli", "run", str(job)]
    command += ["--state-dir", str(folder / "state"), "--report", str(report), *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, timeout=120, check=False)
    words = done.stderr.decode()
    assert report.exists(), words
    return Loaded(done.returncode, json.loads(report.read_bytes()), words, folder / "state")


def ask(loaded: Loaded, table: str, columns: str, order: str) -> tuple[list[Row], Schema]:
    """All rows of a table, in pages, and the table as the sandbox describes it."""

    async def asked() -> tuple[list[Row], Schema]:
        async with sandbox_child(loaded.state / "sandbox") as child:
            wire = Wire(child.base_url, request_headers(Secret(child.token)))
            target = AvalanchioTarget(wire, table)
            async with target.opened():
                schema = await target.describe()
                assert schema is not None
                rows: list[Row] = []
                page: list[Row] = []
                while not rows or len(page) == PAGE:
                    statement = f"select {columns} from {table} order by {order}"
                    page = await target.query(f"{statement} limit {PAGE} offset {len(rows)}")
                    rows += page
                    if not page:
                        break
                return rows, schema

    return anyio.run(asked)


def typed(rows: Iterable[Row]) -> list[dict[str, tuple[str, Any]]]:
    """Rows whose values carry their type, so that 5 is not 5.0."""
    return [{name: (type(v).__name__, v) for name, v in row.items()} for row in rows]


def number(text: str) -> int | float | None:
    """A decimal's cell as JSON reads the digits as written; empty is null."""
    value: int | float | None = json.loads(text) if text else None
    return value


def whole(text: str) -> int | None:
    """A whole number's cell, exactly; empty is null."""
    return int(Decimal(text)) if text else None


def records_of(path: Path, delimiter: str = ",") -> Iterator[dict[str, str]]:
    """A CSV file's records as Python's csv reads them."""
    with path.open(newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file, delimiter=delimiter, strict=True)


def test_every_job_is_run_here() -> None:
    """A job that is added needs a test."""
    jobs = {path.name for path in CONFIGS.glob("*.toml")}
    aito = {"aito-batch.toml", "aito-stream.toml", "aito-file.toml"}  # in test_configs_aito.py
    assert jobs == {"quickstart.toml", "stocks.toml", "upsert.toml", "ndjson.toml"} | aito


# --- quickstart.toml --------------------------------------------------------------------------

AIRPORT_TEXTS = ("icao", "iata", "name", "city", "subd", "country", "tz", "lid")
AIRPORT_NUMBERS = ("elevation", "lat", "lon")


def airport(record: dict[str, str]) -> Row:
    """One airport's row."""
    texts: Row = {name: record[name] or None for name in AIRPORT_TEXTS}
    return texts | {name: number(record[name]) for name in AIRPORT_NUMBERS}


def test_quickstart(tmp_path: Path) -> None:
    """Every airport is in the sandbox as its package has it; Namibia's country is NA, not null.

    The job runs as it stands, beside a virtual environment laid out as the README's command does.
    """
    packages = tmp_path / ".venv" / "lib" / "python3.11" / "site-packages" / "airportsdata"
    packages.mkdir(parents=True)
    shutil.copy(AIRPORTS, packages)
    configs = tmp_path / "configs"
    configs.mkdir()
    shutil.copy(CONFIGS / "quickstart.toml", configs)
    loaded = load(configs / "quickstart.toml", tmp_path)
    expected = sorted(map(airport, records_of(AIRPORTS)), key=lambda row: str(row["icao"]))
    assert (loaded.code, loaded.report["state"]) == (0, "done"), loaded.stderr
    assert loaded.counts == {"read": len(expected), "accepted": len(expected)}
    assert loaded.report["requests"]["sent"] == -(-len(expected) // 10_000)
    names = ", ".join((*AIRPORT_TEXTS, *AIRPORT_NUMBERS))
    rows, schema = ask(loaded, "airports", names, "icao")
    assert typed(rows) == typed(expected)
    assert sum(row["country"] == "NA" for row in rows) == 63
    icao, country = schema.column("icao"), schema.column("country")
    assert icao is not None
    assert country is not None
    assert (icao.indexed, icao.unique, country.indexed) == (True, True, True)


def test_the_readme_s_question(tmp_path: Path) -> None:
    """Rows asked back with `--ask` come to standard output, one JSON object a line."""
    statement = "select country, count(*) as n from airports group by country order by n desc"
    command = [sys.executable, "-P", "-m", "ingest.cli", "run", str(CONFIGS / "quickstart.toml")]
    command += ["--set", f"source.paths=[{json.dumps(str(AIRPORTS))}]"]
    command += ["--state-dir", str(tmp_path), "--ask", f"{statement} limit 1", "--quiet"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=120, check=True)
    usa = sum(record["country"] == "US" for record in records_of(AIRPORTS))
    assert json.loads(done.stdout) == {"country": "US", "n": usa}


# --- stocks.toml ------------------------------------------------------------------------------

STOCK_NUMBERS = {"open": "Open", "high": "High", "low": "Low", "close": "Close"}
STOCK_COLUMNS = "date, open, high, low, close, adj_close, volume, symbol"


def expected_stocks(folder: Path) -> list[Row]:
    """The rows of a folder of price files, by symbol and date."""
    rows = [
        {
            "date": record["Date"],
            **{name: number(record[column]) for name, column in STOCK_NUMBERS.items()},
            "adj_close": number(record["Adj Close"]),
            "volume": whole(record["Volume"]),
            "symbol": path.stem,
        }
        for path in folder.glob("*.csv")
        for record in records_of(path)
    ]
    return sorted(rows, key=lambda row: (row["symbol"], row["date"]))


def check_stocks(loaded: Loaded, folder: Path) -> None:
    """Accounts, rows and table are what they should be."""
    expected = expected_stocks(folder)
    assert loaded.code == 0, loaded.stderr
    assert loaded.counts == {"read": len(expected), "accepted": len(expected)}
    assert loaded.report["requests"]["sent"] == -(-len(expected) // 10_000)
    rows, schema = ask(loaded, "stock", STOCK_COLUMNS, "symbol, date")
    assert typed(rows) == typed(expected)
    by_name = {column.name: column for column in schema.columns}
    assert not {"created_at", "updated_at", "Remark"} & by_name.keys()
    assert by_name["symbol"].indexed
    assert by_name["volume"].type == "Bigint"


def test_stocks(tmp_path: Path) -> None:
    """The files beside the job: whole floats, exponents, empty cells, columns in another order."""
    check_stocks(load(CONFIGS / "stocks.toml", tmp_path), CONFIGS / "data" / "stocks")


def test_stocks_in_many_files(tmp_path: Path) -> None:
    """Sixty files share as few requests as can be, and no file loses its tail."""
    folder = tmp_path / "prices"
    folder.mkdir()
    draw = random.Random(3)
    for number_ in range(60):
        write_prices(folder / f"S{number_:02d}.csv", draw)
    paths = f"source.paths=[{json.dumps(str(folder / '*.csv'))}]"
    check_stocks(load(CONFIGS / "stocks.toml", tmp_path, "--set", paths), folder)


def write_prices(path: Path, draw: random.Random) -> None:
    """A price file of 0 to 399 days, its volumes spelt in one of five ways."""
    spell = draw.choice(["{}", "{}.0", "{}.000", "{}E2", "{}00000000000"])
    days = draw.sample(range(364), draw.choice([0, 1, 2, draw.randint(3, 364)]))
    with path.open("w", newline="") as file:
        write = csv.writer(file, lineterminator=draw.choice(["\n", "\r\n"])).writerow
        write(["Date", "Open", "High", "Low", "Close", "Adj Close", "Volume"])
        for day in days:
            date = (
                f"2023-{day // 28 + 1:02d}-{day % 28 + 1:02d}"
                if day < 336
                else f"2024-01-{day - 335:02d}"
            )
            if draw.random() < 0.05:
                write([date, *[""] * 6])
            else:
                prices = [f"{draw.uniform(1, 500):.6f}" for _ in range(5)]
                write([date, *prices, spell.format(draw.randint(0, 9_000_000))])


# --- upsert.toml ------------------------------------------------------------------------------

CUSTOMER_COLUMNS = "email, name, since, balance, in_debt, origin"


def expected_customers() -> list[Row]:
    """The last record of each key over both files, by key."""
    rows: dict[str, Row] = {}
    for path in sorted((CONFIGS / "data" / "customers").glob("*.csv")):
        for cells in records_of(path, ";"):
            record = {name: "" if text == "-" else text for name, text in cells.items()}
            since = record["Customer since"]
            balance = number(record["Balance"].replace(",", "."))
            rows[record["E-Mail"]] = {
                "email": record["E-Mail"],
                "name": record["Name"],
                "since": "-".join(reversed(since.split("."))) or None,
                "balance": balance,
                "in_debt": int(balance is not None and balance < 0),
                "origin": "shop",
            }
    return [rows[key] for key in sorted(rows)]


@pytest.mark.parametrize(("limit", "superseded"), [(1, 0), (2, 1), (10_000, 3)])
def test_upsert(tmp_path: Path, limit: int, superseded: int) -> None:
    """Tuesday's values win over Monday's, however the records fall into requests."""
    loaded = load(CONFIGS / "upsert.toml", tmp_path, "--set", f"limits.records={limit}")
    assert loaded.code == 0, loaded.stderr
    assert loaded.report["records"] == {
        "read": 9,
        "accepted": 9,
        "rejected": 0,
        "skipped": 0,
        "ambiguous": 0,
        "unsent": 0,
        "superseded": superseded,
    }
    rows, schema = ask(loaded, "customers", CUSTOMER_COLUMNS, "email")
    assert typed(rows) == typed(expected_customers())
    email = schema.column("email")
    assert email is not None
    assert (email.indexed, email.unique) == (True, True)


def test_upsert_again_changes_nothing(tmp_path: Path) -> None:
    """The same rows, none doubled, after a second run."""
    load(CONFIGS / "upsert.toml", tmp_path)
    again = load(CONFIGS / "upsert.toml", tmp_path)
    assert again.code == 0, again.stderr
    rows, _ = ask(again, "customers", CUSTOMER_COLUMNS, "email")
    assert typed(rows) == typed(expected_customers())


# --- ndjson.toml ------------------------------------------------------------------------------


def expected_event(line: str) -> Row:
    """One line's event with every column of the table."""
    event = json.loads(line)
    moment = event.pop("time")
    named = dict.fromkeys(["amount", "detail", "page", "session", "score"])
    row = {**named, **event, "at": moment and utc(moment)}
    row["amount"] = json.loads(row["amount"]) if isinstance(row["amount"], str) else row["amount"]
    row["source"] = row.get("source") or "web"
    return row


def utc(text: str) -> str:
    """A time in UTC as the job sends it; Berlin's where no zone is named."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=ZoneInfo("Europe/Berlin"))
    fraction = text.rstrip("Z").partition(".")[2]
    seconds = moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{seconds}.{fraction}Z" if fraction else f"{seconds}Z"


def test_ndjson(tmp_path: Path) -> None:
    """Named members are typed, the others are as they were."""
    loaded = load(CONFIGS / "ndjson.toml", tmp_path)
    text = (CONFIGS / "data" / "events.ndjson").read_text(encoding="utf-8")
    expected = [expected_event(line) for line in text.split("\n") if line.strip()]
    assert loaded.code == 0, loaded.stderr
    assert loaded.counts == {"read": len(expected), "accepted": len(expected)}
    columns = "at, kind, amount, source, detail, page, session, score"
    rows, schema = ask(loaded, "events", columns, "id")
    assert typed(rows) == typed({name: row[name] for name in rows[0]} for row in expected)
    kinds = {column.name: column.type for column in schema.columns}
    assert kinds["detail"] == "Json"
    assert kinds["session"] == "Bigint"
    assert kinds["at"] == "Timestamp"


def test_a_rehearsal_knows_what_it_has_loaded(tmp_path: Path) -> None:
    """Its sandbox is at another port each time, and the same one all the same: the second run of a
    job skips what the first has loaded, and a run that was cut short is taken up."""
    job = tmp_path / "few.toml"
    (tmp_path / "few.csv").write_text("n\n1\n2\n3\n")
    job.write_text(
        '[source]\npaths = ["few.csv"]\n\n[target]\nsystem = "avalanchio"\ntable = "few"\n'
        'create = true\nbase_url = "sandbox"\n'
    )
    first = load(job, tmp_path, "--limit", "2")
    second = load(job, tmp_path)
    third = load(job, tmp_path)
    assert (first.counts, second.counts) == ({"read": 2, "accepted": 2}, {"read": 3, "accepted": 3})
    assert first.report["run"] == second.report["run"] != third.report["run"]
    assert third.counts == {"read": 3, "skipped": 3}
    rows, _ = ask(third, "few", "n", "n")
    assert [row["n"] for row in rows] == [1, 2, 3]
