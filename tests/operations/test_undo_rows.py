"""What an undo deletes, set by set, and what stops it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.errors import SettingsError, TargetError
from ingest.job import make_job
from ingest.journal import IntervalSet
from ingest.operations import undo_rows
from ingest.operations.undo_rows import Undoing
from ingest.operations.undo_rules import Tally, check_deleted, way_of
from ingest.operations.verify_claims import FileClaim
from ingest.protocols import TheseIds, ThisStamp
from tests.operations.rows import START, Table, compared, records, rows

RUN = "20261121-221500-job-4f2a"
STAMP = f"{RUN}:000000001.000000.000003"


def undoing(table: Table, number: int = 7, **rest: Any) -> Undoing:
    """By id; one record was rejected."""
    claim = FileClaim("a", number, None, IntervalSet([(2, 2)]))
    starts = {"a": START, "b": 5000}
    return Undoing(compared(records(number), claim), table, (), RUN, starts=starts, **rest)


@pytest.mark.anyio
@pytest.mark.parametrize("chunk", [1, 2, 1000])
async def test_by_id(chunk, monkeypatch):
    """Own rows go in bounded sets; changed, foreign and others' rows stay."""
    monkeypatch.setattr(undo_rows, "CHUNK", chunk)
    others = [{"id": START - 1, "k": 1}, {"id": START + 8, "k": 2}]
    table = Table([*rows(records(7)), *others])
    table.rows[4]["v"] = "mine"
    tally = Tally()
    await undoing(table).looked(tally)
    assert tally.rows == {"own": 5, "changed": 1, "foreign": 1}
    assert not table.deleted
    tally = Tally()
    await undoing(table, most=5).deleted(tally, changed_too=False)
    assert {row["id"] - START for row in table.rows} == {-1, 2, 5, 8}
    assert tally.deleted == 5
    assert all(isinstance(one, TheseIds) and len(one.ids) <= chunk for one in table.deleted)
    again = Tally()
    await undoing(table, most=1).deleted(again, changed_too=True)
    assert {row["id"] - START for row in table.rows} == {-1, 2, 8}


@pytest.mark.anyio
async def test_by_id_of_a_file_that_can_not_be_read_again():
    """Its rows can't be compared, so they stay unless they are asked for."""
    table = Table([{"id": 5001, "k": 1}, {"id": 5002, "k": 2}, {"id": 5004, "k": 9}])
    these = undoing(table, 0)
    these.unfit = (FileClaim("b", 3),)
    tally = Tally()
    await these.looked(tally)
    assert tally.rows == {"changed": 2}
    these.most = 2
    await these.deleted(Tally(), changed_too=True)
    assert [row["id"] for row in table.rows] == [5004]


@pytest.mark.anyio
@pytest.mark.parametrize("has_ids", [True, False])
async def test_by_stamp(has_ids):
    """Rows of another run, and of none, stay; without ids a stamp goes whole or not at all."""
    mine = [{**row, "s": STAMP} for row in rows(records(4))]
    late = {"id": 9, **records(5)[4], "s": STAMP.replace("1.0", "2.0")}
    table = Table([*mine, late, {"id": 1, "s": f"{RUN}x:1"}, {"id": 2, "s": None}], has_ids)
    table.rows[0]["v"] = "mine"
    these = Undoing(compared(records(5)), table, (), RUN, "s", most=10)
    await these.deleted(Tally(), changed_too=False)
    left = {row["id"] for row in table.rows}
    assert left == ({1, 2, START + 1} if has_ids else {1, 2, *(START + n for n in range(1, 5))})
    await these.deleted(Tally(), changed_too=True)
    assert {row["id"] for row in table.rows} == {1, 2}


@pytest.mark.anyio
async def test_a_stamp_that_is_none_is_never_deleted_by():
    """It begins like the run's and has another form: somebody else wrote it."""
    table = Table([{"id": 1, "s": f"{RUN}:x"}])
    with pytest.raises(ValueError, match="no stamp"):
        await Undoing(compared([]), table, (), RUN, "s", most=9).deleted(Tally(), changed_too=True)
    assert not table.deleted


def test_counts_that_differ_stop_it():
    """Rows that are still there, rows too many that went, rows that came."""
    check_deleted(5, 0, 20, 15)
    for left, now, said in ((1, 15, "still there"), (0, 14, "6 are gone"), (0, 16, "4 less")):
        with pytest.raises(TargetError, match=said):
            check_deleted(5, left, 20, now)


@given(st.lists(st.one_of(st.none(), st.booleans(), st.text(), st.floats())))
def test_what_is_no_id_can_not_be_expressed(values):
    """Nor can nothing, or too much."""
    with pytest.raises(ValueError, match="names 1 to 1000 ids"):
        TheseIds(tuple(values))


@pytest.mark.parametrize("number", [0, 1, 2, 1000, 1001])
def test_how_many_ids(number):
    """1 to 1,000."""
    if 1 <= number <= TheseIds.MOST:
        assert len(TheseIds(tuple(range(number))).ids) == number
        return
    with pytest.raises(ValueError, match="names 1 to 1000 ids"):
        TheseIds(tuple(range(number)))


@pytest.mark.parametrize(
    "stamp", ["", "%", RUN, f"{RUN}:", f"{RUN}:1.0.1", f"{STAMP}' or '1", STAMP + "\n"]
)
def test_what_is_no_stamp_can_not_be_expressed(stamp):
    """Nor a part of one, nor a column without a name."""
    with pytest.raises(ValueError, match="no stamp"):
        ThisStamp("s", stamp)
    with pytest.raises(ValueError, match="no stamp"):
        ThisStamp("", STAMP)


def test_which_runs_can_be_undone():
    """Two ways, and the others with a reason."""
    for system, delivery, way in (
        ("avalanchio", {"id": "derived"}, "id"),
        ("aito", {"stamp": "s"}, "stamp"),
        ("aito", {"evidence_key": "k"}, None),
        ("avalanchio", {}, None),
    ):
        target = {"system": system, "table": "t"}
        document = {"name": "j", "source": {"paths": "a"}, "target": target, "delivery": delivery}
        job = make_job(document)
        if way:
            assert way_of(job, RUN) == way
        else:
            with pytest.raises(SettingsError, match="can't be undone exactly"):
                way_of(job, RUN)
