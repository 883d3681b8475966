"""A run as a container has it: pid 1, nobody's user, no home, nowhere to write but its state.

Real namespaces, real signals, a real service outside (`confined`). The job is run with `LANG=C`,
64 file handles, no terminal, a working directory that is mounted read-only.
"""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from tests.end_to_end import counts, credentials, sums_up
from tests.faults.confined import Confined, tell_pid_1, why_not
from tests.sandbox.conftest import Running, running

RECORDS, BATCH = 1_200, 10
FILES = 30


@pytest.fixture(scope="module", autouse=True)
def _namespaces(tmp_path_factory: pytest.TempPathFactory) -> None:
    """All of this needs a kernel and rights that not every machine gives."""
    if reason := why_not(tmp_path_factory.mktemp("confined")):
        pytest.skip(reason)


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service that takes a while for each answer, so that there is a mid-run."""
    with running(tmp_path_factory.mktemp("slow"), "--fault", "slow:50ms:100%") as one:
        yield one


def prepared(folder: Path, table: str, delivery: str = "") -> Confined:
    """A job and its files in the read-only directory."""
    confined = Confined(folder).made()
    each = RECORDS // FILES
    for number in range(FILES):
        lines = [f"{n},ü {n}\n" for n in range(number * each, (number + 1) * each)]
        (confined.work / f"größe {number:02}.csv").write_text("n,name\n" + "".join(lines))
    (confined.work / "job.toml").write_text(
        f"""
[source]
paths = ["*.csv"]
[fields]
n = {{ type = "integer" }}
[target]
system = "avalanchio"
table = "{table}"
create = true
[limits]
records = {BATCH}
in_flight = 4
[delivery]
longest_server_s = 0.5
{delivery}
"""
    )
    return confined


def line(confined: Confined) -> tuple[str, ...]:
    """The command: the same each time."""
    report = str(confined.state / "report.json")
    return "run", "job.toml", "--state-dir", str(confined.state / "kept"), "--report", report


def report_of(confined: Confined) -> dict[str, dict[str, int]]:
    """The report that it wrote."""
    report: dict[str, dict[str, int]] = orjson.loads((confined.state / "report.json").read_bytes())
    sums_up(report)
    return report


def found(server: Running, table: str) -> Counter[tuple[int, str]]:
    """The rows, counted."""
    return Counter((row["n"], row["name"]) for row in server.rows(table, "n, name"))


EXPECTED = Counter((n, f"ü {n}") for n in range(RECORDS))


def some_landed(server: Running) -> int:
    """How many records the service has accepted so far."""
    return int(server.stats()["records_accepted"])


def test_sigterm_in_mid_run_and_the_same_command_again(slow, tmp_path):
    """143, resumable, all in flight finished; then the rest, and every row once."""
    confined, before = prepared(tmp_path, "term"), some_landed(slow)
    with confined.command(*line(confined), env=credentials(slow)) as ran:
        ran.until(lambda: some_landed(slow) >= before + 5 * BATCH, "some rows")
        tell_pid_1(ran, signal.SIGTERM)
        assert ran.ended() == 143, ran.stderr
    first = report_of(confined)
    assert 0 < first["records"]["accepted"] < RECORDS
    assert first["records"]["ambiguous"] == 0
    code, again = confined.run(*line(confined), env=credentials(slow))
    assert (code, "taking up" in again.stderr) == (0, True), again.stderr
    assert counts(report_of(confined)) == {"read": RECORDS, "accepted": RECORDS}
    assert report_of(confined)["run"] == first["run"]
    assert found(slow, "term") == EXPECTED
    assert "Traceback" not in again.stderr


def test_sigkill_in_mid_run_and_the_same_command_again(slow, tmp_path):
    """A container that is gone: its lock is free although all are pid 1; the stamp settles."""
    confined, before = prepared(tmp_path, "kill", 'stamp = "stamp"'), some_landed(slow)
    with confined.command(*line(confined), env=credentials(slow)) as ran:
        ran.until(lambda: some_landed(slow) >= before + 5 * BATCH, "some rows")
        tell_pid_1(ran, signal.SIGKILL)
        assert ran.ended() != 0
    code, again = confined.run(*line(confined), env=credentials(slow))
    assert (code, "taking up" in again.stderr) == (0, True), again.stderr
    assert counts(report_of(confined)) == {"read": RECORDS, "accepted": RECORDS}
    assert found(slow, "kill") == EXPECTED


def test_two_containers_at_once(slow, tmp_path):
    """Both pid 1, one job: the second ends with 5, the first is not disturbed."""
    confined = prepared(tmp_path, "both")
    before = some_landed(slow)
    with confined.command(*line(confined), env=credentials(slow)) as ran:
        ran.until(lambda: some_landed(slow) > before, "some rows")
        tell_pid_1(ran, signal.SIGSTOP)
        (tmp_path / "stderr").rename(tmp_path / "stderr of the first")
        code, second = confined.run(*line(confined), env=credentials(slow))
        assert (code, "another run holds this job" in second.stderr) == (5, True), second.stderr
        tell_pid_1(ran, signal.SIGCONT)
        assert ran.ended() == 0
    assert found(slow, "both") == EXPECTED


@pytest.mark.parametrize("where", ["work/kept", "state/locked/kept", None])
def test_a_state_directory_that_can_not_be_written(slow, tmp_path, where):
    """Read-only, somebody else's, or the default one below the working directory: exit 2, the
    option named, nothing sent."""
    confined = prepared(tmp_path, "none")
    (confined.state / "locked").mkdir(mode=0o755)
    before = slow.stats()["requests"]
    option = ("--state-dir", str(tmp_path / where)) if where else ()
    code, ran = confined.run("run", "job.toml", *option, env=credentials(slow))
    assert (code, "--state-dir" in ran.stderr, "Traceback" in ran.stderr) == (2, True, False)
    assert slow.stats()["requests"] == before


def test_a_report_where_nobody_may_look(slow, tmp_path):
    """Below a directory that is closed to us: a usage error before anything is sent."""
    confined = prepared(tmp_path, "report")
    (confined.state / "closed").mkdir(mode=0o700)
    report = str(confined.state / "closed" / "deeper" / "report.json")
    code, ran = confined.run("run", "job.toml", "--report", report, env=credentials(slow))
    assert (code, "--report" in ran.stderr) == (2, True), ran.stderr


def test_no_home_no_token(slow, tmp_path):
    """Without HOME there is no profile to read: a sentence, not a traceback."""
    confined = prepared(tmp_path, "homeless")
    code, ran = confined.run(*line(confined), env={"AIO_BASE_URL": slow.url})
    assert (code, "no token" in ran.stderr, "Traceback" in ran.stderr) == (2, True, False)
