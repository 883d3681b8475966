"""Tokens that come to their end in the middle of a run, against a gate before a real sandbox.

For both services. Whatever becomes of the token: nothing is rejected, nothing is ambiguous, every
record is in the table once when the run (or the same command, run again) is done, and neither the
old token nor the new one stands in anything that a run leaves behind.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import anyio
import orjson
import pytest

from ingest.build import RunOptions, execute
from ingest.errors import SettingsError
from ingest.job import make_job
from ingest.targets.schemes import AITO, AVALANCHIO, CredentialScheme
from ingest.wire import login
from ingest.wire.timing import Senses
from tests.end_to_end import Listener, command, counts, new_table, sums_up
from tests.jwt import jwt
from tests.sandbox.conftest import Running, running
from tests.token_gate import DEAD, Gate, at, carries_records, token_of

RECORDS, BATCH, WRITERS = 400, 10, 4
REQUEST_S = 10.0
OLD, NEW = "old-token-0123456789", "new-token-0123456789"
SCHEMES = {"avalanchio": AVALANCHIO, "aito": AITO}


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who loads into one of the services through the gate."""

    system: str
    sandbox: Running
    folder: Path
    table: str

    @property
    def scheme(self) -> CredentialScheme:
        """The service's names for things."""
        return SCHEMES[self.system]

    @property
    def home(self) -> Path:
        """Where the service's own file lies; all else below `folder` is what a run leaves."""
        return self.folder.parent / f"home of {self.folder.name}"

    def write(self, url: str, line: str) -> None:
        """The user's file: replaced whole, as careful programs do."""
        path = self.scheme.place(self.scheme.file, {}, self.home)
        assert path
        path.parent.mkdir(parents=True, exist_ok=True)
        name = self.scheme.default_profile
        new = path.with_suffix(".new")
        new.write_text(f"[{name}]\n{self.scheme.url_key}={url}\n{line}\n")
        new.chmod(0o600)
        new.replace(path)

    def write_token(self, url: str, token: str) -> None:
        """A file with a token."""
        self.write(url, f"{self.scheme.token_key}={token}")

    def write_command(self, url: str, *tokens: str) -> Path:
        """A file with a command that prints these in turn; where it counts how often it ran."""
        ran = self.home / "ran"
        secrets = self.home / "secrets.json"
        self.home.mkdir(exist_ok=True)
        secrets.write_bytes(orjson.dumps(tokens))
        code = (
            "import json, pathlib, sys; ran, secrets = map(pathlib.Path, sys.argv[1:]);"
            "n = len(ran.read_text()) if ran.exists() else 0; ran.write_text('x' * (n + 1));"
            "tokens = json.loads(secrets.read_text()); print(tokens[min(n, len(tokens) - 1)])"
        )
        line = orjson.dumps([sys.executable, "-c", code, str(ran), str(secrets)]).decode()
        self.write(url, f"token_command={line}")
        return ran

    def variables(self, url: str, token: str) -> dict[str, str]:
        """The environment that says it all."""
        return {self.scheme.token_variable: token, self.scheme.url_variables[0]: url}

    def load(
        self, environ: Mapping[str, str], backend: str = "asyncio", **limits: Any
    ) -> tuple[dict[str, Any], list[str]]:
        """Load the file; the report and the notes. Raises what `execute` raises."""
        path = self.folder / "a.csv"
        if not path.exists():
            path.write_text("n\n" + "".join(f"{n}\n" for n in range(RECORDS)))
        document = {
            "name": "job",
            "source": {"paths": ["a.csv"], "block_bytes": 256},
            "fields": {"n": {"type": "integer"}},
            "target": {"system": self.system, "table": self.table, "create": True},
            "limits": {"records": BATCH, "in_flight": WRITERS, **limits},
        }
        listener = Listener()
        job, options = make_job(document, base=self.folder), RunOptions(self.folder / "state")
        with surrounded({**environ, "HOME": str(self.home)}):
            result = anyio.run(execute, job, options, listener, backend=backend)
        sums_up(result.report)
        assert result.report["records"]["rejected"] == 0
        assert result.report["ambiguous"] == []
        return result.report, listener.notes

    @property
    def numbers(self) -> list[int]:
        """Every row of the table."""
        if self.system == "avalanchio":
            return sorted(row["n"] for row in self.sandbox.rows(self.table, "id, n"))
        headers = {"x-api-key": "sandbox", "Authorization": ""}
        asked = {"from": self.table, "limit": 10 * RECORDS}
        answer = self.sandbox.http.post("/api/v1/_query", json=asked, headers=headers)
        return sorted(row["n"] for row in answer.json()["hits"])

    def leaks(self, *said: object) -> list[str]:
        """The tokens that stand in what was said or in what runs left behind."""
        files = b"".join(p.read_bytes() for p in self.folder.rglob("*") if p.is_file())
        text = files.decode(errors="replace") + "".join(map(str, said))
        return [token for token in (OLD, NEW) if token in text]


@contextmanager
def surrounded(environ: Mapping[str, str]) -> Iterator[None]:
    """An environment without credentials but for these."""
    ours = {*AVALANCHIO.url_variables, AVALANCHIO.token_variable, AVALANCHIO.allow_variable}
    ours |= {*AITO.url_variables, AITO.token_variable, AITO.allow_variable, AITO.profile_variable}
    ours.add("XDG_CONFIG_HOME")
    plain = {name: value for name, value in os.environ.items() if name not in ours}
    with mock.patch.dict(os.environ, {**plain, **environ}, clear=True):
        yield


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One sandbox behind all gates."""
    with running(tmp_path_factory.mktemp("sandbox")) as one:
        yield one


@pytest.fixture(params=["avalanchio", "aito"])
def user(request: pytest.FixtureRequest, sandbox: Running, tmp_path: Path) -> User:
    """A user of each service."""
    folder = tmp_path / "work"
    folder.mkdir()
    return User(request.param, sandbox, folder, new_table())


def command_lines() -> str:
    """What `ps` shows of every process."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(place.read_bytes().decode(errors="replace"))
        except OSError:  # it has ended meanwhile
            continue
    return "\n".join(found)


def rotating(gate: Gate, number: int, *more: Any) -> list[str]:
    """At that request with records OLD dies and NEW begins to work; what `ps` showed then."""
    shown: list[str] = []

    def rotate(n: int) -> None:
        if n == number:
            gate.good = {NEW}
            for act in more:
                act()
        if n == number + WRITERS + 1:
            shown.append(command_lines())

    gate.on_records = rotate
    return shown


@pytest.mark.parametrize("place", ["file", "command"])
def test_a_token_that_is_rotated_in_the_middle_of_a_run(user, place, anyio_backend, caplog):
    """The run goes on with the new one, asked for once; nothing is lost, doubled or shown."""
    caplog.set_level(logging.DEBUG)
    gate = Gate(user.sandbox.url, OLD)
    with at(gate) as server:
        if place == "command":
            ran = user.write_command(server.base_url, OLD, NEW)
            shown = rotating(gate, 10)
        else:
            user.write_token(server.base_url, OLD)
            shown = rotating(gate, 10, lambda: user.write_token(server.base_url, NEW))
        report, notes = user.load({}, anyio_backend)
    assert (report["exit_code"], counts(report)) == (0, {"read": RECORDS, "accepted": RECORDS})
    assert user.numbers == list(range(RECORDS))
    assert 1 <= len(gate.refused) <= WRITERS
    assert set(gate.refused) == {OLD}
    assert gate.seen == sorted(gate.seen, reverse=True)  # the old one, then the new, never back
    assert report["requests"]["retried"] == report["requests"]["failed"] == len(gate.refused)
    assert len([note for note in notes if "asking" in note]) == 1
    assert len([note for note in notes if "another token from" in note]) == 1
    assert place == "file" or ran.read_text() == "xx"
    assert shown
    assert not user.leaks(report, notes, caplog.text, shown)


@pytest.mark.parametrize(
    ("place", "words"),
    [("environment", DEAD.decode()), ("file", "gives no other token"), ("command", "ended with")],
)
def test_a_token_that_dies_ends_the_run_so_that_it_can_go_on(user, place, words):
    """Exit 7 with nothing rejected; the same command with a new token does the rest."""
    gate = Gate(user.sandbox.url, OLD)
    rotating(gate, 10)
    environ: dict[str, str] = {}
    with at(gate) as server:
        if place == "environment":
            environ = user.variables(server.base_url, OLD)
        elif place == "file":
            user.write_token(server.base_url, OLD)
        else:
            secrets = user.write_command(server.base_url, OLD).with_name("secrets.json")
            gate_on = gate.on_records
            gate.on_records = lambda n: (secrets.unlink(missing_ok=True), gate_on(n))[1]
        report, notes = user.load(environ)
        error = report["error"]
        assert (report["exit_code"], error["retryable"]) == (7, True)
        assert words in error["message"]
        assert "a token that worked" in error["message"]
        assert "same command" in error["hint"]
        assert 0 < report["records"]["accepted"] < RECORDS
        assert len(user.numbers) == report["records"]["accepted"]
        assert 1 <= report["requests"]["failed"] <= WRITERS
        gate.on_records = lambda _number: None
        again, more = user.load(user.variables(server.base_url, NEW))
    assert (again["exit_code"], again["run"]) == (0, report["run"])
    assert user.numbers == list(range(RECORDS))
    assert not user.leaks(report, again, notes, more)


def test_a_service_that_refuses_every_token_comes_to_an_end(user):
    """A command that always has a new one is not asked for ever."""
    gate = Gate(user.sandbox.url, OLD)
    tokens = [OLD, NEW, *[f"another-{n}-0123456789" for n in range(50)]]

    def none_is_good(number: int) -> None:
        if number == 10:
            gate.good = set()

    gate.on_records = none_is_good
    with at(gate) as server:
        ran = user.write_command(server.base_url, *tokens)
        report, notes = user.load({})
    assert report["exit_code"] == 7
    assert "the one before it was refused, too" in report["error"]["message"]
    assert ran.read_text() == "xx"
    assert len(gate.refused) <= 2 * WRITERS
    assert not user.leaks(report, notes)


@pytest.mark.parametrize("place", ["first call", "first batch"])
@pytest.mark.parametrize("words", [DEAD, b"no permission to write to this table"])
def test_a_token_that_is_refused_at_the_start_is_a_matter_of_settings(user, place, words, capsys):
    """Exit 2 wherever it shows first, with one mend; the words tell wrong from without rights."""
    gate = Gate(user.sandbox.url, NEW)
    if place == "first batch":
        gate.judge = lambda request, _token: words if carries_records(request) else None
    else:
        gate.judge = lambda _request, _token: words
    with at(gate) as server:
        environ = user.variables(server.base_url, OLD)
        if place == "first call":
            with pytest.raises(SettingsError) as caught:
                user.load(environ)
            said, code = (caught.value.message, caught.value.hint), caught.value.exit_code
        else:
            report, _ = user.load(environ)
            said, code = (report["error"]["message"], report["error"]["hint"]), report["exit_code"]
            read = report["records"]["read"]
            assert counts(report) == {"read": read, "unsent": read}
    assert code == 2
    assert "the token is refused" in said[0]
    assert ("lacks the rights" in said[0]) is (words is not DEAD)
    assert "token" in said[1]
    if words is DEAD:
        assert said[1] == "check the token in the environment or in the service's profile"
    assert not user.leaks(said, capsys.readouterr())


@pytest.mark.parametrize("place", ["environment", "file", "command"])
def test_a_token_that_has_expired_is_said_before_anything_is_sent(user, place):
    """Not a connection is opened; the message has the moment, never the token."""
    token, environ = jwt(1_700_000_000, "gone"), {}
    with at(Gate(user.sandbox.url)) as server:
        if place == "environment":
            environ = user.variables(server.base_url, token)
        elif place == "file":
            user.write_token(server.base_url, token)
        else:
            user.write_command(server.base_url, token)
        with pytest.raises(SettingsError, match="expired at 2023-11-14 22:13:20Z") as caught:
            user.load(environ)
    assert (caught.value.exit_code, server.connections) == (2, 0)
    assert token not in caught.value.message + caught.value.hint


class Hours:
    """The time that the logins of a test go by: it passes when the gate says so, from its thread.

    Whoever sleeps looks again every millisecond, because no loop can be woken from outside of it.
    """

    def __init__(self) -> None:
        self.began = time.time()  # a token must be good by the machine's clock to be taken at all
        self.passed_s = 0.0

    def monotonic(self) -> float:
        return self.passed_s

    def wall(self) -> float:
        return self.began + self.passed_s

    async def sleep(self, seconds: float) -> None:
        until = self.passed_s + seconds
        while self.passed_s < until:  # noqa: ASYNC110 - events are no matter of other threads
            await anyio.sleep(0.001)


@pytest.fixture
def hours(monkeypatch: pytest.MonkeyPatch) -> Hours:
    """The time by which every login of the test knows how long its token is good."""
    one = Hours()
    monkeypatch.setattr(login, "Senses", lambda: Senses(clock=one, wall=one.wall))
    return one


def dying(gate: Gate, hours: Hours, *tokens: tuple[str, float]) -> None:
    """A gate that lets in each of these until its end; each request with records takes long."""

    def judge(request: Any, token: str) -> bytes | None:
        if carries_records(request):
            hours.passed_s += REQUEST_S
        return None if hours.wall() < dict(tokens).get(token, 0.0) else DEAD

    gate.judge = judge


def test_a_run_ends_before_its_token_does(user, hours):
    """Nobody gives out another: what is in flight is finished while the token is good."""
    end = hours.wall() + 600.0
    first, second = jwt(end, "first"), jwt(end + 3_600, "second")
    gate = Gate(user.sandbox.url)
    dying(gate, hours, (first, end), (second, end + 3_600))
    with at(gate) as server:
        report, notes = user.load(user.variables(server.base_url, first), in_flight=1, records=1)
        assert (report["exit_code"], gate.refused) == (7, [])
        moment = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(end))
        assert f"expires at {moment}" in report["error"]["message"]
        assert "same command" in report["error"]["hint"]
        assert 0 < report["records"]["accepted"] < RECORDS
        assert report["requests"]["failed"] == 0
        gate.judge = lambda _request, token: None if token == second else DEAD
        again, _ = user.load(user.variables(server.base_url, second))
    assert (again["exit_code"], again["run"]) == (0, report["run"])
    assert user.numbers == list(range(RECORDS))
    assert any("expires at" in note and "the run ends before" in note for note in notes)
    assert first not in f"{report}{notes}"


def test_a_token_is_renewed_before_it_ends(user, hours):
    """By the command: not one request is refused."""
    end = hours.wall() + 300.0
    first, second = jwt(end, "first"), jwt(end + 3_600, "second")
    gate = Gate(user.sandbox.url)
    dying(gate, hours, (first, end), (second, end + 3_600))
    with at(gate) as server:
        ran = user.write_command(server.base_url, first, second)
        report, notes = user.load({}, in_flight=1)
    assert (report["exit_code"], gate.refused) == (0, [])
    assert user.numbers == list(range(RECORDS))
    assert ran.read_text() == "xx"
    assert gate.seen[0] == first
    assert gate.seen[-1] == second
    assert first not in f"{report}{notes}"
    assert second not in f"{report}{notes}"


def test_the_command_line_shows_neither_token(user):
    """The real command: exit code, terminal, state directory, and `ps` while it runs."""
    gate = Gate(user.sandbox.url, OLD)
    with at(gate) as server:
        user.write_command(server.base_url, OLD, NEW)
        shown = rotating(gate, 3)
        (user.folder / "b.csv").write_text("n\n" + "".join(f"{n}\n" for n in range(200)))
        environ = {"HOME": str(user.home), "INGEST_DEBUG": "1"}
        with command(
            user.folder, "load", "b.csv", "--to", f"{user.system}:{user.table}", "--create",
            "--set", "limits.records=10", "--set", f"limits.in_flight={WRITERS}", env=environ,
        ) as ran:  # fmt: skip
            code = ran.ended()
    assert (code, len(user.numbers)) == (0, 200)
    assert "another token from" in ran.stderr
    assert {token_of(request) for request in server.requests} == {OLD, NEW}
    assert shown
    assert not user.leaks(ran.stderr, ran.stdout, shown)
