"""A drafted job runs as it is and can be taken back."""

from __future__ import annotations

from typing import Any

import pytest

from ingest.job import make_job
from ingest.model import Column
from ingest.operations.init_draft import Draft, conflicts, draft
from ingest.operations.init_seen import Seen, ServiceSeen
from tests.operations.made import aito, avalanchio, csv_block, json_block, seen_of

KEYED = csv_block(["code", "n"], "a,1", "b,1")
DOUBLED = csv_block(["code", "n"], "a,1", "a,1")


def drafted(seen: Seen, service: ServiceSeen, **target: Any) -> Draft:
    """The draft for this target."""
    given = {"system": service.system, "table": "t", **target}
    return draft({"source": {"paths": ["x"]}, "target": given}, seen, service)


def delivery(seen: Seen, service: ServiceSeen, **target: Any) -> Any:
    """What stands in `[delivery]`, None if nothing."""
    return drafted(seen, service, **target).sections.get("delivery")


def test_derived_ids():
    """The usual way back on Avalanchio; a column `id` gets another name."""
    assert delivery(seen_of(KEYED), avalanchio()) == {"id": "derived"}
    named = drafted(seen_of(csv_block(["id"], "1")), avalanchio())
    assert [one.name for one in named.fields] == ["source_id"]


def test_where_an_id_might_travel():
    """Then a stamp, by a name that is free."""
    sampled = seen_of(json_block({"load_batch": 1}), whole=False)
    assert delivery(sampled, avalanchio()) == {"stamp": "load_batch_2"}
    other = seen_of(csv_block(["a"], "1"), csv_block(["a", "id"], "1,2"))
    assert delivery(other, avalanchio()) == {"stamp": "load_batch"}


@pytest.mark.parametrize(
    ("seen", "wanted"),
    [
        (seen_of(KEYED), {"evidence_key": "code"}),
        (seen_of(DOUBLED), {"stamp": "load_batch"}),
        (seen_of(KEYED, whole=False), {"stamp": "load_batch"}),
        (seen_of(csv_block(["x", "user_id"], "a,1", "b,2")), {"evidence_key": "user_id"}),
        (seen_of(csv_block(["x"], "1.5", "2.5")), {"stamp": "load_batch"}),
        (seen_of(json_block({"k": 1}, {"k": 2})), {"evidence_key": "k"}),
        (seen_of(json_block({"k": 1}, {"j": 2})), {"stamp": "load_batch"}),
    ],
)
def test_aito(seen: Seen, wanted: dict[str, str]):
    """A key that all records have and none shares, the likeliest by its name; else a stamp."""
    assert delivery(seen, aito()) == wanted


@pytest.mark.parametrize("target", [{"via": "file"}, {"via": "auto"}])
def test_ways_that_settle_themselves(target: dict[str, str]):
    """Nothing is said where the loader would refuse it."""
    assert delivery(seen_of(KEYED), aito(), **target) is None
    upsert = {"mode": "upsert", "upsert_key": "code"}
    assert delivery(seen_of(KEYED), avalanchio(), **upsert) is None


@pytest.mark.parametrize(
    ("service", "create"),
    [
        (avalanchio(), True),
        (avalanchio(unasked="offline"), True),
        (avalanchio(Column("code", "Text")), True),
        (avalanchio(Column("code", "Text"), Column("n", "Bigint")), None),
    ],
)
def test_create(service: ServiceSeen, create: bool | None):
    """Only where there is something to be made."""
    assert drafted(seen_of(KEYED), service).sections["target"].get("create") is create


def test_what_is_said_of_the_source():
    """The format; marks that are not the usual; what becomes of other columns."""
    assert drafted(seen_of(KEYED), avalanchio()).sections["source"] == {
        "paths": ["x"], "format": "csv", "nulls": [""],
    }  # fmt: skip
    whole = drafted(seen_of(json_block({"a": 1})), avalanchio())
    assert whole.sections["source"] == {"paths": ["x"], "format": "ndjson", "rest": "drop"}
    sampled = drafted(seen_of(json_block({"a": 1}), whole=False), avalanchio())
    assert sampled.sections["source"]["rest"] == "keep"


@pytest.mark.parametrize("service", [avalanchio(), aito()])
@pytest.mark.parametrize(
    "seen",
    [
        seen_of(KEYED),
        seen_of(csv_block(["a b", "select", "ID", "2010"], "1,2,3,4")),
        seen_of(json_block({"a.b": {"c": 1}, "$x": True, "@type": "y"})),
        seen_of(csv_block(["a"], "1"), csv_block(["b", "a"], "x,2")),
    ],
)
def test_no_run_would_refuse_it(service: ServiceSeen, seen: Seen):
    """By the function that a run asks."""
    made = drafted(seen, service)
    job = make_job({"name": "t", **made.document()})
    found = conflicts(job, seen, service)
    assert [text for text in found if "@type" not in text] == []


def test_conflicts_are_told():
    """A live table that wants a column which the data do not have."""
    service = avalanchio(Column("code", "Text"), Column("must", "Text", required=True))
    seen = seen_of(KEYED)
    job = make_job({"name": "t", **drafted(seen, service).document()})
    assert "requires 'must'" in conflicts(job, seen, service)[0]
