"""A job's settings: what may stand in a job file, checked before anything is opened or sent.

The models are the contract's tables one to one; pydantic refuses unknown keys and wrong types, and
`explain` turns its findings into lines that name the place in the file and the nearest right name.
Types are strict, since TOML has types of its own: `records = true` is not 1.
Nothing here touches the disk but `read_job`; nothing knows a service or a file format beyond its
name.

Identity (`Job.identity`) is what a resumed run must share with its first: name, source, fields,
target, delivery. Limits, rejects and logging may change between the runs of one job.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from ingest.errors import SettingsError
from ingest.explain import explain

FieldType = Literal["string", "text", "integer", "decimal", "boolean", "date", "timestamp", "json"]
PSEUDO_COLUMNS = ("@stem", "@name", "@path", "@line")
MEBIBYTE = 1024 * 1024


class Settings(BaseModel):
    """Base of all settings: unknown keys are errors, values never change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, strict=True)


def one_or_many(value: object) -> object:
    """A text alone is a list of one."""
    if isinstance(value, list):
        return tuple(value)
    return (value,) if isinstance(value, str) else value


class SourceSettings(Settings):
    """`[source]`: which files, and how they are spelt. What is left out is detected and said."""

    paths: Annotated[tuple[str, ...], Field(min_length=1)]
    format: Literal["auto", "csv", "ndjson"] = "auto"
    nulls: tuple[str, ...] = ("",)
    delimiter: str | None = None
    quote: str | None = None
    escape: str | None = None
    header: bool | None = None
    columns: tuple[str, ...] | None = None
    encoding: str | None = None
    comment: str | None = None
    skip_rows: Annotated[int, Field(ge=0)] = 0
    rest: Literal["keep", "drop"] = "keep"
    max_record_bytes: Annotated[int, Field(ge=1024)] = 16 * MEBIBYTE
    block_bytes: Annotated[int, Field(ge=1, le=64 * MEBIBYTE)] = 2 * MEBIBYTE

    @field_validator("paths", "nulls", "columns", mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        return one_or_many(value)

    @field_validator("delimiter", "quote", "escape", "comment")
    @classmethod
    def _one_ascii_character(cls, value: str | None) -> str | None:
        if value and (len(value) > 1 or not value.isascii() or value in "\r\n"):
            raise ValueError(
                "must be one ASCII character that is no line end"
                + (' (a tab is written "\\t")' if value == "\\t" else "")
            )
        return value

    @model_validator(mode="after")
    def _marks_differ(self) -> SourceSettings:
        marks = [m for m in (self.delimiter, self.quote, self.escape, self.comment) if m]
        if len(set(marks)) < len(marks):
            raise ValueError("delimiter, quote, escape and comment must all differ")
        if self.header is False and self.columns is None and self.format == "csv":
            raise ValueError("header = false needs columns = [...]: the names of the columns")
        return self


class FieldSettings(Settings):
    """`[fields]`: one field of the target and where its value comes from.

    Exactly one of `from`, `sql` and `value` says the origin; with none, the source column of the
    field's own name. `column` is handed to the service as the column's properties. An integer with
    words for true and false is 1 and 0: for services that have no booleans.
    """

    from_: Annotated[str | None, Field(alias="from")] = None
    sql: str | None = None
    value: bool | int | float | str | None = None
    type: FieldType | None = None
    format: tuple[str, ...] | None = None
    timezone: str | None = None
    default: bool | int | float | str | None = None
    required: bool = False
    true: tuple[str, ...] | None = None
    false: tuple[str, ...] | None = None
    decimal: Literal[".", ","] = "."
    nulls: tuple[str, ...] | None = None
    column: dict[str, Any] = Field(default_factory=dict)
    target_type: str | None = None

    @field_validator("format", "true", "false", "nulls", mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        return one_or_many(value)

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                ZoneInfo(value)
            except (KeyError, ValueError, OSError) as exc:
                raise ValueError(f"{value!r} is no time zone (like Europe/Berlin or UTC)") from exc
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> FieldSettings:
        origins = [n for n in ("from_", "sql", "value") if getattr(self, n) is not None]
        if len(origins) > 1:
            names = " and ".join(n.rstrip("_") for n in origins)
            raise ValueError(f"{names} exclude each other: a field has one origin")
        self._only_with("format", ("date", "timestamp"))
        self._only_with("timezone", ("timestamp",))
        self._only_with("true", ("boolean", "integer"))
        self._only_with("false", ("boolean", "integer"))
        if self.decimal == "," and self.type not in ("decimal", "integer"):
            raise ValueError('decimal = "," needs type = "decimal" (or "integer")')
        if (self.true is None) != (self.false is None):
            raise ValueError("true and false are given together, or neither")
        if self.true and self.false and set(self.true) & set(self.false):
            raise ValueError("a word can't stand in both true and false")
        if self.required and self.default is not None:
            raise ValueError("required and default exclude each other: a default is never missing")
        if self.from_ and self.from_.startswith("@") and self.from_ not in PSEUDO_COLUMNS:
            raise ValueError(f"{self.from_} is none of {', '.join(PSEUDO_COLUMNS)}")
        return self

    def _only_with(self, key: str, types: tuple[str, ...]) -> None:
        if getattr(self, key) is not None and self.type not in types:
            wanted = " or ".join(f'type = "{t}"' for t in types)
            raise ValueError(f"{key} needs {wanted}")


class TargetSettings(Settings):
    """`[target]`: which service, which table, which way.

    With `nulls = "omit"` a field without a value is left out of its record; a JSON null in a member
    that no field names travels as it came. `api` (the version) and `optimize` (merge the table's
    storage segments after the load) are aito's.
    """

    system: Literal["avalanchio", "aito"]
    table: Annotated[str, Field(min_length=1)]
    via: Literal["batch", "stream", "file", "auto"] = "batch"
    create: bool = False
    mode: Literal["insert", "upsert"] = "insert"
    upsert_key: str | None = None
    base_url: str | None = None
    profile: str | None = None
    api: Literal["v1", "v2"] = "v1"
    nulls: Literal["send", "omit"] = "send"
    optimize: bool = False

    @field_validator("base_url")
    @classmethod
    def _is_url(cls, value: str | None) -> str | None:
        if value is not None and value != "sandbox" and not re.match(r"https?://[^/\s]", value):
            raise ValueError('must be a URL like https://apps.example.com, or "sandbox"')
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> TargetSettings:
        if (self.mode == "upsert") != (self.upsert_key is not None):
            raise ValueError('mode = "upsert" and upsert_key = "..." go together')
        if self.system == "avalanchio" and self.via != "batch":
            raise ValueError('avalanchio takes via = "batch" only')
        for key in ("api", "optimize"):
            if self.system == "avalanchio" and key in self.model_fields_set:
                raise ValueError(f"{key} is a setting of aito's")
        if self.system == "aito" and self.mode == "upsert":
            raise ValueError('aito has no upsert: mode = "insert" only')
        return self


class LimitSettings(Settings):
    """`[limits]`: these may only lower what the target allows.

    Peak memory is about: 155 MB for the interpreter, its libraries and what allocators keep; 24
    times `block_bytes` for the shaping threads and what waits between them; and `in_flight` + 2
    bodies, each with the input that it was made of, so that what is refused can be named.
    (`block_bytes` is 2 MiB, or 384 KiB where records are so large that bodies are full by bytes.)

    Below these limits the governor learns the rate and the concurrency that the service bears, from
    its refusals; `adaptive = false` leaves both as they are given, and only pauses are kept.

    By way of a file, `records`, `bytes` and `in_flight` don't apply: a body is a gzip file of at
    most `spool_bytes` on the disk, one is filled while the one before is processed, and one whose
    processing shows no progress for `stall_timeout_s` is given up as ambiguous.
    """

    records: Annotated[int, Field(ge=1)] = 10_000
    bytes: Annotated[int, Field(ge=1)] = 6_000_000
    in_flight: Annotated[int, Field(ge=1, le=256)] = 8
    requests_per_s: Annotated[float | None, Field(gt=0)] = None
    adaptive: bool = True
    retry_budget_s: Annotated[float, Field(ge=0)] = 300.0
    connect_timeout_s: Annotated[float, Field(gt=0)] = 10.0
    read_timeout_s: Annotated[float, Field(gt=0)] = 120.0
    write_timeout_s: Annotated[float, Field(gt=0)] = 60.0
    spool_bytes: Annotated[int, Field(ge=1, le=5_000_000_000)] = 1_000_000_000
    stall_timeout_s: Annotated[float, Field(gt=0)] = 900.0


class DeliverySettings(Settings):
    """`[delivery]`: how a lost answer is settled.

    `longest_server_s` is how long after a lost answer the service may still commit: so long an
    absence proves nothing, and so long the keys of an upsert that was sent again are held.
    """

    id: Literal["none", "derived"] = "none"
    stamp: str = ""
    evidence_key: str = ""
    on_ambiguous: Literal["settle", "stop"] = "settle"
    longest_server_s: Annotated[float, Field(ge=0)] = 60.0


class RejectSettings(Settings):
    """`[rejects]`: how many bad records a run bears; passing a limit is strictly more than it."""

    max_count: Annotated[int, Field(ge=0)] = 1000
    max_ratio: Annotated[float, Field(ge=0, le=1)] = 1.0


class VerifySettings(Settings):
    """`[verify]`: what is asked back from the service. `after_load`: at the end of each run.

    `sample` records are compared cell by cell, unless all are wanted.
    """

    after_load: bool = False
    sample: Annotated[int, Field(ge=1)] = 1000


class Job(Settings):
    """A whole job. `base` is the directory that relative paths start from."""

    name: str
    source: SourceSettings
    fields: dict[str, FieldSettings] = Field(default_factory=dict)
    table: dict[str, Any] = Field(default_factory=dict)
    target: TargetSettings
    limits: LimitSettings = LimitSettings()
    delivery: DeliverySettings = DeliverySettings()
    rejects: RejectSettings = RejectSettings()
    verify: VerifySettings = VerifySettings()
    base: Annotated[Path, Field(exclude=True)] = Path()

    @field_validator("name")
    @classmethod
    def _is_a_file_name(cls, value: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", value):
            raise ValueError(
                f"{value!r} can't name a job: letters, digits, dots, _ and - only, beginning with a"
                ' letter or digit (set name = "..."; without it the file\'s own name is taken)'
            )
        return value

    def identifying(self) -> dict[str, Any]:
        """What the runs of one job must share: where records come from, what becomes of them, and
        where they go. How large blocks are, and whose credential is used, is not part of it."""
        found = self.model_dump(mode="json", include={"name", "source", "fields", "target"})
        del found["source"]["block_bytes"], found["target"]["profile"], found["target"]["base_url"]
        delivery = self.model_dump(mode="json", include={"delivery"})["delivery"]
        found["delivery"] = {key: delivery[key] for key in ("id", "stamp", "evidence_key")}
        return found

    def identity(self) -> str:
        """SHA-256 over `identifying`."""
        text = orjson.dumps(self.identifying(), option=orjson.OPT_SORT_KEYS)
        return hashlib.sha256(text).hexdigest()

    def digest(self) -> str:
        """SHA-256 over every setting: the report's `settings_sha256`."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


def read_job(path: Path, overrides: Iterable[str] = (), **extra: Any) -> Job:
    """The job in the TOML file at `path`, with `--set` overrides (`path.to.key=TOML`) applied.

    Raises SettingsError naming file, line, key and the nearest right name.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as exc:
        raise SettingsError(f"{path}: no such job file") from exc
    except (OSError, UnicodeDecodeError) as exc:
        raise SettingsError(f"{path}: can't be read as a job file: {exc}") from exc
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise SettingsError(f"{path}: not valid TOML: {exc}") from exc
    document.setdefault("name", path.stem)
    _merge(document, extra)
    return make_job(document, overrides, base=path.parent, text=text, shown=str(path))


def make_job(
    document: dict[str, Any],
    overrides: Iterable[str] = (),
    *,
    base: Path = Path(),
    text: str = "",
    shown: str = "settings",
) -> Job:
    """A job from a parsed document; `text` is its TOML, to name lines in errors."""
    for override in overrides:
        apply_override(document, override)
    if "base" in document:
        raise SettingsError(f"{shown}: base: unknown key; paths are relative to the job file")
    try:
        return Job.model_validate({**document, "base": base})
    except ValidationError as exc:
        raise SettingsError("\n".join(explain(exc, text, shown, Job))) from exc


def apply_override(document: dict[str, Any], override: str) -> None:
    """Set one value: `limits.in_flight=4`. What is no TOML value is taken as a string."""
    key, equals, literal = override.partition("=")
    if not equals or not key.strip():
        raise SettingsError(
            f"--set {override}: must look like path.to.key=VALUE", "for example limits.in_flight=4"
        )
    try:
        value = tomllib.loads(f"value = {literal}")["value"]
    except tomllib.TOMLDecodeError:
        value = literal
    *parents, last = key.strip().split(".")
    place = document
    for parent in parents:
        place = place.setdefault(parent, {})
        if not isinstance(place, dict):
            raise SettingsError(f"--set {override}: {parent} is no table")
    place[last] = value


def _merge(into: dict[str, Any], extra: Mapping[str, Any]) -> None:
    for key, value in extra.items():
        if isinstance(value, Mapping) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value
