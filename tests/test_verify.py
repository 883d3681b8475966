"""Whole verifications against real sandboxes: what is found, what is not, and what is only open."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Any

import orjson
import pytest

from ingest.build.verifying import Asked, verify
from ingest.errors import SettingsError
from ingest.sandbox.store import FILE_NAME
from tests.end_to_end import done
from tests.sandbox.conftest import Running, running
from tests.test_undo import Scene
from tests.verifying import DAMAGES, WAYS, Case, aito_stored, environment, reached, tried

KINDS = ("missing", "changed", "doubled", "foreign", "unverified")
OF_IDS = {
    "deleted": {"missing": 1},
    "changed": {"changed": 1},
    "swapped": {"changed": 2},
    "null for empty": {"changed": 1},
    "doubled": {"doubled": 1},
    "deleted and doubled": {"missing": 1, "doubled": 1},
}


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One sandbox; each test has a table of its own."""
    with running(tmp_path_factory.mktemp("sandbox")) as one:
        yield one


def counted(verification: dict[str, Any]) -> dict[str, int]:
    """The counts that are not zero."""
    return {kind: verification[kind] for kind in KINDS if verification[kind]}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("full", [True, False])
def test_no_false_alarm(sandbox, tmp_path, way, full, anyio_backend):
    """Every way, all records and a sample, on both back ends."""
    with reached(sandbox):
        case = Case(sandbox, tmp_path, 7 + 2 * full + (anyio_backend == "trio") * 10, way)
        said = case.verified(full=full, backend=anyio_backend)
    assert said["ok"], said
    accepted = case.loaded.report["records"]["accepted"]
    assert said["checked"] == accepted if full else 0 < said["checked"] <= accepted
    assert "by " in said["how"]
    assert said["how"].endswith("all" if full else "a sample")


@pytest.mark.parametrize("damage", DAMAGES)
def test_each_damage_by_id(sandbox, tmp_path, damage):
    """With ids the kinds of difference are told apart, and the place is named."""
    with reached(sandbox):
        case = Case(sandbox, tmp_path, 100 + DAMAGES.index(damage), "ids")
        assert case.damage(damage)
        said = case.verified()
    assert counted(said) == OF_IDS[damage], said
    assert {one["kind"] for one in said["examples"]} == OF_IDS[damage].keys()
    assert all(one["file"] and one["line"] > 0 for one in said["examples"])


@pytest.mark.parametrize("seed", range(900, 912))
def test_random_damages(sandbox, tmp_path, seed):
    """A few of those that `python -m tests.verifying 50` tries."""
    damage = DAMAGES[seed % len(DAMAGES)]
    assert tried(sandbox, tmp_path / "damaged", seed, damage) in (None, "")
    assert tried(sandbox, tmp_path / "untouched", seed + 50, None) is None


def test_the_place_of_a_changed_cell(sandbox, tmp_path):
    """File, physical line, record, column, expected and found."""
    scene = Scene(sandbox, tmp_path, records=3)
    (tmp_path / "a.csv").write_text('n,t\n1,"two\nlines"\n2,b\n3,c\n')
    run = scene.load()
    scene.sql("UPDATE {t} SET t = 'B' WHERE n = 2")
    (example,) = scene.verified(run)["examples"]
    assert example == {
        "kind": "changed", "file": "a.csv", "line": 4, "record": 2, "column": "t",
        "expected": "b", "found": "B",
    }  # fmt: skip


@pytest.mark.parametrize("way", ["id", "stamp", "aito stamp"])
def test_counts_of_a_sample_find_what_is_missing_or_too_many(sandbox, tmp_path, way):
    """Whatever the sample is."""
    scene = Scene(sandbox, tmp_path, way)
    run = scene.load()
    place = sandbox.data_dir / FILE_NAME
    with sqlite3.connect(place, timeout=30) as db:
        table = scene.name if "aito" not in way else aito_stored(db, scene.name)
        db.execute(f'DELETE FROM "{table}" WHERE rowid IN (SELECT rowid FROM "{table}" LIMIT 2)')
    asked = Asked(scene.run_of(run), sample=1, seed=1)
    assert scene.called(partial(verify, asked)).verification["missing"] == 2


def test_sums_cover_what_the_sample_does_not(sandbox, tmp_path):
    """One number changed in a table of which one record is compared."""
    scene = Scene(sandbox, tmp_path)
    run = scene.load()
    scene.sql("UPDATE {t} SET n = 1000 WHERE n = 30")
    for seed in range(3):
        asked = Asked(scene.run_of(run), sample=1, seed=seed)
        said = scene.called(partial(verify, asked)).verification
        assert (said["sums"]["n"]["ok"], said["ok"]) == (False, False)


def test_files_that_changed_are_not_verified(sandbox, tmp_path):
    """Touched is the same; other bytes, or none, are said by name; the other file is verified."""
    scene = Scene(sandbox, tmp_path)
    scene.write("b", 20)
    run = scene.load()
    (tmp_path / "b.csv").touch()
    assert scene.verified(run)["ok"]
    (tmp_path / "b.csv").write_bytes((tmp_path / "b.csv").read_bytes().replace(b"%", b"&"))
    said = scene.verified(run)
    assert (said["checked"], said["unverified"]) == (60, 20)
    assert list(said["why"]) == ["b.csv: the file changed since"]
    (tmp_path / "b.csv").unlink()
    assert list(scene.verified(run)["why"]) == ["b.csv: the file is not there any more"]


def test_files_that_came_since_are_none_of_its(sandbox, tmp_path):
    """And what a later run of the job has loaded is no difference."""
    scene = Scene(sandbox, tmp_path)
    first = scene.load()
    scene.write("0", 10)
    second = scene.load()
    assert second.report["records"]["accepted"] == 10
    for run, checked in ((first, 60), (second, 10)):
        said = scene.verified(run)
        assert (said["ok"], said["checked"]) == (True, checked), said


def test_without_anything_to_tell_rows_apart_only_counts_are_compared(sandbox, tmp_path):
    """The table held others' rows: not verified, with the reason, and exit 6."""
    scene = Scene(sandbox, tmp_path)
    scene.bystanders()
    run = scene.load(scene.job(delivery={}))
    asked = Asked(scene.run_of(run), full=True)
    found = scene.called(partial(verify, asked))
    assert (found.exit_code, found.verification["how"]) == (6, "counts")
    assert counted(found.verification) == {"unverified": 60}
    assert found.verification["counts"] == {"table": 1060, "table_before": 1000, "later_runs": 0}
    scene.sql("DELETE FROM {t} WHERE n = 30 AND id > 1000")
    assert counted(scene.verified(run)) == {"missing": 1, "unverified": 60}


def test_a_doubled_row_among_others_is_open(sandbox, tmp_path):
    """Others may write to a table that was not empty: it is said, and not called a difference."""
    scene = Scene(sandbox, tmp_path)
    scene.bystanders()
    run = scene.load()
    assert scene.verified(run)["ok"]
    scene.sql("INSERT INTO {t} (n, t) SELECT n, t FROM {t} WHERE n = 30 AND id > 1000")
    said = scene.verified(run)
    assert (counted(said), said["ok"]) == ({}, False)
    assert "1 rows more than before" in next(iter(said["why"]))


def test_columns_that_others_fill_and_a_table_that_is_gone(sandbox, tmp_path):
    """The first are none of the run's; the second is not verified."""
    scene = Scene(sandbox, tmp_path)
    run = scene.load()
    columns = {"columns": [{"name": "extra", "type": "Text"}]}
    sandbox.http.post(f"/api/v1/schema/tables/{scene.name}/columns", json=columns)
    scene.sql("UPDATE {t} SET extra = 'x'")
    assert scene.verified(run)["ok"]
    sandbox.http.delete(f"/api/v1/schema/drop-table/{scene.name}")
    assert counted(scene.verified(run)) == {"unverified": 60}


@pytest.mark.parametrize("system", ["avalanchio", "aito"])
def test_ndjson_as_it_came(sandbox, tmp_path, system):
    """No field is named: members travel as they are, absent ones are nulls."""
    scene = Scene(sandbox, tmp_path)
    lines = [{"n": 1, "t": "a", "x": 1.50}, {"n": 2, "t": ""}, {"t": "c", "n": 3, "x": None}]
    (tmp_path / "a.csv").unlink()
    (tmp_path / "a.ndjson").write_bytes(b"".join(orjson.dumps(one) + b"\n" for one in lines))
    target = {"system": system, "table": scene.name, "create": True}
    kinds = {"n": {"type": "integer"}, "t": {"type": "string"}, "x": {"type": "decimal"}}
    sections = {"source": {"paths": ["*.ndjson"]}, "target": target, "delivery": {}}
    run = scene.load(scene.job(fields=kinds, **sections))
    said = scene.verified(run)
    assert (said["ok"], said["checked"]) == (True, 3), said


def test_types_that_were_guessed(sandbox, tmp_path):
    """aito has no dates: the table says String now, and the mapping was another one."""
    scene = Scene(sandbox, tmp_path)
    (tmp_path / "a.csv").write_text("d,at,n,s\n2024-01-02,2024-01-02 03:04:05,5,00100\n")
    target = {"system": "aito", "table": scene.name, "create": True}
    run = scene.load(scene.job(fields={}, delivery={}, target=target))
    said = scene.verified(run)
    assert (said["ok"], said["checked"]) == (True, 1), said


def test_a_run_that_was_limited_and_one_that_was_taken_up(sandbox, tmp_path):
    """A prefix is verified as what it is."""
    scene = Scene(sandbox, tmp_path)
    run = scene.load(limit=40)
    said = scene.verified(run)
    assert (said["ok"], said["checked"]) == (True, 40), said
    scene.load()
    said = scene.verified(run)
    assert (said["ok"], said["checked"]) == (True, 60), said


def test_after_the_load(sandbox, tmp_path):
    """The run's own report has it; what it does not find makes exit 6."""
    scene = Scene(sandbox, tmp_path)
    run = scene.load(scene.job(verify={"after_load": True, "sample": 10}))
    assert (run.code, run.report["verification"]["ok"]) == (0, True)
    assert run.report["verification"]["checked"] == 10
    other = Scene(sandbox, tmp_path / "other")
    other.bystanders()
    run = other.load(other.job(verify={"after_load": True}, delivery={}))
    assert (run.code, run.report["exit_code"], run.report["state"]) == (6, 6, "done")
    kept = orjson.loads(other.run_of(run).report_path.read_bytes())
    assert kept["verification"] == run.report["verification"]
    assert not kept["verification"]["ok"]


def test_runs_that_say_nothing(sandbox, tmp_path):
    """One of an older version, and another place than where it went."""
    scene = Scene(sandbox, tmp_path)
    run = scene.load()
    (scene.run_of(run).path / "mapping.json").rename(tmp_path / "kept.json")
    with pytest.raises(SettingsError, match=r"mapping\.json"):
        scene.verified(run)
    kept = orjson.loads((tmp_path / "kept.json").read_bytes())
    kept["base_url"] = "https://elsewhere.example"
    (scene.run_of(run).path / "mapping.json").write_bytes(orjson.dumps(kept))
    with pytest.raises(SettingsError, match="went to https://elsewhere"):
        scene.verified(run)


def test_the_commands(sandbox, tmp_path):
    """Load, verify, damage, verify, undo: as a person types it, from another directory."""
    scene = Scene(sandbox, tmp_path)
    env = environment(sandbox)
    line = ["load", "a.csv", "--to", f"avalanchio:{scene.name}", "--create"]
    line += ["--set", "delivery.id='derived'"]
    assert done(tmp_path, *line, env=env)[0] == 0
    state = ("--state-dir", tmp_path / "state")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    code, command = done(tmp_path, "verify", "--full", *state, env=env, cwd=elsewhere)
    assert (code, "verified: the service has" in command.stderr) == (0, True), command.stderr
    scene.sql("UPDATE {t} SET t = '[red]x' WHERE n = 30")
    code, command = done(tmp_path, "verify", "--full", *state, env=env, cwd=elsewhere)
    text = command.stdout.decode()
    assert (code, Counter(text.split())["changed"]) == (6, 2), text
    assert "[red]x" in text
    (run,) = (tmp_path / "state" / "runs").iterdir()
    assert done(tmp_path, "undo", run.name, *state, env=env)[0] == 2
    code, command = done(tmp_path, "undo", run.name, "--yes", *state, env=env)
    assert (code, scene.count()) == (6, 1), command.stderr
    assert "59 rows of" in command.stderr
    code, _ = done(
        tmp_path, "undo", run.name, "--yes", "--changed-too", "--drop-table", *state, env=env
    )
    assert code == 0
