"""The comparison of one run, with the connection open: by id, by key, or as whole rows.

Which way depends on what a row can be found by, and each has its own share of what can't be known;
`verifying` says what it is for, `operations.verify_by_*` how each compares.
"""

from __future__ import annotations

from random import Random
from typing import Any, Protocol

from msgspec import Struct

from ingest.build.asking import compared_of, remaking_of, rows_of
from ingest.build.remaking import MENDED
from ingest.build.run_facts import RunFacts
from ingest.build.services import Connection
from ingest.build.telling import telling
from ingest.display import count, now_text
from ingest.errors import TargetError
from ingest.events import Watcher
from ingest.operations.verify_by_id import ById
from ingest.operations.verify_by_key import ByKey
from ingest.operations.verify_by_rows import ByRows
from ingest.operations.verify_expected import Compared
from ingest.operations.verify_findings import Findings
from ingest.operations.verify_sums import expected_sums, note_sums
from ingest.operations.verify_table import TableFacts
from ingest.protocols import OfIds, OfStamps, OfTable, Scope
from ingest.state import RunDir

NO_CONTENT = (
    "rows can't be told apart from others: the run had neither ids nor stamps nor a key, and the"
    " table was not surely empty before: only counts are compared"
)


class Asked(Struct, frozen=True):
    """What is verified and how: every record (`full`), or `sample` of them. `seed` draws them."""

    run: RunDir
    full: bool = False
    sample: int = 1000
    seed: int | None = None


class Ways(Protocol):
    """A way of comparing."""

    async def every(self) -> None:
        """All of it."""
        ...

    async def sampled(self, sample: int, random: Random) -> None:
        """A sample."""
        ...


async def verification_of(
    facts: RunFacts, asked: Asked, connection: Connection, watcher: Watcher
) -> dict[str, Any]:
    """Ask and compare; what stands under `verification`."""
    verifying = _Verifying(facts, asked, connection)
    return await telling(watcher, verifying.words, verifying.result)


class _Verifying:
    """One verification, with the connection open."""

    def __init__(self, facts: RunFacts, asked: Asked, connection: Connection) -> None:
        self._facts = facts
        self._asked = asked
        self._connection = connection
        self._random = Random(asked.seed)  # noqa: S311 - a sample is no secret
        self._findings = Findings()
        self._rows = rows_of(connection)
        self._remaking = remaking_of(facts, connection)

    def words(self) -> str:
        """How far it is."""
        return f"verifying: {count(self._remaking.given)} records of the files gone through"

    async def result(self) -> dict[str, Any]:
        """All of it."""
        job, findings = self._facts.job, self._findings
        schema = await self._connection.target.describe()
        if schema is None:
            findings.unverified("the table is not there any more", self._expected)
            return findings.as_report(now_text(), "counts")
        compared = await compared_of(self._facts, self._remaking, schema, findings)
        for shown, why in sorted(self._remaking.unfit.items()):
            findings.unverified(f"{shown}: {why}", self._facts.claims[shown].expected)
        if perhaps := sum(claim.open.records for claim in compared.claims.values()):
            findings.unverified("ambiguous: whether they are there was not known", perhaps)
        if job.delivery.id == "derived":
            how = await self._by_id(compared)
        elif key := job.target.upsert_key or job.delivery.evidence_key:
            how = await self._by_key(compared, key)
        else:
            how = await self._by_rows(compared)
        if self._remaking.mended:
            findings.unverified(MENDED, self._remaking.mended)
        extent = "all" if self._asked.full else "a sample"
        return findings.as_report(now_text(), how if how == "counts" else f"{how}, {extent}")

    async def _by_id(self, compared: Compared) -> str:
        from ingest.pack.identify import start_of  # noqa: PLC0415 - heavy, and only for ids

        def start(shown: str) -> int:
            return start_of(self._facts.job.name, shown)

        unfit = [self._facts.claims[shown] for shown in self._remaking.unfit]
        apart = tuple((start(c.shown) + c.before + 1, start(c.shown) + c.records) for c in unfit)
        by_id = ById(compared, self._rows, start, apart)
        await self._compared(by_id, compared, OfIds(by_id.ranges()))
        others = await self._rows.count(OfIds(apart)) if apart else 0
        table = await self._table()
        more = table.too_many(by_id.present + others)
        if doubt := table.doubt(by_id.present + others):
            self._findings.unverified(doubt)
        elif more > 0 and self._asked.full:
            await by_id.strangers(more)
        else:
            self._findings.add("foreign", more)
        return "by id"

    async def _by_key(self, compared: Compared, key: str) -> str:
        upsert = self._facts.job.target.upsert_key is not None
        by_key = ByKey(compared, self._rows, key, last_wins=upsert)
        await by_key.held(self._random, None if self._asked.full else self._asked.sample)
        if upsert and self._facts.loaded_later and self._findings.differences["changed"]:
            self._findings.unverified("a later run of the job may have changed these rows")
        table = await self._table()
        there = by_key.keys - self._findings.differences["missing"]
        there += self._findings.differences["doubled"]
        if upsert and not table.alone:
            return "by key"  # how many of its records were new rows is not known
        if doubt := table.doubt(there):
            self._findings.unverified(doubt)
        elif self._asked.full:
            self._findings.add("foreign", table.too_many(there))
            self._findings.add("missing", -table.too_many(there))
        else:
            self._count(table.too_many(there))
        return "by key"

    async def _by_rows(self, compared: Compared) -> str:
        stamp = self._facts.job.delivery.stamp
        table = await self._table()
        scope: OfTable | OfStamps = OfStamps(stamp, self._asked.run.id) if stamp else OfTable()
        if not (stamp or table.alone) or self._remaking.unfit:
            await self._counts_only(scope, table)
            return "counts"
        await self._compared(ByRows(compared, self._rows, scope), compared, scope)
        return "by stamp" if stamp else "by whole rows"

    async def _counts_only(self, scope: OfTable | OfStamps, table: TableFacts) -> None:
        """What is left where rows can't be told from others."""
        wanted = self._expected
        if isinstance(scope, OfStamps):
            there = await self._rows.count(scope)
            self._findings.counts |= {"expected": wanted, "with_stamps_of_the_run": there}
            self._count(there - wanted)
        elif table.before is not None and table.later is not None:
            self._count(table.too_many(wanted))
        self._findings.unverified(
            NO_CONTENT
            if not self._remaking.unfit
            else "the rows of other files can't be told"
            " from those of files that changed: only counts are compared",
            sum(c.expected for s, c in self._facts.claims.items() if s not in self._remaking.unfit),
        )

    def _count(self, more: int) -> None:
        self._findings.add("missing", -more)
        self._findings.add("foreign", more)

    async def _compared(self, way: Ways, compared: Compared, scope: Scope) -> None:
        """All, or a sample with sums."""
        if self._asked.full:
            await way.every()
            return
        await way.sampled(self._asked.sample, self._random)
        here = await expected_sums(compared)
        try:
            note_sums(compared, here, await self._rows.sums(scope, compared.columns.numeric))
        except TargetError as error:
            self._findings.unverified(f"the sums could not be asked: {error.message}")

    async def _table(self) -> TableFacts:
        now = await self._rows.count(OfTable())
        before, later = self._facts.mapping.rows_before, self._facts.later
        self._findings.counts |= {"table": now, "table_before": before, "later_runs": later}
        return TableFacts(before, later, now)

    @property
    def _expected(self) -> int:
        return sum(claim.expected for claim in self._facts.claims.values())
