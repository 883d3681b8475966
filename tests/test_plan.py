"""`ingest plan` against the runs it foretells: the very same records, rejects, requests and bytes.

Every plan here is made before its run, against the same service; then the run's own report is held
against it, figure by figure.
"""

from __future__ import annotations

import gzip
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import airportsdata
import anyio
import orjson
import pytest

from ingest.build.planning import PlanOptions, PlanResult, plan
from ingest.errors import SettingsError, StoppedByService
from ingest.job import Job, make_job, read_job
from ingest.wire import Timeouts
from tests.end_to_end import Command, Listener, command, done, job_of, load, new_table, until
from tests.sandbox.conftest import Running, running

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
AIRPORTS = Path(airportsdata.__file__).with_name("airports.csv")
COMMON = ("stocks.toml", "upsert.toml", "ndjson.toml", "aito-batch.toml", "aito-stream.toml")
QUICK = Timeouts(connect_s=0.2, calls_s=0.3)
ALL = (*COMMON, "quickstart.toml", "aito-file.toml")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One sandbox for all of them."""
    with running(tmp_path_factory.mktemp("sandbox")) as found:
        yield found


@contextmanager
def credentials(server: Running, token: str = "sandbox") -> Iterator[None]:
    """What either service is reached by."""
    known = {"AIO_TOKEN": token, "AIO_BASE_URL": server.url}
    known |= {"AITO_API_KEY": token, "AITO_INSTANCE_URL": server.url}
    with mock.patch.dict(os.environ, known):
        yield


def planned(server: Running, job: Job, folder: Path, **options: Any) -> PlanResult:
    """A plan of `job` at `server`."""
    backend = options.pop("backend", "asyncio")
    wishes = PlanOptions(folder / "state", **options)
    with credentials(server):
        return anyio.run(plan, job, wishes, Listener(), backend=backend)


def loaded(server: Running, job: Job, folder: Path, **options: Any) -> dict[str, Any]:
    """The report of a run of it."""
    with credentials(server):
        report: dict[str, Any] = load(server, job, folder, **options).report
    return report


def same(found: PlanResult, report: dict[str, Any]) -> None:
    """Records, rejects, requests and bytes are the run's."""
    records, run = found.report["records"], report["records"]
    assert records["read"] == run["read"]
    assert records["rejected"] == run["rejected"]
    assert records["skipped"] == run["skipped"]
    assert records["to_send"] == run["accepted"]
    assert found.report["bytes"]["read"] == report["bytes"]["read"]
    assert found.report["rejects"]["by_reason"] == report["rejects"]["by_reason"]
    own = found.report["ways"][0]
    assert own["requests"] == report["requests"]["sent"]
    assert own["superseded"] == run["superseded"]
    if own["way"] != "file":
        assert own["bytes"] == report["bytes"]["sent"]
    assert found.exit_code == report["exit_code"]


def rows(number: int, bad: int = 0) -> str:
    """A CSV of so many records, each `bad`th of them with a bad cell."""
    lines = ["n,name,day"]
    for at in range(number):
        n = "x" if bad and at % bad == 0 else str(at)
        lines.append(f"{n},name {at},2024-01-{at % 28 + 1:02d}")
    return "\n".join(lines) + "\n"


FIELDS: dict[str, Any] = {
    "n": {"type": "integer"},
    "name": {"type": "string"},
    "day": {"type": "date"},
}


# --- every config ---------------------------------------------------------------------------


def test_every_config_is_planned_here() -> None:
    """A job that is added to configs/ is planned, too."""
    assert {path.name for path in CONFIGS.glob("*.toml")} == set(ALL)


def config(name: str, *sets: str) -> Job:
    """A job of configs/ that goes to the tests' own sandbox, into a table of its own."""
    more = [f'source.paths=["{AIRPORTS}"]'] if name in ("quickstart.toml", "aito-file.toml") else []
    table = f'target.table="{new_table()}"'
    job = read_job(CONFIGS / name, [*more, table, *sets])
    target = job.target.model_copy(update={"base_url": None})
    return job.model_copy(update={"target": target})


@pytest.mark.parametrize("name", ALL)
def test_configs(server: Running, tmp_path: Path, name: str) -> None:
    """The job as it stands: plan's figures are the run's."""
    job = config(name)
    found = planned(server, job, tmp_path)
    report = loaded(server, job, tmp_path)
    same(found, report)
    own = found.report["ways"][0]
    if own["way"] == "file":
        assert own["about"] == ["bytes"]
        assert abs(own["bytes"] - report["bytes"]["sent"]) < 0.2 * report["bytes"]["sent"]


@pytest.mark.parametrize("name", COMMON)
@pytest.mark.parametrize("records", [1, 2, 3])
def test_configs_in_small_bodies(server: Running, tmp_path: Path, name: str, records: int) -> None:
    """The same with bodies of one, two and three records."""
    job = config(name, f"limits.records={records}")
    same(planned(server, job, tmp_path), loaded(server, job, tmp_path))


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("aito-batch.toml", 300),
        ("aito-batch.toml", 6_000_000),
        ("aito-stream.toml", 300),
        ("aito-file.toml", 200_000),
    ],
)
def test_other_ways(server: Running, tmp_path: Path, name: str, size: int) -> None:
    """What a plan says of the ways that the job does not go is what runs by them take."""
    job = config(name, f"limits.bytes={size}")
    others = planned(server, job, tmp_path).report["ways"]
    assert {way["way"] for way in others} == {"batch", "stream", "file"}
    for other in others:
        target = job.target.model_copy(update={"via": other["way"], "table": new_table()})
        folder = tmp_path / other["way"]
        folder.mkdir()
        changed = job.model_copy(update={"target": target})
        report = loaded(server, changed, folder)
        assert other["requests"] == report["requests"]["sent"], other
        assert other["records"] == report["records"]["accepted"]
        if other["way"] != "file":
            assert other["bytes"] == report["bytes"]["sent"]


# --- data with rejects, files, ids, stamps ------------------------------------------------


CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "bytes": {"limits": {"bytes": 700}},
    "count": {"limits": {"records": 7}},
    "ids": {"delivery": {"id": "derived"}, "limits": {"bytes": 900}},
    "stamp": {"delivery": {"stamp": "batch"}, "limits": {"bytes": 1500}},
    "line": {"fields": {**FIELDS, "line": {"from": "@line"}}, "limits": {"records": 50}},
    "upsert": {
        "target": {"mode": "upsert", "upsert_key": "name"},
        "fields": {**FIELDS, "name": {"type": "string", "required": True}},
        "limits": {"records": 40},
    },
}


def messy(folder: Path, table: str, **sections: Any) -> Job:
    """A job over three files with bad cells, ragged rows and an open quote."""
    (folder / "a.csv").write_text(rows(120, bad=10))
    (folder / "b.csv").write_text(rows(33) + "1,too few\n1,2,3,4\n5,end,2024-02-30\n")
    (folder / "c.csv").write_text(rows(57) + '9,"never closed,2024-01-01\n')
    return job_of(folder, table, "*.csv", **{"fields": FIELDS, **sections})


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("case", CASES)
def test_rejects_and_files(server: Running, tmp_path: Path, case: str, backend: str) -> None:
    """Several files with records to reject, however they are delivered."""
    job = messy(tmp_path, new_table(), **CASES[case])
    found = planned(server, job, tmp_path, backend=backend)
    assert (found.exit_code, found.report["records"]["rejected"]) == (3, 12 + 3 + 1)
    same(found, loaded(server, job, tmp_path))


@pytest.mark.parametrize("limit", [1, 2, 121, 200, 10_000])
def test_limit(server: Running, tmp_path: Path, limit: int) -> None:
    """The first N records, across files and among rejects."""
    job = messy(tmp_path, new_table(), limits={"records": 7})
    found = planned(server, job, tmp_path, limit=limit)
    same(found, loaded(server, job, tmp_path, limit=limit))
    assert found.report["state"] == ("sample" if limit < 10_000 else "whole")


def test_sample(server: Running, tmp_path: Path) -> None:
    """`--sample` is the smaller of the two."""
    job = messy(tmp_path, new_table())
    found = planned(server, job, tmp_path, limit=50, sample=5).report
    assert (found["records"]["read"], found["state"]) == (5, "sample")


def test_one_file_changed(server: Running, tmp_path: Path) -> None:
    """What a finished run has is skipped, and only what a file grew by is planned."""
    job = messy(tmp_path, new_table())
    loaded(server, job, tmp_path)
    with (tmp_path / "b.csv").open("a") as file:
        file.write("77,more,2024-01-01\n")
    found = planned(server, job, tmp_path)
    assert found.report["records"]["skipped"] == 120 + 36 + 58
    same(found, loaded(server, job, tmp_path))


def test_ids_that_are_taken(server: Running, tmp_path: Path) -> None:
    """Ids that the table holds already are the plan's conflict as they are the run's refusal."""
    job = messy(tmp_path, new_table(), delivery={"id": "derived"})
    loaded(server, job, tmp_path, fresh=True)
    found = planned(server, job, tmp_path)
    with pytest.raises(SettingsError) as refused:
        loaded(server, job, tmp_path)
    assert (found.exit_code, found.report["conflicts"]) == (2, [refused.value.message])


def test_table_is_gone(tmp_path: Path) -> None:
    """A table that is gone since its files were loaded: refused as the run refuses it."""
    job = messy(tmp_path, "gone", target={"base_url": "sandbox"})
    path = write(tmp_path, job)
    assert done(tmp_path, "run", path, env={})[0] == 3
    shutil.rmtree(tmp_path / "state" / "sandbox")
    found = anyio.run(plan, job, PlanOptions(tmp_path / "state"), Listener())
    assert (found.exit_code, "has loaded 214 records" in found.report["conflicts"][0]) == (2, True)
    anew = anyio.run(plan, job, PlanOptions(tmp_path / "state", restart=True), Listener())
    assert (anew.exit_code, anew.report["records"]["skipped"]) == (3, 0)
    assert done(tmp_path, "run", path, env={})[0] == 2


def test_unfinished(server: Running, tmp_path: Path) -> None:
    """A run that waits to be taken up is named, with what is settled; the plan is of the whole
    input, and leaves the run as it is."""
    job = messy(tmp_path, new_table())
    report = loaded(server, job, tmp_path, limit=50)
    found = planned(server, job, tmp_path).report
    assert found["unfinished"] == {
        "run": report["run"], "settled": 50, "open_requests": 0,
    }  # fmt: skip
    assert report["records"]["read"] == 50
    assert (found["records"]["read"], found["records"]["skipped"]) == (120 + 36 + 58, 0)
    taken_up = loaded(server, job, tmp_path)
    assert (taken_up["run"], taken_up["records"]["read"]) == (report["run"], 120 + 36 + 58)
    assert planned(server, job, tmp_path).report["unfinished"] is None


def test_unchanged(server: Running, tmp_path: Path) -> None:
    """Nothing new: all is skipped, nothing would be sent."""
    job = messy(tmp_path, new_table())
    loaded(server, job, tmp_path)
    found = planned(server, job, tmp_path)
    assert (found.exit_code, found.report["records"]["to_send"]) == (0, 0)
    assert found.report["ways"][0]["requests"] == 0
    same(found, loaded(server, job, tmp_path))
    assert planned(server, job, tmp_path, restart=True).report["records"]["skipped"] == 0


def test_evidence_key(server: Running, tmp_path: Path) -> None:
    """Keys that stand twice in the data would prove nothing: named with their places."""
    (tmp_path / "a.ndjson").write_text('{"k":1}\n{"k":2}\n{"k":"1"}\n{"k":2}\n{}\n')
    target = {"system": "aito", "table": new_table(), "create": True}
    document = {"name": "job", "source": {"paths": "*.ndjson"}, "target": target}
    fields = {"k": {"type": "string"}}
    job = make_job({**document, "fields": fields, "delivery": {"evidence_key": "k"}}, base=tmp_path)
    found = planned(server, job, tmp_path)
    keys = found.report["keys"]
    assert (keys["keys_doubled"], keys["records"], keys["without"]) == (2, 4, 1)
    places = [[one["record"] for one in group] for group in keys["examples"]]
    assert places == [[1, 3], [2, 4]]
    same(found, loaded(server, job, tmp_path))
    assert not list((tmp_path / "state" / "runs").glob("x*"))


# --- what is sent: nothing --------------------------------------------------------------------


def test_nothing_is_made(server: Running, tmp_path: Path) -> None:
    """No table, no state directory, no request that writes."""
    table, before = new_table(), server.stats()
    found = planned(server, messy(tmp_path, table), tmp_path)
    assert found.report["table"]["made"]
    answer = server.http.get(f"/api/v1/schema/describe-table/{table}")
    assert answer.status_code == 404
    assert not (tmp_path / "state").exists()
    assert server.stats()["tables"] == before["tables"] if "tables" in before else True


def test_sandbox_job_leaves_nothing(tmp_path: Path) -> None:
    """`base_url = "sandbox"` with no data yet: nothing is begun, and the table would be made."""
    job = messy(tmp_path, "fresh", target={"base_url": "sandbox"})
    found = anyio.run(plan, job, PlanOptions(tmp_path / "state"), Listener())
    assert found.report["table"]["made"]
    assert not (tmp_path / "state").exists()


def test_sandbox_with_data(tmp_path: Path) -> None:
    """Of a sandbox that has data its tables are asked for, and none is made."""
    job = messy(tmp_path, "first", target={"base_url": "sandbox"})
    code, ran = done(tmp_path, "run", write(tmp_path, job), env={})
    assert code == 3, ran.stderr
    again = anyio.run(plan, job, PlanOptions(tmp_path / "state"), Listener())
    assert again.report["table"]["exists"]
    assert again.report["records"]["skipped"] == again.report["records"]["read"] == 120 + 36 + 58
    other = messy(tmp_path, "second", target={"base_url": "sandbox"})
    options = PlanOptions(tmp_path / "state")
    for _ in range(2):
        found = anyio.run(plan, other, options, Listener())
        assert found.report["table"] | {"columns_made": []} == {
            "exists": False, "made": True, "columns_made": [], "differs": [], "not_filled": [],
        }  # fmt: skip


def write(folder: Path, job: Job) -> Path:
    """The job as a file that its command can read."""
    path = folder / "job.toml"
    target = {k: v for k, v in job.target.model_dump().items() if k in job.target.model_fields_set}
    lines = ["[source]", 'paths = "*.csv"', "[target]"]
    lines += [f"{key} = {orjson.dumps(value).decode()}" for key, value in target.items()]
    lines += ["[fields]"]
    lines += [f'{name} = {{ type = "{one.type}" }}' for name, one in job.fields.items()]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_offline(tmp_path: Path) -> None:
    """With no credential and no network: the same figures, and it is said what is not known."""
    job = messy(tmp_path, "somewhere")
    job = job.model_copy(update={"target": job.target.model_copy(update={"create": False})})
    with mock.patch.dict(os.environ, {"HOME": str(tmp_path)}):
        found = anyio.run(plan, job, PlanOptions(tmp_path / "s", offline=True), Listener())
    assert (found.report["asked"], found.exit_code) == (False, 3)
    assert found.report["records"]["read"] == 120 + 36 + 58


# --- conflicts, limits, trouble -----------------------------------------------------------


def test_conflicts(server: Running, tmp_path: Path) -> None:
    """All that does not fit is shown at once; exit 2, and nothing is read."""
    (tmp_path / "a.csv").write_text("n,name\n1,a\n")
    fields = {"m": {"type": "integer"}, "day": {"from": "dya", "type": "date"}}
    found = planned(server, job_of(tmp_path, new_table(), "*.csv", fields=fields), tmp_path)
    assert (found.exit_code, found.report["state"], found.report["records"]) == (2, "refused", None)
    assert len(found.report["conflicts"]) == 2
    assert "'dya'" in found.report["conflicts"][1]


def test_no_table(server: Running, tmp_path: Path) -> None:
    """A table that is missing and is not to be made is a conflict with the way on."""
    job = messy(tmp_path, new_table(), target={"create": False})
    found = planned(server, job, tmp_path)
    assert found.exit_code == 2
    assert "no such table" in found.report["conflicts"][0]
    assert "create = true" in found.report["hint"]


def test_live_table(server: Running, tmp_path: Path) -> None:
    """Columns to add, properties that stay, columns that nobody fills."""
    table = server.make(
        {"name": "n", "type": "Bigint"},
        {"name": "name", "type": "Text"},
        {"name": "spare", "type": "Double"},
    )
    fields = {**FIELDS, "name": {"type": "string", "column": {"indexed": True}}}
    found = planned(server, messy(tmp_path, table, fields=fields), tmp_path).report["table"]
    assert [column["name"] for column in found["columns_made"]] == ["day"]
    assert any("name: the job says indexed = true" in one for one in found["differs"])
    assert "spare" in [column["name"] for column in found["not_filled"]]


@pytest.mark.parametrize(("most", "code"), [(15, 4), (16, 3)])
def test_reject_limit(server: Running, tmp_path: Path, most: int, code: int) -> None:
    """Passed is strictly more; the plan goes on to count them all."""
    job = messy(tmp_path, new_table(), rejects={"max_count": most})
    found = planned(server, job, tmp_path)
    assert (found.exit_code, found.report["records"]["rejected"]) == (code, 16)


def test_examples_and_ambiguous_dates(server: Running, tmp_path: Path) -> None:
    """The first examples name their places; a date of two readings is said by its column."""
    (tmp_path / "a.csv").write_text("day\n13/04/2024\n03/04/2024\n05/04/2024\n")
    fields = {"day": {"type": "date", "format": ["%d/%m/%Y", "%m/%d/%Y"]}}
    found = planned(server, job_of(tmp_path, new_table(), "*.csv", fields=fields), tmp_path).report
    assert [one["line"] for one in found["rejects"]["examples"]] == [3, 4]
    ambiguous = found["ambiguous_dates"][0]
    assert (ambiguous["column"], ambiguous["records"]) == ("day", 2)
    assert found["fields"][0]["before"] == "13/04/2024"
    assert found["fields"][0]["after"] == '"2024-04-13"'


def test_broken_input(server: Running, tmp_path: Path) -> None:
    """A file cut short: what could be read is planned, exit 1."""
    packed = gzip.compress(rows(5000).encode())
    (tmp_path / "a.csv.gz").write_bytes(packed[: len(packed) // 2])
    job = job_of(tmp_path, new_table(), "*.gz", fields=FIELDS)
    found = planned(server, job, tmp_path)
    assert (found.exit_code, found.report["state"]) == (1, "failed")
    assert found.report["records"]["read"] > 0
    same(found, loaded(server, job, tmp_path))


def test_service_away(server: Running, tmp_path: Path) -> None:
    """A service that does not answer is exit 7, not a plan with holes."""
    job = messy(tmp_path, new_table())
    with (
        credentials(server),
        mock.patch.dict(os.environ, {"AIO_BASE_URL": "http://127.0.0.1:1"}),
        mock.patch("ingest.build.connect.timeouts_of", return_value=QUICK),
        pytest.raises(StoppedByService),
    ):
        anyio.run(plan, job, PlanOptions(tmp_path / "state"), Listener())


# --- the command ------------------------------------------------------------------------------


def run_plan(folder: Path, server: Running, *arguments: str | Path) -> tuple[int, Command]:
    """The real command."""
    env = {"AIO_TOKEN": "sandbox", "AIO_BASE_URL": server.url}
    state = ("--state-dir", str(folder / "state"))
    return done(folder, "plan", *arguments, *state, env=env)


def test_command(server: Running, tmp_path: Path) -> None:
    """Tables on standard output, notes on standard error; JSON on request; exit 3."""
    job = write(tmp_path, messy(tmp_path, new_table()))
    code, shown = run_plan(tmp_path, server, job)
    text = shown.stdout.decode()
    assert (code, "would be rejected" in text, "too_few_fields" in text) == (3, True, True)
    assert "plan of job" in text
    code, shown = run_plan(tmp_path, server, job, "--json")
    assert (code, orjson.loads(shown.stdout)["exit_code"]) == (3, 3)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted(server: Running, tmp_path: Path, number: signal.Signals, code: int) -> None:
    """What is known so far is shown, marked partial."""
    fifo = tmp_path / "a.csv"
    os.mkfifo(fifo)
    path = tmp_path / "job.toml"
    target = f'system = "avalanchio"\ntable = "{new_table()}"\ncreate = true\n'
    path.write_text(
        f'[source]\npaths = "a.csv"\nheader = true\nformat = "csv"\nblock_bytes = 262144\n'
        f'[fields]\nn = {{ type = "integer" }}\nname = {{ type = "string" }}\n[target]\n{target}'
    )
    env = {"AIO_TOKEN": "sandbox", "AIO_BASE_URL": server.url}
    arguments = ("plan", path, "--json", "--state-dir", tmp_path / "state")
    with command(tmp_path, *arguments, env=env) as planning:
        writing = os.open(fifo, os.O_WRONLY)
        try:
            head = rows(500_000).encode()  # more than the sample at the start
            view = memoryview(head)
            while view:
                view = view[os.write(writing, view) :]
            until(lambda: "plan: job" in planning.stderr, "begun")
            planning.tell(number)
            assert planning.ended() == code, planning.stderr
        finally:
            os.close(writing)
    report = orjson.loads(planning.stdout)
    assert (report["state"], report["exit_code"]) == ("partial", code)
    assert 0 <= report["records"]["read"] <= 500_000
