"""Ingest as a library: outcomes, events, records, cancelling, and what the documentation shows."""

from __future__ import annotations

import asyncio
import inspect
import logging
import re
import signal
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Coroutine, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

import ingest
from ingest.errors import JobHeld, SettingsError
from tests.end_to_end import DEADLINE_S, ENDS, ROOT, Listener, credentials, new_table, rejects_of
from tests.sandbox.conftest import Running, running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One sandbox; each test loads into a table of its own."""
    with running(tmp_path_factory.mktemp("sandbox")) as one:
        yield one


@pytest.fixture(autouse=True)
def here(server: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Credentials for the sandbox, and an empty working directory."""
    for name, value in credentials(server).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(name: str, text: str) -> None:
    """A file in the working directory."""
    Path(name).write_text(text)


def job_text(table: str) -> str:
    """A job that loads n.csv into this table."""
    target = f'[target]\nsystem = "avalanchio"\ntable = "{table}"\ncreate = true\n'
    return f'[source]\npaths = "n.csv"\n{target}'


def runs() -> list[Path]:
    """The runs that the default state directory knows."""
    return list(Path(".ingest/runs").glob("*"))


async def endless(closed: list[str] | None = None) -> AsyncIterator[dict[str, Any]]:
    """Records of 4 KB, for ever."""
    number = 0
    try:
        while True:
            yield {"n": number, "text": "x" * 4000}
            number += 1
            await anyio.lowlevel.checkpoint()
    finally:
        if closed is not None:
            closed.append("closed")


def check(outcome: ingest.Outcome) -> None:
    """Every record has one end, and the view says what the report says."""
    counts = outcome.report["records"]
    assert counts["read"] == sum(counts[end] for end in ENDS)
    assert all(getattr(outcome.records, name) == counts[name] for name in ("read", *ENDS))
    assert (outcome.run, outcome.state) == (outcome.report["run"], outcome.report["state"])
    assert outcome.ok is (outcome.exit_code == 0)


# --- jobs and files -------------------------------------------------------------------------


@pytest.mark.anyio
async def test_a_job_is_run_by_its_path_or_as_one(server, here):
    """The second run finds its file settled: it is the same job, with the same books."""
    table = new_table()
    write("n.csv", "n,name\n1,a\n2,b\n")
    job_file = here / "numbers.toml"
    write("numbers.toml", job_text(table))
    first = await ingest.run(str(job_file), ask=f"select count(*) n from {table}")
    second = await ingest.run(ingest.read_job(job_file))
    assert (first.state, first.exit_code, first.rows) == ("done", 0, [{"n": 2}])
    assert (first.records.accepted, second.records.skipped) == (2, 2)
    assert (here / ".ingest/runs" / first.run / "report.json").is_file()
    for outcome in (first, second):
        check(outcome)


@pytest.mark.anyio
async def test_files_are_loaded_with_settings_and_rejects_are_named(server):
    """A path, a path object, and the rest of a job as a mapping."""
    table = new_table()
    write("a.csv", "n\n1\nx\n")
    write("b.csv", "n\n3\n")
    outcome = await ingest.load(
        ["a.csv", Path("b.csv")],
        to=f"avalanchio:{table}",
        create=True,
        settings={"fields": {"n": {"type": "integer"}}},
        state_dir="elsewhere",
    )
    check(outcome)
    assert (outcome.state, outcome.exit_code, outcome.ok) == ("done", 3, False)
    assert [row["n"] for row in server.rows(table, "n")] == [1, 3]
    assert outcome.rejects_file is not None
    assert outcome.rejects_file.is_relative_to("elsewhere")
    assert sum(outcome.rejects_by_reason.values()) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"data": "gone.csv", "to": "avalanchio:t"}, "gone.csv: no such file"),
        ({"data": [], "to": "nowhere"}, "not SYSTEM:TABLE"),
        ({"data": 7, "to": "avalanchio:t"}, "neither paths nor"),
        ({"data": {"n": 1}, "to": "avalanchio:t"}, "neither paths nor"),
        ({"data": [], "to": "avalanchio:t", "limit": 0}, "at least 1"),
        ({"data": [], "to": "avalanchio:t", "max_duration_s": 0}, "more than 0"),
        ({"data": [], "to": "avalanchio:t", "fresh": True, "restart": True}, "fresh excludes"),
        ({"data": [], "to": "avalanchio:t", "settings": {"source": {"format": "csv"}}}, "format"),
        ({"data": [], "to": "avalanchio:t", "settings": {"limit": {}}}, "did you mean .*limits"),
        ({"data": [], "to": "avalanchio:t", "settings": {"source": 1}}, "must be a table"),
    ],
)
@pytest.mark.anyio
async def test_what_is_wrong_before_anything_is_sent_is_raised(server, arguments, words):
    """As an IngestError with its words; no run was begun."""
    before = server.stats()
    with pytest.raises(SettingsError, match=words):
        await ingest.load(**arguments)
    assert server.stats() == before
    assert runs() == []


@pytest.mark.anyio
async def test_an_unknown_option_is_a_programming_error():
    """As for any function."""
    with pytest.raises(TypeError, match="limits"):
        await ingest.load([], to="avalanchio:t", limits=3)  # type: ignore[call-overload] # as said


# --- records --------------------------------------------------------------------------------


@pytest.mark.anyio
@pytest.mark.parametrize("count", [0, 1, 2, 12_000])
async def test_records_of_an_async_iterator_land(server, count):
    """None, one, two, and more than a request holds."""
    table = server.make({"name": "n", "type": "Bigint"}, {"name": "price", "type": "Double"})

    async def rows() -> AsyncIterator[dict[str, Any]]:
        for number in range(count):
            yield {"n": number, "price": Decimal(number) / 4}

    outcome = await ingest.load(rows(), to=f"avalanchio:{table}")
    check(outcome)
    assert (outcome.state, outcome.records.accepted) == ("done", count)
    assert outcome.report["files"][0]["path"] == "<records>"
    found = server.sql(f"select count(*) c, sum(price) s from {table}").json()["rows"][0]
    assert (found["c"], found["s"] or 0) == (count, sum(range(count)) / 4)


@pytest.mark.anyio
async def test_a_record_that_is_none_is_rejected_by_its_number(server):
    """What can't be encoded, and what the mapping refuses, each under the number it came as."""
    table = new_table()
    given: list[Any] = [{"n": 1}, {"n": {2}}, {"n": "three"}, ["n", 4], {"n": 5}]
    outcome = await ingest.load(
        (record for record in given),
        to=f"avalanchio:{table}",
        create=True,
        settings={"fields": {"n": {"type": "integer"}}},
    )
    check(outcome)
    assert outcome.exit_code == 3
    rejects = rejects_of(dict(outcome.report))
    assert [(one["file"], one["record"]) for one in rejects] == [
        ("<records>", n) for n in (2, 3, 4)
    ]
    assert "set has no form in JSON" in rejects[0]["raw"]
    assert [row["n"] for row in server.rows(table, "n")] == [1, 5]


@pytest.mark.anyio
async def test_what_the_iterator_raises_ends_the_run_as_failed(server):
    """The records before it are loaded and accounted for."""
    table = new_table()

    async def rows() -> AsyncIterator[dict[str, Any]]:
        for number in range(10):
            yield {"n": number}
        raise LookupError("the database is gone")

    outcome = await ingest.load(rows(), to=f"avalanchio:{table}", create=True)
    check(outcome)
    assert (outcome.state, outcome.exit_code) == ("failed", 1)
    assert (outcome.records.read, outcome.records.accepted) == (10, 10)
    assert isinstance(outcome.cause, LookupError)
    assert outcome.error is not None
    assert "LookupError after 10 records: the database is gone" in outcome.error.message
    assert len(server.rows(table, "n")) == 10


@pytest.mark.anyio
async def test_records_are_no_run_to_be_taken_up(server):
    """They can't be read twice: the next load says so and begins anew. A limit closes them."""
    table, notes, closed = new_table(), list[str](), list[str]()

    def told(event: ingest.Event) -> None:
        if isinstance(event, ingest.Note):
            notes.append(event.message)

    first = await ingest.load(endless(closed), to=f"avalanchio:{table}", create=True, limit=3)
    second = await ingest.load([{"n": 9}], to=f"avalanchio:{table}", watch=told, create=True)
    assert (first.records.accepted, second.records.accepted) == (3, 1)
    assert first.report["job"] == second.report["job"]
    assert any("can't be read twice" in note for note in notes)
    assert closed == ["closed"]


@pytest.mark.anyio
async def test_two_loads_of_records_at_once_need_names(server):
    """One job is run once at a time; with a name of its own each is a job."""
    table = server.make({"name": "n", "type": "Bigint"})
    got: list[ingest.Outcome] = []

    async def nested(**settings: Any) -> AsyncIterator[dict[str, Any]]:
        yield {"n": 1}
        got.append(await ingest.load([{"n": 2}], to=f"avalanchio:{table}", settings=settings))

    outcome = await ingest.load(nested(), to=f"avalanchio:{table}")
    assert isinstance(outcome.cause, JobHeld)
    outcome = await ingest.load(nested(name="another"), to=f"avalanchio:{table}")
    assert (outcome.state, got[0].state) == ("done", "done")
    assert sorted(row["n"] for row in server.rows(table, "n")) == [1, 1, 2]


# --- events ---------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_events_are_told_in_order_and_a_watcher_is_told_the_same(server):
    """Started once and first of all but notes, finished once and last."""
    table, events, listener = new_table(), list[ingest.Event](), Listener()
    for watch in (events.append, listener):
        await ingest.load([{"n": 1}], to=f"avalanchio:{table}", create=True, watch=watch)
    told = [type(event).__name__ for event in events if not isinstance(event, ingest.Note)]
    assert (told[0], told[-1]) == ("Started", "Finished")
    assert set(told[1:-1]) == {"Snapshot"}
    last = events[-1]
    assert isinstance(last, ingest.Finished)
    assert last.report["records"]["accepted"] == 1
    assert any(isinstance(event, ingest.Note) for event in events)
    assert (listener.heard[0], listener.heard[-1]) == ("started", "finished")


@pytest.mark.anyio
async def test_a_watch_that_raises_is_logged_and_not_called_again(server, caplog):
    """The run is none the worse."""
    calls: list[object] = []

    def broken(event: ingest.Event) -> None:
        calls.append(event)
        raise ZeroDivisionError

    outcome = await ingest.load(
        [{"n": 1}], to=f"avalanchio:{new_table()}", create=True, watch=broken
    )
    assert (outcome.state, len(calls)) == ("done", 1)
    assert [one.exc_info[0] for one in caplog.records if one.exc_info] == [ZeroDivisionError]


@pytest.mark.anyio
async def test_without_a_watch_notes_are_logged(server, caplog):
    """Under the program's own rules, at their level."""
    caplog.set_level(logging.INFO, "ingest")
    await ingest.load([{"n": 1}], to=f"avalanchio:{new_table()}", create=True)
    assert ("ingest", logging.INFO) in {(one.name, one.levelno) for one in caplog.records}


# --- cancelling -----------------------------------------------------------------------------


class AtFirstSuccess:
    """Calls something once when the first records are accepted; keeps the report and handlers."""

    def __init__(self, call: Any) -> None:
        self._call = call
        self.report: Any = None
        self.handlers: set[Any] = set()

    def __call__(self, event: ingest.Event) -> None:
        if isinstance(event, ingest.Snapshot):
            self.handlers.add(signal.getsignal(signal.SIGTERM))
            if event.accepted and self._call is not None:
                self._call, call = None, self._call
                call()
        if isinstance(event, ingest.Finished):
            self.report = event.report


SMALL = {"limits": {"records": 50}}


@pytest.mark.anyio
async def test_a_cancelled_scope_drains_and_the_outcome_is_returned(server):
    """What was accepted is in the table, all adds up, the iterator is closed, and the scope raises
    at the next await."""
    table, closed, outcomes = new_table(), list[str](), list[ingest.Outcome]()
    before = signal.getsignal(signal.SIGTERM)
    with anyio.move_on_after(DEADLINE_S) as scope:
        watch = AtFirstSuccess(scope.cancel)
        outcomes.append(
            await ingest.load(
                endless(closed),
                to=f"avalanchio:{table}",
                create=True,
                settings=SMALL,
                watch=watch,
            )
        )
        await anyio.lowlevel.checkpoint()
        closed.append("not to be reached")
    outcome = outcomes[0]
    check(outcome)
    assert scope.cancelled_caught
    assert (outcome.state, outcome.exit_code, outcome.records.ambiguous) == ("interrupted", 130, 0)
    assert outcome.records.accepted == len(server.rows(table, "n")) > 0
    assert closed == ["closed"]
    assert watch.handlers == {before}


@pytest.mark.anyio
async def test_cancelled_before_the_load_nothing_is_sent_and_no_run_is_begun(server):
    """It is just cancelled, as anything is."""
    before, ended = server.stats(), list[str]()
    with anyio.CancelScope() as scope:

        async def waiting() -> AsyncIterator[dict[str, Any]]:
            try:
                scope.cancel()
                await anyio.sleep_forever()
                yield {}
            finally:
                ended.append("iterator")

        await ingest.load(waiting(), to="avalanchio:never", create=True)
        ended.append("not to be reached")
    assert scope.cancelled_caught
    assert ended == ["iterator"]
    assert server.stats() == before
    assert runs() == []


def test_asyncios_timeout_drains_and_raises(server):
    """Its cancelling must go on; the report was told and is kept."""
    table = new_table()

    async def main() -> AtFirstSuccess:
        limit, now = asyncio.timeout(DEADLINE_S), asyncio.get_running_loop().time
        watch, to = AtFirstSuccess(lambda: limit.reschedule(now())), f"avalanchio:{table}"
        with pytest.raises(TimeoutError):
            await within(
                limit, ingest.load(endless(), to=to, create=True, settings=SMALL, watch=watch)
            )
        return watch

    async def within(limit: asyncio.Timeout, call: Coroutine[Any, Any, ingest.Outcome]) -> None:
        async with limit:
            await call

    watch = asyncio.run(main())
    assert watch.report["state"] == "interrupted"
    assert watch.report["records"]["accepted"] == len(server.rows(table, "n")) > 0
    assert Path(".ingest/runs", watch.report["run"], "report.json").is_file()


@pytest.mark.anyio
async def test_a_limit_of_time_ends_a_load_in_order(server):
    """As `--max-duration` does."""
    outcome = await ingest.load(
        endless(), to=f"avalanchio:{new_table()}", create=True, settings=SMALL, max_duration_s=0.3
    )
    check(outcome)
    assert (outcome.state, outcome.exit_code) == ("interrupted", 130)


# --- what is documented, typed and shipped --------------------------------------------------


def examples(function: Any) -> list[str]:
    """The code blocks of a docstring."""
    found = re.split(r"::\n\n", inspect.getdoc(function) or "")[1:]
    return [textwrap.dedent(re.split(r"\n(?=\S)", block)[0]) for block in found]


@pytest.mark.anyio
@pytest.mark.parametrize("function", [ingest.run, ingest.load])
async def test_the_examples_of_the_docstrings_run(function, server, capsys):
    """As they stand, with a job and a table."""
    write("n.csv", "number\n" + "".join(f"{n}\n" for n in range(1000)))
    table = "documented_" + function.__name__ + new_table()
    write("numbers.toml", job_text(table))
    shown = examples(function)
    assert len(shown) == 1
    code = f"async def main():\n{textwrap.indent(shown[0], '    ')}\n"
    names: dict[str, Any] = {"ingest": ingest, "Decimal": Decimal}
    exec(compile(code.replace("avalanchio:numbers", f"avalanchio:{table}"), "docs", "exec"), names)
    await names["main"]()
    assert capsys.readouterr().out == "done 1000\n"
    assert server.sql(f"select count(*) c from {table}").json()["rows"] == [{"c": 1000}]


def test_the_readmes_example_runs(server, here, capsys):
    """As it stands: files, then a program's own records."""
    Path("data/stocks").mkdir(parents=True)
    Path("data/stocks/AAPL.csv").write_text("day,close\n2024-01-02,185.64\n")
    section = (ROOT / "README.md").read_text().partition("\n## As a library\n")[2]
    code = re.findall(r"```python\n(.*?)```", section.partition("\n## ")[0], re.DOTALL)
    assert len(code) == 1
    exec(compile(code[0], "README.md", "exec"), {"__name__": "__main__"})
    assert capsys.readouterr().out.splitlines()[:2] == ["done 1 None", "done 2"]


def test_the_types_are_what_a_program_is_told(tmp_path):
    """By mypy, strictly, with the errors that are meant; the package says that it is typed."""
    assert Path(ingest.__file__).with_name("py.typed").is_file()
    pytest.importorskip("mypy")
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent"]
    found = subprocess.run(
        [*command, "tests/typed_api.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert found.returncode == 0, found.stdout + found.stderr


def test_importing_the_package_imports_nothing_heavy():
    """`ingest --help` and a program that only mentions ingest stay quick."""
    code = (
        "import sys, ingest; assert 'load' in dir(ingest)\n"
        "heavy = {'polars', 'anyio', 'pydantic', 'orjson', 'ingest.api'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "assert ingest.load.__module__ == 'ingest.api'\n"
        "assert ingest.__version__\n"
        "assert all(hasattr(ingest, name) for name in ingest.__all__)\n"
        "assert not hasattr(ingest, 'nothing')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
