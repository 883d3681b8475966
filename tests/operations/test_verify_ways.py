"""The ways of comparing, over tables in memory: each difference by its name, and no other."""

from __future__ import annotations

from random import Random

import pytest

from ingest.journal import IntervalSet
from ingest.operations import verify_by_id
from ingest.operations.verify_by_id import ById
from ingest.operations.verify_by_key import ASKED, TWICE, ByKey
from ingest.operations.verify_by_rows import ByRows
from ingest.operations.verify_claims import FileClaim
from ingest.operations.verify_expected import Compared
from ingest.operations.verify_sums import Expected, expected_sums, note_sums
from ingest.operations.verify_table import TableFacts
from ingest.protocols import OfTable, Rows, Sum
from tests.operations.rows import START, Table, compared, record, records, rows

pytestmark = pytest.mark.anyio


def by_id(these: Compared, table: Rows) -> ById:
    """The comparison by id."""
    return ById(these, table, lambda _: START)


@pytest.mark.parametrize("number", [0, 1, 2, 3, 4, 7])
@pytest.mark.parametrize("chunk", [1, 2, 100])
async def test_by_id_all_is_well(number, chunk, monkeypatch):
    """Whatever the chunks."""
    monkeypatch.setattr(verify_by_id, "CHUNK_ROWS", chunk)
    these = compared(records(number))
    way = by_id(these, Table(rows(records(number))))
    await way.every()
    assert (these.findings.ok, these.findings.checked, way.present) == (True, number, number)


@pytest.mark.parametrize("chunk", [1, 2, 100])
async def test_by_id_each_kind(chunk, monkeypatch):
    """One missing, one changed, one of a rejected record, one perhaps there."""
    monkeypatch.setattr(verify_by_id, "CHUNK_ROWS", chunk)
    lines = records(9)
    claim = FileClaim("a", 9, None, IntervalSet([(4, 4), (9, 9)]), IntervalSet([(5, 5)]))
    these, table = compared(lines, claim), Table(rows(lines))
    table.rows[1]["v"] = "other"
    del table.rows[6]
    await by_id(these, table).every()
    found = these.findings
    assert dict(found.differences) == {"changed": 1, "missing": 1, "foreign": 2}
    assert {(one.kind, one.record) for one in found.examples} == {
        ("changed", 2), ("missing", 7), ("foreign", 4), ("foreign", 9),
    }  # fmt: skip


async def test_by_id_strangers():
    """Rows under other ids: a twin of a record, and nobody's."""
    these, table = compared(records(5)), Table(rows(records(5)))
    table.rows += [{"id": 1, **record(3)}, {"id": 2, **record(77)}]
    way = by_id(these, table)
    await way.every()
    await way.strangers(2)
    assert dict(these.findings.differences) == {"doubled": 1, "foreign": 1}
    assert these.findings.examples[0].record == 3


async def test_by_id_a_sample_counts_all():
    """Of one record; more than there are is all."""
    for sample in (1, 2, 1000):
        these, table = compared(records(8)), Table(rows(records(8)))
        del table.rows[2:4]
        await by_id(these, table).sampled(sample, Random(1))
        assert these.findings.differences["missing"] == 2
        assert these.findings.checked == min(sample, 8)


@pytest.mark.parametrize("full", [True, False])
async def test_by_key(full):
    """Missing, changed, doubled."""
    these, table = compared(records(6)), Table(rows(records(6)))
    table.rows[0]["v"] = "other"
    table.rows[1] = {"id": 5, **record(3)}
    await ByKey(these, table, "k", last_wins=False).held(Random(1), None if full else 100)
    assert dict(these.findings.differences) == {"changed": 1, "missing": 1, "doubled": 1}


async def test_by_key_the_last_record_of_a_key_wins():
    """And only the members that it names are compared."""
    lines = [record(1), record(2), {"k": 1, "v": "last"}]
    these = compared(lines)
    way = ByKey(these, Table([{"id": 1, **record(1, "last")}, {"id": 2, **record(2)}]), "k",
                last_wins=True)  # fmt: skip
    await way.held(Random(1))
    assert (these.findings.ok, these.findings.checked, way.keys) == (True, 2, 2)


async def test_by_key_what_can_not_be_known():
    """A key that stands twice, and one that can't be asked for."""
    these = compared([record(1), record(1), {"k": "\\"}, record(2)])
    await ByKey(these, Table([{"id": 1, **record(2)}]), "k", last_wins=False).held(Random(1))
    assert dict(these.findings.why) == {TWICE: 2, ASKED: 1}
    assert these.findings.checked == 1


async def test_whole_rows():
    """A changed cell is paired; a twin is doubled; the rest is missing or foreign."""
    these, table = compared(records(8)), Table(rows(records(8)))
    table.rows[0]["v"] = "other"
    del table.rows[3]
    table.rows += [{"id": 1, **record(7)}, {"id": 2, "k": -1, "v": "x", "x": -9.5}]
    await ByRows(these, table, OfTable()).every()
    found = these.findings
    assert found.differences == {"changed": 1, "missing": 1, "doubled": 1, "foreign": 1}
    changed = next(one for one in found.examples if one.kind == "changed")
    assert (changed.line, changed.column, changed.expected, changed.found) == (
        2,
        "v",
        "v1",
        "other",
    )


async def test_whole_rows_beyond_what_is_looked_at(monkeypatch):
    """Only a bound is known then, and it is no agreement."""
    monkeypatch.setattr("ingest.operations.verify_by_rows.RESOLVED_ROWS", 2)
    these, table = compared(records(50)), Table(rows(records(40)))
    await ByRows(these, table, OfTable()).every()
    assert these.findings.differences["missing"] == 10


@pytest.mark.parametrize("number", [0, 1, 2, 60])
async def test_a_sample_of_whole_rows(number):
    """Each row that is drawn is a record; one that is none is said."""
    these, table = compared(records(number)), Table(rows(records(number)))
    await ByRows(these, table, OfTable()).sampled(5, Random(1))
    assert (these.findings.ok, these.findings.checked) == (True, min(5, number))
    for row in table.rows:
        row["v"] = "other"
    await ByRows(these, table, OfTable()).sampled(5, Random(1))
    assert these.findings.differences["changed"] == min(5, number)


async def test_sums():
    """Held against each other only where nothing else was found."""
    these, table = compared(records(6)), Table(rows(records(6)))
    here = await expected_sums(these)
    note_sums(these, here, await table.sums(OfTable(), ("k", "x")))
    assert these.findings.ok
    table.rows[0]["k"] = 100
    note_sums(these, here, await table.sums(OfTable(), ("k", "x")))
    assert these.findings.differences == {"changed": 1}
    assert these.findings.sums["k"] == {
        "expected": 21, "found": 120, "values": [6, 6], "ok": False,
    }  # fmt: skip


async def test_sums_of_doubles_may_differ_in_the_last_digits():
    """Integers may not, and counts neither."""
    known = Expected()
    known.add([0.1] * 10)
    assert known.agrees(Sum(10, 0.9999999999999999))
    assert not known.agrees(Sum(10, 0.99999))
    assert not known.agrees(Sum(9, 1.0))
    whole = Expected()
    whole.add([10**18, 1])
    assert not whole.agrees(Sum(2, 10**18))


async def test_what_the_tables_count_says():
    """Alone, beside others, and not known."""
    assert TableFacts(0, 0, 12).too_many(10) == 2
    assert TableFacts(0, 0, 12).doubt(10) == ""
    assert TableFacts(5, 3, 18).doubt(10) == ""
    assert "1 rows more" in TableFacts(5, 3, 19).doubt(10)
    assert "1 rows less" in TableFacts(5, 3, 17).doubt(10)
    assert "not known" in TableFacts(None, 0, 10).doubt(10)
    assert "not ended" in TableFacts(0, None, 10).doubt(10)
