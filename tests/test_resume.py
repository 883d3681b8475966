"""A run that is killed is taken up: nothing missing, nothing doubled but what the report names.

The process is killed by SIGKILL at random instants, as often as it takes, and started again until
it is done; then every row is counted at the service. What is loaded, how it is killed and what must
hold is `benchmarks.killing`, where `python -m benchmarks kills` runs it by the hundred.
"""

from __future__ import annotations

import os
import random
import signal
import sys
from collections import Counter
from pathlib import Path
from unittest import mock

import orjson
import pytest

from benchmarks.killing.case import WAYS, Case
from benchmarks.killing.seed import Load
from benchmarks.killing.service import Service, serving, trouble
from ingest.journal import Journal, Settle
from tests.end_to_end import command, counts, done, job_of, load, sums_up
from tests.killed_at import END_POINTS
from tests.sandbox.conftest import Running, running

RECORDS, BATCH = 6_000, 100
KILLS = 3
PLAIN = Case(WAYS["none"], RECORDS, BATCH, late_s=0.0)
IDS = Case(WAYS["ids"], RECORDS, BATCH, late_s=0.0)


def write_job(folder: Path, case: Case = PLAIN) -> Path:
    """The files and the job of a case."""
    case.write_files(folder)
    return case.write_job(folder / "job.toml", folder)


def environment(server: Running) -> dict[str, str]:
    """What either service is reached by."""
    return Service(server.url).environment


def rows(server: Running, case: Case = PLAIN) -> Counter[tuple[int, float, str]]:
    """Every row of the table, counted."""
    return Service(server.url).rows(case)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("way", WAYS)
def test_killed_at_random_instants(tmp_path, way, seed):
    """Ids, stamps and keys: every record once. Without them: none missing, every doubled one is in
    a batch that the report names, and no more are named than were in doubt."""
    case = Case(WAYS[way], RECORDS, BATCH, late_s=0.5)
    case.write_files(tmp_path)
    with serving(tmp_path / "data", trouble(case.late_s), seed) as service:
        load = Load(case, tmp_path, tmp_path, service)
        outcome = load.killed_until_done(KILLS, random.Random(f"{way} {seed}"))
    assert outcome.findings.violations == ()
    assert outcome.kills
    assert any(kill.open_bodies for kill in outcome.kills), "never with a body on its way"
    sums_up(outcome.report)


@pytest.mark.parametrize("point", END_POINTS)
def test_killed_as_it_ends_a_run_has_its_report(tmp_path, point):
    """Whether or not its end is recorded: a run that counts as finished has told what it did."""
    job = write_job(tmp_path)
    with running(tmp_path / "data") as server:
        prefix = (sys.executable, "-P", "-m", "tests.killed_at", point, "1")
        with command(tmp_path, "run", job, env=environment(server), prefix=prefix) as ran:
            ran.process.wait(60)
        assert ran.process.returncode == -signal.SIGKILL, ran.stderr
        (first,) = (tmp_path / "state" / "runs").iterdir()
        code, again = done(tmp_path, "run", job, env=environment(server))
        found = rows(server)
    assert found == Counter(PLAIN.rows())
    more = [path for path in first.parent.iterdir() if path != first]
    report = orjson.loads((first / "report.json").read_bytes())
    assert (report["state"], report["exit_code"]) == ("done", 3)
    assert counts(report)["rejected"] == 2
    assert (code, len(more)) == ((0, 1) if point == "closed" else (3, 0)), again.stderr


def test_an_interrupted_run_is_taken_up_under_its_id(tmp_path):
    """Cumulative accounts: the second report counts everything once."""
    job = write_job(tmp_path)
    with running(tmp_path / "data", "--fault", "slow:200ms:100%") as server:
        with command(tmp_path, "run", job, env=environment(server)) as ran:
            ran.until(lambda: server.stats()["records_accepted"] > 0, "a batch")
            ran.tell(signal.SIGTERM)
            assert ran.ended() == 143
        first = ran.report
        code, again = done(tmp_path, "run", job, env=environment(server))
        found = rows(server)
    second = again.report
    assert code == 3
    assert second["run"] == first["run"]
    assert first["records"]["unsent"] > 0
    assert counts(second) == {"read": RECORDS + 2, "accepted": RECORDS, "rejected": 2}
    assert found == Counter(PLAIN.rows())
    assert "taking up" in again.stderr


def test_a_finished_run_skips_unchanged_files(tmp_path):
    """Nothing is sent again; a file that changed is loaded; --restart loads all."""
    job = write_job(tmp_path)
    with running(tmp_path / "data") as server:
        env = environment(server)
        assert done(tmp_path, "run", job, env=env)[0] == 3
        code, again = done(tmp_path, "run", job, env=env)
        assert (code, counts(again.report)) == (0, {"read": RECORDS + 2, "skipped": RECORDS + 2})
        assert again.report["requests"]["sent"] == 0
        (tmp_path / "b.csv").write_text("n,price,name\n9999,1.5,new\n")
        code, third = done(tmp_path, "run", job, env=env)
        half = RECORDS // 2 + 1
        assert counts(third.report) == {"read": half + 1, "accepted": 1, "skipped": half}
        code, anew = done(tmp_path, "run", job, "--restart", env=env)
        assert counts(anew.report) == {"read": half + 1, "accepted": half, "rejected": 1}
        code, fresh = done(tmp_path, "run", job, "--fresh", env=env)
        assert counts(fresh.report)["accepted"] == half
    sums_up(fresh.report)


def test_a_limit_is_a_prefix_of_the_same_run(tmp_path):
    """The first N records, then all of them, each once."""
    job = write_job(tmp_path)
    with running(tmp_path / "data") as server:
        env = environment(server)
        code, first = done(tmp_path, "run", job, "--limit", "250", env=env)
        assert (code, counts(first.report)) == (0, {"read": 250, "accepted": 250})
        code, whole = done(tmp_path, "run", job, env=env)
        found = rows(server)
    assert whole.report["run"] == first.report["run"]
    assert counts(whole.report) == {"read": RECORDS + 2, "accepted": RECORDS, "rejected": 2}
    assert found == Counter(PLAIN.rows())


def test_a_file_that_is_only_touched_is_the_same(tmp_path):
    """It was read to its end, so its hash is known: the run goes on with it. One of the same size
    with other content does not pass for it."""
    job = write_job(tmp_path)
    with running(tmp_path / "data") as server:
        env = environment(server)
        assert done(tmp_path, "run", job, "--limit", "250", env=env)[0] == 0
        good = (tmp_path / "a.csv").read_bytes()
        (tmp_path / "a.csv").write_bytes(good.replace(b"1", b"2", 1))
        code, refused = done(tmp_path, "run", job, env=env)
        assert (code, "a.csv: changed since" in refused.stderr) == (2, True)
        (tmp_path / "a.csv").write_bytes(good)
        os.utime(tmp_path / "a.csv", ns=(0, 0))
        code, whole = done(tmp_path, "run", job, env=env)
        found = rows(server)
    assert (code, counts(whole.report)["read"]) == (3, RECORDS + 2)
    assert found == Counter(PLAIN.rows())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda folder: edit(folder, '"t"', '"u"'), "target.table"),
        (lambda folder: edit(folder, "[fields]", 'nulls = ["", "-"]\n[fields]'), "source.nulls"),
        (lambda folder: (folder / "a.csv").write_text("n,price,name\n1,1,x\n"), "a.csv"),
        (lambda folder: (folder / "a.csv").unlink(), "a.csv"),
    ],
)
def test_an_unfinished_run_that_changed_is_refused(tmp_path, change, said):
    """Exit 2 with what changed and the way on; limits may change."""
    job = write_job(tmp_path)
    with running(tmp_path / "data") as server:
        env = environment(server)
        assert done(tmp_path, "run", job, "--limit", "250", env=env)[0] == 0
        edit(tmp_path, "in_flight = 4", "in_flight = 2")
        assert done(tmp_path, "run", job, "--limit", "350", env=env)[0] == 0
        change(tmp_path)
        (tmp_path / "report.json").unlink()
        code, refused = done(tmp_path, "run", job, env=env)
        assert code == 2
        assert said in refused.stderr
        found = rows(server)
    assert sum(found.values()) == 350


def edit(folder: Path, old: str, new: str) -> None:
    """Change the job's text."""
    job = folder / "job.toml"
    text = job.read_text()
    assert old in text
    job.write_text(text.replace(old, new))


def test_two_runs_of_one_job(tmp_path):
    """The second one ends with exit 5 and says who holds it; after a kill the lock is free."""
    job = write_job(tmp_path)
    (tmp_path / "second").mkdir()
    (tmp_path / "second" / "state").symlink_to(tmp_path / "state")
    with running(tmp_path / "data", "--fault", "slow:300ms:100%") as server:
        env = environment(server)
        with command(tmp_path, "run", job, env=env) as ran:
            ran.until(lambda: server.stats()["requests"] > 0, "a request")
            with command(tmp_path / "second", "run", job, env=env) as second:
                assert second.ended() == 5, second.stderr
            assert "another run holds this job" in second.stderr
            ran.process.kill()
            ran.process.wait()
        code, again = done(tmp_path, "run", job, env=env)
    assert code in (3, 6), again.stderr


def test_a_table_that_is_gone_is_not_skipped(tmp_path):
    """What was loaded before is not there any more: refused, never reported as settled."""
    job = write_job(tmp_path)
    with running(tmp_path / "data") as server:
        env = environment(server)
        assert done(tmp_path, "run", job, env=env)[0] == 3
        assert server.http.delete("/api/v1/schema/drop-table/t").status_code == 200
        (tmp_path / "report.json").unlink()
        code, refused = done(tmp_path, "run", job, env=env)
    assert code == 2
    assert "--restart" in refused.stderr


def killed_with_a_journal(folder: Path, job: Path, server: Running) -> Path:
    """A load that is killed after some batches have landed; its journal, with a log beside it."""
    with command(folder, "run", job, env=environment(server)) as ran:
        ran.until(lambda: server.stats()["records_accepted"] >= 20 * BATCH, "some batches")
        ran.process.kill()
        ran.process.wait()
    journal = next((folder / "state" / "jobs").glob("*/journal.sqlite"))
    assert journal.with_name("journal.sqlite-wal").stat().st_size > 0
    return journal


# How much is left of the file, as a share of what it grew to.
@pytest.mark.parametrize(
    ("name", "left", "refusal"),
    [
        ("journal.sqlite-wal", 0.0, "rows with ids that this job's records would have"),
        ("journal.sqlite-wal", 0.5, None),
        ("journal.sqlite-wal", 0.999, None),
        ("journal.sqlite", 0.0, "the journal is damaged"),
        ("journal.sqlite", 0.5, "the journal is damaged"),
        ("journal.sqlite", 0.999, "the journal is damaged"),
    ],
)
def test_a_journal_that_was_cut(tmp_path, name, left, refusal):
    """Taken up truly, or refused in words before anything is sent. What was cut off the log is
    forgotten, and with ids of their own records that go again stay the rows that they were; where
    no run is left in it, those very ids in the table are the reason to refuse."""
    job = write_job(tmp_path, IDS)
    with running(tmp_path / "data", "--fault", "slow:20ms:100%") as server:
        journal = killed_with_a_journal(tmp_path, job, server)
        cut = journal.with_name(name)
        with cut.open("r+b") as file:
            file.truncate(int(cut.stat().st_size * left))
        Service(server.url).at_rest(30)
        before = rows(server, IDS)
        code, again = done(tmp_path, "run", job, env=environment(server))
        found = rows(server, IDS)
    if refusal is not None:
        assert code == 2, again.stderr
        assert refusal in again.stderr
        assert found == before
        assert not (tmp_path / "report.json").exists()
        return
    assert code == 3, again.stderr
    assert found == Counter(IDS.rows())
    assert counts(again.report) == {"read": RECORDS + 2, "accepted": RECORDS, "rejected": 2}


def test_a_line_is_on_the_disk_before_what_relies_on_it(tmp_path):
    """A rejected record stands between those of a batch, and once that is settled only its line
    says that it was rejected: not even a power cut may take the line and leave the batch."""
    lines = [f"{n},1,x\n" if n % 7 else f"bad{n},1,x\n" for n in range(3000)]
    (tmp_path / "a.csv").write_text("n,price,name\n" + "".join(lines))
    fields = {"n": {"type": "integer"}}
    source, limits = {"block_bytes": 4096}, {"records": 50}
    job = job_of(tmp_path, "t", ["a.csv"], source=source, fields=fields, limits=limits)
    synced, relied = b"", 0
    fsync, write = os.fsync, Journal.write

    def syncing(handle: int) -> None:
        nonlocal synced
        fsync(handle)
        place = Path(f"/proc/self/fd/{handle}").readlink()
        synced = place.read_bytes() if place.name == "rejects.ndjson" else synced

    def settling(self, run, ops):
        nonlocal relied
        durable = {orjson.loads(line)["record"] for line in synced.splitlines()}
        for op in ops:
            if isinstance(op, Settle):
                between = {n for part in op.receipt.batch.slices for n in part.rejected}
                assert between <= durable
                relied += len(between)
        return write(self, run, ops)

    with (
        running(tmp_path / "data") as server,
        mock.patch.object(os, "fsync", syncing),
        mock.patch.object(Journal, "write", settling),
    ):
        run = load(server, job, tmp_path)
    assert (run.code, run.report["records"]["rejected"]) == (3, 429)
    assert relied > 400
