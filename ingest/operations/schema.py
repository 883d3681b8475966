"""The JSON Schema of job files: what an editor can say of a job before anybody runs it. Pure.

It is pydantic's schema of `job.Job`, made into one of *files*: without what is no setting of a file
(`base`), with `name` left to the file's, a text where a list of one is meant, and no null, which
TOML does not have. Descriptions come from the classes and from `schema_words`. Rules between keys
are said as far as JSON Schema can: `RULES`, each the twin of a check in `job` or `build.delivering`
(`tests/operations/test_schema.py` holds them to it). The loader's own checks are what counts.

Draft 7 with everything in place: what the editors' TOML plug-in (taplo) understands.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ingest.job import PSEUDO_COLUMNS, Job
from ingest.operations.schema_words import EXAMPLES, WORDS

Schema = dict[str, Any]
ONE_OR_MANY = (
    "source.paths", "source.nulls", "source.columns",
    "fields.*.format", "fields.*.true", "fields.*.false", "fields.*.nulls",
)  # fmt: skip
MARKS = ("delimiter", "quote", "escape", "comment")
DROPPED = ("title", "default_factory")


def schema_text() -> str:
    """The schema as it is printed and published: indented, a newline last."""
    return json.dumps(job_schema(), indent=2, ensure_ascii=False) + "\n"


def job_schema() -> Schema:
    """The schema of a job file."""
    made = Job.model_json_schema(by_alias=True)
    parts = made.pop("$defs")
    root = _inlined(made, parts)
    del root["properties"]["base"]
    root["required"].remove("name")
    root["description"] = "A job of ingest: what to load, what each record becomes, and where to."
    _describe(root, "")
    _said_of_texts(root)
    for place, rules in RULES.items():
        _at(root, place).setdefault("allOf", []).extend(rules)
    return {"$schema": "http://json-schema.org/draft-07/schema#", "title": "ingest job", **root}


def _inlined(schema: Any, parts: Mapping[str, Any]) -> Any:
    """Every reference replaced by what it names, titles and nulls left out."""
    if isinstance(schema, list):
        return [_inlined(part, parts) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        named = parts[schema["$ref"].rsplit("/", 1)[-1]]
        beside = {key: thing for key, thing in schema.items() if key not in ("$ref", "default")}
        return _inlined({**named, **beside}, parts)
    kept = {
        key: _members(key, thing, parts)
        for key, thing in schema.items()
        if key not in DROPPED and not (key == "default" and thing is None)
    }
    return _without_null(kept)


def _members(key: str, thing: Any, parts: Mapping[str, Any]) -> Any:
    if key == "properties":  # of any name, `title` among them
        return {name: _inlined(part, parts) for name, part in thing.items()}
    return thing if key in ("default", "enum", "const") else _inlined(thing, parts)


def _without_null(schema: Schema) -> Schema:
    options = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
    if len(options) == 1:
        del schema["anyOf"]
        return {**options[0], **schema}
    return {**schema, "anyOf": options} if options else schema


def _describe(schema: Schema, path: str) -> None:
    """Put the words and examples of each key beside it."""
    for name, part in schema.get("properties", {}).items():
        here = f"{path}.{name}" if path else name
        section = " ".join(part.get("description", "").split()) if not path else ""
        part["description"] = section or WORDS.get(here, "")
        if here in EXAMPLES:
            part["examples"] = list(EXAMPLES[here])
        inner = part.get("additionalProperties")
        if isinstance(inner, dict):
            _describe(inner, f"{here}.*")
        else:
            _describe(part, here)
        if here in ONE_OR_MANY:
            _one_or_many(part)


def _one_or_many(part: Schema) -> None:
    """A list, or a text alone that stands for a list of one."""
    items = {key: part.pop(key) for key in ("type", "items", "minItems") if key in part}
    part["anyOf"] = [{"type": "string"}, items]


def _said_of_texts(root: Schema) -> None:
    """What `job` checks of a text by itself."""
    root["properties"]["name"]["pattern"] = "^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"
    for mark in MARKS:
        _at(root, f"source.{mark}")["pattern"] = r"^[\x00-\x09\x0b\x0c\x0e-\x7f]?$"
    _at(root, "target.base_url")["pattern"] = r"^(sandbox|https?://[^/\s].*)$"
    pseudo = "|".join(name[1:] for name in PSEUDO_COLUMNS)
    _at(root, "fields.*.from")["pattern"] = f"^([^@]|$|@({pseudo})$)"


def _at(root: Schema, path: str) -> Schema:
    """The schema of what the path names; `*` is any name."""
    place = root
    for part in filter(None, path.split(".")):
        place = place["additionalProperties"] if part == "*" else place["properties"][part]
    return place


def _given(*keys: str) -> Schema:
    return {"required": list(keys)}


def _is(key: str, *values: object) -> Schema:
    """True where the key is given with one of these values."""
    return {"properties": {key: {"enum": list(values)}}, "required": [key]}


def _not_both(*keys: str) -> Schema:
    return {"not": _given(*keys)}


def _if(condition: Schema, then: Schema) -> Schema:
    return {"if": condition, "then": then}


_DERIVED = {"properties": {"delivery": _is("id", "derived")}, "required": ["delivery"]}
_STAMPED, _EVIDENT = (
    {
        "properties": {"delivery": {"properties": {key: {"minLength": 1}}, "required": [key]}},
        "required": ["delivery"],
    }
    for key in ("stamp", "evidence_key")
)
_SETTLED: Schema = {"anyOf": [_DERIVED, _STAMPED, _EVIDENT]}


def _target(schema: Schema) -> Schema:
    return {"properties": {"target": schema}}


RULES: Mapping[str, list[Schema]] = {
    "": [
        _if(_DERIVED, _target(_is("system", "avalanchio"))),
        _if(_EVIDENT, _target(_is("system", "aito"))),
        _if(_SETTLED, _target({"not": _is("mode", "upsert")})),
        _if(_SETTLED, _target({"not": _is("via", "file", "auto")})),
        {"not": {"allOf": [_DERIVED, _STAMPED]}},
        {"not": {"allOf": [_DERIVED, _EVIDENT]}},
        {"not": {"allOf": [_STAMPED, _EVIDENT]}},
        _if(_DERIVED, {"properties": {"fields": _not_both("id")}}),
    ],
    "source": [
        _if({"allOf": [_is("header", False), _is("format", "csv")]}, _given("columns")),
    ],
    "fields.*": [
        _not_both("from", "sql"),
        _not_both("from", "value"),
        _not_both("sql", "value"),
        _if(_given("format"), _is("type", "date", "timestamp")),
        _if(_given("timezone"), _is("type", "timestamp")),
        _if(_given("true"), {"allOf": [_is("type", "boolean", "integer"), _given("false")]}),
        _if(_given("false"), {"allOf": [_is("type", "boolean", "integer"), _given("true")]}),
        _if(_is("decimal", ","), _is("type", "decimal", "integer")),
        {"not": {"allOf": [_is("required", True), _given("default")]}},
    ],
    "target": [
        _if(_is("mode", "upsert"), _given("upsert_key")),
        _if(_given("upsert_key"), _is("mode", "upsert")),
        _if(_is("system", "avalanchio"), {"not": _is("via", "stream", "file", "auto")}),
        _if(_is("system", "avalanchio"), {"not": {"anyOf": [_given("api"), _given("optimize")]}}),
        _if(_is("system", "aito"), {"not": _is("mode", "upsert")}),
    ],
}
