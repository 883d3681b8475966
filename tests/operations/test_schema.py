"""The schema of job files says what the loader says: held against `make_job` and its own twins."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.build import delivering
from ingest.errors import SettingsError
from ingest.job import make_job
from ingest.operations.schema import job_schema, schema_text
from ingest.operations.schema_words import EXAMPLES, WORDS

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
SCHEMA = job_schema()
VALIDATOR = jsonschema.Draft7Validator(SCHEMA)


def properties(schema: dict[str, Any], path: str = "") -> dict[str, dict[str, Any]]:
    """Every key of the schema by its path."""
    found = {}
    for name, part in schema.get("properties", {}).items():
        here = f"{path}.{name}" if path else name
        found[here] = part
        inner = part.get("additionalProperties")
        found |= (
            properties(inner, f"{here}.*") if isinstance(inner, dict) else properties(part, here)
        )
    return found


def test_it_is_a_schema():
    """Of the draft that it says, with nothing to be looked up elsewhere."""
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    assert "$ref" not in schema_text()


def test_the_published_one_is_this_one():
    """`ingest schema > configs/job.schema.json` writes it anew."""
    assert (CONFIGS / "job.schema.json").read_text() == schema_text()


def test_every_key_is_described():
    """A new key of a job needs its sentence in `schema_words`; none is of a key that is gone."""
    found = properties(SCHEMA)
    assert [path for path, part in found.items() if not part.get("description")] == []
    assert (WORDS.keys() | EXAMPLES.keys()) - found.keys() == set()
    assert "base" not in SCHEMA["properties"]


def test_examples_are_right():
    """Each by the schema of its key."""
    for path, part in properties(SCHEMA).items():
        for one in part.get("examples", ()):
            assert jsonschema.Draft7Validator(part).is_valid(one), (path, one)


@pytest.mark.parametrize("file", sorted(CONFIGS.glob("*.toml")), ids=lambda file: file.stem)
def test_configs(file: Path):
    """Each is right by the schema, and names it in its first line."""
    text = file.read_text()
    assert text.splitlines()[0] == "#:schema ./job.schema.json"
    VALIDATOR.validate(tomllib.loads(text))


def job(**sections: Any) -> dict[str, Any]:
    """A job's document with these keys in its sections."""
    made: dict[str, Any] = {
        "source": {"paths": ["x"]},
        "target": {"system": "avalanchio", "table": "t"},
    }
    for name, section in sections.items():
        made[name] = {**made.get(name, {}), **section}
    return made


WRONG = {
    "unknown key": job(target={"tabel": "t"}),
    "no table": {"source": {"paths": "x"}, "target": {"system": "aito"}},
    "no paths": job(source={"paths": []}),
    "type": job(limits={"records": True}),
    "limit": job(limits={"records": 0}),
    "mark": job(source={"delimiter": ";;"}),
    "mark no ASCII": job(source={"delimiter": "§"}),
    "address": job(target={"base_url": "example.com"}),
    "pseudo": job(fields={"a": {"from": "@stme"}}),
    "two origins": job(fields={"a": {"from": "b", "sql": "c"}}),
    "two other origins": job(fields={"a": {"value": 1, "sql": "c"}}),
    "format": job(fields={"a": {"type": "string", "format": "%d"}}),
    "format without type": job(fields={"a": {"format": "%d"}}),
    "zone": job(fields={"a": {"type": "date", "timezone": "UTC"}}),
    "true alone": job(fields={"a": {"type": "boolean", "true": ["Y"]}}),
    "false of a text": job(fields={"a": {"type": "string", "true": ["Y"], "false": ["N"]}}),
    "comma": job(fields={"a": {"type": "string", "decimal": ","}}),
    "required with default": job(fields={"a": {"required": True, "default": 1}}),
    "upsert without key": job(target={"mode": "upsert"}),
    "key without upsert": job(target={"upsert_key": "a"}),
    "avalanchio by stream": job(target={"via": "stream"}),
    "avalanchio with api": job(target={"api": "v1"}),
    "aito with upsert": job(target={"system": "aito", "mode": "upsert", "upsert_key": "a"}),
    "no header, no names": job(source={"header": False, "format": "csv"}),
    "derived on aito": job(target={"system": "aito"}, delivery={"id": "derived"}),
    "key on avalanchio": job(delivery={"evidence_key": "a"}),
    "two ways": job(delivery={"id": "derived", "stamp": "s"}),
    "stamp of a file": job(target={"system": "aito", "via": "file"}, delivery={"stamp": "s"}),
    "derived and upsert": job(
        target={"mode": "upsert", "upsert_key": "a"}, delivery={"id": "derived"}
    ),
    "derived and id": job(fields={"id": {}}, delivery={"id": "derived"}),
    "base": {**job(), "base": "x"},
}


@pytest.mark.parametrize("document", WRONG.values(), ids=WRONG.keys())
def test_what_the_loader_refuses(document: dict[str, Any]):
    """Each rule refuses what its twin refuses."""
    assert not VALIDATOR.is_valid(document)
    with pytest.raises(SettingsError):
        accepted(document)


def accepted(document: dict[str, Any]) -> None:
    """Raises SettingsError where the loader refuses a document."""
    delivering.check(make_job({"name": "x", **document}))


FIELD = st.fixed_dictionaries(
    {},
    optional={
        "from": st.sampled_from(["a", "@stem", "@x"]), "sql": st.just("a"), "value": st.just(1),
        "type": st.sampled_from(["string", "integer", "decimal", "boolean", "date", "timestamp"]),
        "format": st.just("%Y"), "timezone": st.just("UTC"), "default": st.just("x"),
        "required": st.booleans(), "true": st.just("Y"), "false": st.just(["N"]),
        "decimal": st.sampled_from([".", ","]),
    },
)  # fmt: skip
TARGET = st.fixed_dictionaries(
    {"system": st.sampled_from(["avalanchio", "aito"]), "table": st.just("t")},
    optional={
        "via": st.sampled_from(["batch", "stream", "file", "auto"]),
        "mode": st.sampled_from(["insert", "upsert"]), "upsert_key": st.just("a"),
        "api": st.just("v1"), "optimize": st.booleans(),
    },
)  # fmt: skip
DELIVERY = st.fixed_dictionaries(
    {},
    optional={
        "id": st.sampled_from(["none", "derived"]), "stamp": st.sampled_from(["", "s"]),
        "evidence_key": st.sampled_from(["", "k"]),
    },
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(
    st.fixed_dictionaries(
        {"source": st.just({"paths": "x"}), "target": TARGET},
        optional={"fields": st.dictionaries(st.sampled_from("ab"), FIELD), "delivery": DELIVERY},
    )
)
def test_both_say_the_same(document: dict[str, Any]):
    """Any mixture of keys is right by both or by neither."""
    try:
        accepted(document)
        right = True
    except SettingsError:
        right = False
    assert VALIDATOR.is_valid(document) == right
