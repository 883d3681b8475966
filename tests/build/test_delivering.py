"""What a job asks of the delivery and can't have is refused before anything is opened."""

from __future__ import annotations

import pytest

from ingest.build.delivering import check, with_stamp
from ingest.errors import SettingsError
from ingest.job import Job, make_job
from ingest.pack.stamp import Stamp

AVALANCHIO = {"system": "avalanchio", "table": "t"}
AITO = {"system": "aito", "table": "t"}
UPSERT = {**AVALANCHIO, "mode": "upsert", "upsert_key": "k"}


def job_of(target: dict[str, str], fields: dict[str, object], **delivery: str) -> Job:
    """A job with these delivery settings."""
    document = {"name": "j", "source": {"paths": ["a.csv"]}, "target": target, "fields": fields}
    return make_job({**document, "delivery": delivery})


@pytest.mark.parametrize(
    ("target", "fields", "delivery", "said"),
    [
        (AVALANCHIO, {}, {"id": "derived", "stamp": "s"}, "exclude each other"),
        (UPSERT, {}, {"id": "derived"}, "needs none"),
        (UPSERT, {}, {"stamp": "s"}, "needs none"),
        (AITO, {}, {"id": "derived"}, "no id of their own"),
        (AVALANCHIO, {}, {"evidence_key": "k"}, "lands whole"),
        ({**AITO, "via": "file"}, {}, {"evidence_key": "k"}, 'via = "file"'),
        ({**AITO, "via": "auto"}, {}, {"stamp": "s"}, 'via = "auto"'),
        (AVALANCHIO, {"s": {}}, {"stamp": "s"}, "field 's' already"),
        (AVALANCHIO, {"id": {}}, {"id": "derived"}, "leave the field id out"),
    ],
)
def test_what_can_not_be_promised_is_refused(target, fields, delivery, said):
    """Exit 2 with the way on."""
    with pytest.raises(SettingsError, match=said) as caught:
        check(job_of(target, fields, **delivery))
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("target", "delivery"),
    [
        (AVALANCHIO, {}),
        (UPSERT, {}),
        (AVALANCHIO, {"id": "derived"}),
        (AVALANCHIO, {"stamp": "s"}),
        (AITO, {"stamp": "s"}),
        (AITO, {"evidence_key": "k"}),
        ({**AITO, "via": "stream"}, {"evidence_key": "k"}),
        ({**AITO, "via": "file"}, {"id": "none"}),
    ],
)
def test_what_can_be_promised_passes(target, delivery):
    """Nothing is raised, nothing is changed."""
    check(job_of(target, {}, **delivery))


def test_the_stamp_is_a_field_with_a_placeholder():
    """As wide as the stamps of the run will be; at Avalanchio its column is indexed."""
    job = with_stamp(job_of(AVALANCHIO, {"a": {}}, stamp="s"), b"0" * 16)
    assert list(job.fields) == ["a", "s"]
    run_id = "20261122-030000-j-4f2a"
    assert job.fields["s"].value == Stamp(run_id, b"0" * 16).placeholder
    assert job.fields["s"].column == {"indexed": True}
    assert with_stamp(job_of(AITO, {}), b"0" * 16).fields == {}
