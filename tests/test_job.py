"""Job files: what may stand in them, what is wrong and where, what a run's identity is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ingest.errors import SettingsError
from ingest.job import Job, apply_override, make_job, read_job

LEAST = """\
[source]
paths = "x.csv"
[target]
system = "avalanchio"
table = "t"
"""
FULL = """\
name = "stocks"

[source]
paths  = ["data/stocks/*.csv"]
format = "csv"
nulls  = ["", "NA"]
delimiter = ";"
quote = "'"
escape = "\\\\"
comment = "#"
header = true
columns = ["Date", "Volume"]
encoding = "cp1252"
skip_rows = 2
rest = "drop"
max_record_bytes = 2048
block_bytes = 65536

[fields]
date   = { from = "Date", type = "date", format = "%d.%m.%Y", required = true }
at     = { from = "Date", type = "timestamp", format = ["%Y", "%y"], timezone = "Europe/Berlin" }
volume = { from = "Volume", type = "integer", default = 0, nulls = "-" }
price  = { from = "P", type = "decimal", decimal = "," }
flag   = { from = "F", type = "boolean", true = "Y", false = ["N", "n"] }
symbol = { from = "@stem", column = { indexed = true }, target_type = "Text" }
label  = { sql = "upper(symbol)" }
kind   = { value = "daily" }

[table]
skip_audit_fields = true

[target]
system = "avalanchio"
table  = "stock"
create = true
mode   = "upsert"
upsert_key = "symbol"
base_url = "https://apps.example.com/x"
profile  = "prod"

[limits]
records = 10_000
bytes   = 6_000_000
in_flight = 8
requests_per_s = 20
retry_budget_s = 0

[delivery]
id = "derived"
stamp = "batch"
on_ambiguous = "stop"

[rejects]
max_count = 0
max_ratio = 0.5
"""


def read(tmp_path: Path, text: str, *overrides: str, name: str = "job.toml", **extra: Any) -> Job:
    """The job in a file with this text."""
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return read_job(path, overrides, **extra)


def trouble(tmp_path: Path, text: str, *overrides: str, name: str = "job.toml") -> list[str]:
    """The lines of the error, without the directory."""
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, text, *overrides, name=name)
    return caught.value.message.replace(f"{tmp_path}/", "").splitlines()


def with_source(line: str) -> str:
    """The least job with a further line in [source], its third."""
    return LEAST.replace('"x.csv"\n', f'"x.csv"\n{line}\n')


def with_target(line: str) -> str:
    """The least job with a further line in [target], its last."""
    return LEAST + line + "\n"


def test_the_least_job(tmp_path: Path) -> None:
    """Files and a table; all else has a default, the name is the file's."""
    job = read(tmp_path, LEAST, name="night.load.toml")
    assert job.name == "night.load"
    assert job.source.paths == ("x.csv",)
    assert (job.source.nulls, job.source.rest, job.source.format) == (("",), "keep", "auto")
    assert (job.target.via, job.target.create, job.target.mode) == ("batch", False, "insert")
    assert (job.limits.records, job.limits.bytes, job.limits.in_flight) == (10_000, 6_000_000, 8)
    assert (job.delivery.id, job.delivery.on_ambiguous) == ("none", "settle")
    assert (job.rejects.max_count, job.rejects.max_ratio) == (1000, 1.0)
    assert (job.fields, job.table, job.base) == ({}, {}, tmp_path)


def test_every_key(tmp_path: Path) -> None:
    """All that the contract names is understood; a text alone is a list of one."""
    job = read(tmp_path, FULL)
    assert job.name == "stocks"
    assert (job.source.delimiter, job.source.quote, job.source.escape) == (";", "'", "\\")
    assert list(job.fields) == ["date", "at", "volume", "price", "flag", "symbol", "label", "kind"]
    assert job.fields["date"].from_ == "Date"
    assert job.fields["date"].format == ("%d.%m.%Y",)
    assert job.fields["flag"].true == ("Y",)
    assert job.fields["volume"].nulls == ("-",)
    assert job.fields["symbol"].column == {"indexed": True}
    assert job.table == {"skip_audit_fields": True}
    assert job.limits.requests_per_s == 20


@pytest.mark.parametrize(
    ("value", "kind"), [("true", bool), ("1", int), ("1.0", float), ('"1"', str)]
)
def test_constants_keep_their_type(tmp_path: Path, value: str, kind: type) -> None:
    """True is not 1, and 1.0 is not 1."""
    job = read(tmp_path, f"{LEAST}[fields]\na = {{ value = {value} }}\n")
    assert type(job.fields["a"].value) is kind


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("x = 1\n" + LEAST, "1: x: unknown key; known here: name, source, fields, table, target"),
        (LEAST + "[limit]\n", "6: limit: unknown key; did you mean limits?"),
        (LEAST + "[limits]\nrecord = 5\n", "7: limits.record: unknown key; did you mean records?"),
        (
            with_source('delimeter = ","'),
            "3: source.delimeter: unknown key; did you mean delimiter?",
        ),
        (with_target("created = true"), "6: target.created: unknown key; did you mean create?"),
        (LEAST + "[fields]\na = { frm = 1 }\n", "7: fields.a.frm: unknown key; did you mean from?"),
        (LEAST + "[fields.a]\n\ntyp = 1\n", "8: fields.a.typ: unknown key; did you mean type?"),
        (LEAST + "[delivery]\nids = 1\n", "7: delivery.ids: unknown key; did you mean id?"),
        (
            LEAST + "[rejects]\nmax_cnt = 1\n",
            "7: rejects.max_cnt: unknown key; did you mean max_count?",
        ),
        (
            LEAST.replace("avalanchio", "avala"),
            "4: target.system: must be 'avalanchio' or 'aito'; did you",
        ),
    ],
)
def test_unknown_keys_and_words(tmp_path: Path, text: str, line: str) -> None:
    """File, line, key and the nearest right name."""
    (found,) = trouble(tmp_path, text)
    assert found.startswith(f"job.toml:{line}")


def test_missing_tables_and_keys(tmp_path: Path) -> None:
    """All that is wrong is said at once; where a whole table is missing there is no line."""
    missing = ["job.toml: source: is missing", "job.toml: target: is missing"]
    assert trouble(tmp_path, "") == missing
    assert trouble(tmp_path, "source = 5\n") == ["job.toml:1: source: must be a table", missing[1]]
    assert trouble(tmp_path, LEAST.replace("paths", "path")) == [
        "job.toml:1: source.paths: is missing",
        "job.toml:2: source.path: unknown key; did you mean paths?",
    ]


def test_the_directory_is_no_setting(tmp_path: Path) -> None:
    """Where relative paths start is where the job file lies."""
    (found,) = trouble(tmp_path, 'base = "/etc"\n' + LEAST)
    assert found == "job.toml: base: unknown key; paths are relative to the job file"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("records = true", "must be a whole number"),
        ('records = "5"', "must be a whole number"),
        ("records = 5.0", "must be a whole number"),
        ("records = 0", "must be greater than or equal to 1"),
        ("bytes = 0", "must be greater than or equal to 1"),
        ("in_flight = 0", "must be greater than or equal to 1"),
        ("in_flight = 257", "must be less than or equal to 256"),
        ("requests_per_s = 0", "must be greater than 0"),
        ('requests_per_s = "fast"', "must be a number"),
        ("retry_budget_s = -1", "must be greater than or equal to 0"),
        ("connect_timeout_s = 0", "must be greater than 0"),
        ("read_timeout_s = 0", "must be greater than 0"),
        ("write_timeout_s = 0", "must be greater than 0"),
    ],
)
def test_limits(tmp_path: Path, line: str, words: str) -> None:
    """Whole numbers from 1 on, seconds above 0."""
    key = line.partition(" ")[0]
    assert trouble(tmp_path, f"{LEAST}[limits]\n{line}\n") == [f"job.toml:7: limits.{key}: {words}"]


@pytest.mark.parametrize("line", ["records = 1", "bytes = 1", "in_flight = 1", "in_flight = 256"])
def test_limits_at_their_ends(tmp_path: Path, line: str) -> None:
    """The ends themselves are allowed."""
    key, _, value = line.partition(" = ")
    assert getattr(read(tmp_path, f"{LEAST}[limits]\n{line}\n").limits, key) == int(value)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('delimiter = "ab"', "must be one ASCII character that is no line end"),
        ('delimiter = "\\n"', "must be one ASCII character that is no line end"),
        ('delimiter = "é"', "must be one ASCII character that is no line end"),
        ("delimiter = '\\t'", '(a tab is written "\\t")'),
        ('quote = "\\r"', "must be one ASCII character that is no line end"),
        ('escape = "xx"', "must be one ASCII character that is no line end"),
        ('comment = "//"', "must be one ASCII character that is no line end"),
        ('delimiter = ";"\nquote = ";"', "delimiter, quote, escape and comment must all differ"),
        ('escape = "#"\ncomment = "#"', "delimiter, quote, escape and comment must all differ"),
        ('format = "csv"\nheader = false', "header = false needs columns"),
        ('format = "xml"', "must be 'auto', 'csv' or 'ndjson'"),
        ('rest = "all"', "must be 'keep' or 'drop'"),
        ("skip_rows = -1", "must be greater than or equal to 0"),
        ("max_record_bytes = 1023", "must be greater than or equal to 1024"),
        ("block_bytes = 0", "must be greater than or equal to 1"),
        ("block_bytes = 67108865", "must be less than or equal to 67108864"),
        ("nulls = 5", "must be a list"),
        ("nulls = [5]", "must be a text (in quotes)"),
        ("header = 1", "must be true or false"),
    ],
)
def test_source_settings(tmp_path: Path, line: str, words: str) -> None:
    """Marks are one character and differ; numbers have bounds; types are strict."""
    (found,) = trouble(tmp_path, with_source(line))
    assert words in found
    assert found.startswith("job.toml:")


@pytest.mark.parametrize("paths", ["[]", '""'])
def test_paths_must_be_there(tmp_path: Path, paths: str) -> None:
    """No list of none; an empty path is the reader's matter."""
    text = LEAST.replace('"x.csv"', paths)
    if paths == "[]":
        assert trouble(tmp_path, text) == ["job.toml:2: source.paths: must not be empty"]
    else:
        assert read(tmp_path, text).source.paths == ("",)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('via = "stream"', 'avalanchio takes via = "batch" only'),
        ('mode = "upsert"', "go together"),
        ('upsert_key = "k"', "go together"),
        ('base_url = "apps.example.com"', "must be a URL"),
        ('base_url = "ftp://x"', "must be a URL"),
        ('base_url = "https:///x"', "must be a URL"),
        ('mode = "replace"', "must be 'insert' or 'upsert'"),
        ("create = 1", "must be true or false"),
        ('profile = ["a"]', "must be a text"),
    ],
)
def test_target_settings(tmp_path: Path, line: str, words: str) -> None:
    """What goes together, and what a URL is."""
    (found,) = trouble(tmp_path, with_target(line))
    assert words in found


def test_a_table_has_a_name(tmp_path: Path) -> None:
    """An empty one is none."""
    text = LEAST.replace('"t"', '""')
    assert trouble(tmp_path, text) == ["job.toml:5: target.table: must not be empty"]


@pytest.mark.parametrize("url", ["sandbox", "http://127.0.0.1:8000", "https://x.example/api/"])
def test_base_urls(tmp_path: Path, url: str) -> None:
    """A URL, or the sandbox."""
    assert read(tmp_path, with_target(f'base_url = "{url}"')).target.base_url == url


@pytest.mark.parametrize("via", ["batch", "stream", "file", "auto"])
def test_aito_goes_several_ways(tmp_path: Path, via: str) -> None:
    """All four of them."""
    text = with_target(f'via = "{via}"').replace("avalanchio", "aito")
    assert read(tmp_path, text).target.via == via


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ('{ from = "A", value = 1 }', "fields.a: from and value exclude each other"),
        ('{ from = "A", sql = "x", value = 1 }', "from and sql and value exclude each other"),
        ('{ from = "@file" }', "@file is none of @stem, @name, @path, @line"),
        ('{ type = "dat" }', "did you mean date?"),
        ('{ type = "string", format = "%Y" }', 'format needs type = "date" or type = "timestamp"'),
        ('{ format = "%Y" }', "format needs type"),
        ('{ type = "date", timezone = "UTC" }', 'timezone needs type = "timestamp"'),
        ('{ type = "timestamp", timezone = "Mars/Olympus" }', "'Mars/Olympus' is no time zone"),
        ('{ type = "timestamp", timezone = "../../etc/passwd" }', "is no time zone"),
        ('{ type = "timestamp", timezone = "/etc/localtime" }', "is no time zone"),
        ('{ type = "timestamp", timezone = "Europe" }', "is no time zone"),
        ('{ type = "timestamp", timezone = "" }', "is no time zone"),
        ('{ type = "string", true = "Y", false = "N" }', 'true needs type = "boolean"'),
        ('{ type = "integer", true = "Y" }', "true and false are given together, or neither"),
        ('{ type = "boolean", true = "Y" }', "true and false are given together, or neither"),
        ('{ type = "boolean", false = "N" }', "true and false are given together, or neither"),
        ('{ type = "boolean", true = ["Y", "1"], false = "1" }', "can't stand in both"),
        ('{ decimal = "," }', 'decimal = "," needs type'),
        ('{ type = "string", decimal = "," }', 'decimal = "," needs type'),
        ('{ type = "decimal", decimal = ";" }', "must be '.' or ','"),
        ("{ required = true, default = 1 }", "required and default exclude each other"),
        ("{ value = [1] }", "fields.a.value: must be a text, a number, true or false"),
        ("{ default = 2024-01-05 }", "fields.a.default: must be a text, a number, true or false"),
        ('"A"', "fields.a: must be a table"),
        ("{ required = 1 }", "must be true or false"),
        ("{ column = 1 }", "must be a table"),
    ],
)
def test_field_settings(tmp_path: Path, field: str, words: str) -> None:
    """What excludes what, what needs what; always with the line."""
    (found,) = trouble(tmp_path, f"{LEAST}[fields]\na = {field}\n")
    assert found.startswith("job.toml:7: fields.a")
    assert words in found


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("max_count = -1", "must be greater than or equal to 0"),
        ("max_ratio = 1.1", "must be less than or equal to 1"),
        ("max_ratio = -0.1", "must be greater than or equal to 0"),
        ("max_ratio = true", "must be a number"),
    ],
)
def test_reject_settings(tmp_path: Path, line: str, words: str) -> None:
    """A count from 0 on, a share between 0 and 1."""
    (found,) = trouble(tmp_path, f"{LEAST}[rejects]\n{line}\n")
    assert words in found


@pytest.mark.parametrize("name", ["a", "A-1", "a.b_c", "0", "x" * 100])
def test_names(tmp_path: Path, name: str) -> None:
    """What a file system takes everywhere."""
    assert read(tmp_path, f'name = "{name}"\n{LEAST}').name == name


@pytest.mark.parametrize("name", ["", "a/b", "..", "-a", "a b", "é", "x" * 101, "a\\n"])
def test_names_that_are_none(tmp_path: Path, name: str) -> None:
    """The name becomes a directory."""
    (found,) = trouble(tmp_path, f'name = "{name}"\n{LEAST}')
    assert found.startswith("job.toml:1: name: ")
    assert "can't name a job" in found


def test_a_file_whose_name_is_no_job_name(tmp_path: Path) -> None:
    """The way on is to set one."""
    (found,) = trouble(tmp_path, LEAST, name="my job.toml")
    assert 'set name = "..."' in found


def test_files_that_are_no_job(tmp_path: Path) -> None:
    """Missing, a directory, not UTF-8, not TOML."""
    with pytest.raises(SettingsError, match="no such job file"):
        read_job(tmp_path / "none.toml")
    with pytest.raises(SettingsError, match="can't be read as a job file"):
        read_job(tmp_path)
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="can't be read as a job file"):
        read_job(tmp_path / "bytes.toml")
    assert "not valid TOML" in trouble(tmp_path, "[source\n")[0]
    assert "not valid TOML" in trouble(tmp_path, LEAST + LEAST)[0]


def test_overrides(tmp_path: Path) -> None:
    """TOML values; what is none is a text; tables are made where they are missing."""
    job = read(
        tmp_path,
        LEAST,
        "limits.records=5",
        "target.table=two words",
        'source.paths=["a", "b"]',
        "fields.day.type=date",
        "target.create=true",
        " delivery.stamp =run",
        "source.delimiter=|",
        'source.comment="="',
    )
    assert job.limits.records == 5
    assert job.target.table == "two words"
    assert job.source.paths == ("a", "b")
    assert job.fields["day"].type == "date"
    assert job.target.create is True
    assert job.delivery.stamp == "run"
    assert (job.source.delimiter, job.source.comment) == ("|", "=")


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("limits.records", "must look like path.to.key=VALUE"),
        ("=5", "must look like path.to.key=VALUE"),
        ("", "must look like path.to.key=VALUE"),
        ("source.paths.x=5", "paths is no table"),
        ("limits.recrds=5", "job.toml: limits.recrds: unknown key; did you mean records?"),
        ("limits.records=many", "job.toml: limits.records: must be a whole number"),
        ("limits=5", "job.toml: limits: must be a table"),
        ("a..b=5", "unknown key"),
    ],
)
def test_overrides_that_are_wrong(tmp_path: Path, override: str, words: str) -> None:
    """The message names the override, or the key as any other."""
    assert any(words in line for line in trouble(tmp_path, LEAST, override))


def test_the_last_override_wins() -> None:
    """They apply in order."""
    document: dict[str, Any] = {}
    for override in ("a.b=1", "a.b=2", "a.c=3"):
        apply_override(document, override)
    assert document == {"a": {"b": 2, "c": 3}}


def test_settings_from_elsewhere_are_merged(tmp_path: Path) -> None:
    """Tables are merged, values replaced; overrides come last."""
    job = read(
        tmp_path,
        LEAST,
        "limits.records=7",
        target={"table": "u"},
        limits={"records": 5, "bytes": 9},
    )
    assert (job.target.table, job.target.system) == ("u", "avalanchio")
    assert (job.limits.records, job.limits.bytes) == (7, 9)


def document_of(**tables: Any) -> dict[str, Any]:
    """The least document with these tables."""
    return {
        "name": "j",
        "source": {"paths": ["x"]},
        "target": {"system": "avalanchio", "table": "t"},
        **tables,
    }


def test_settings_never_change() -> None:
    """A job is a value."""
    job = make_job(document_of())
    with pytest.raises(ValueError, match="frozen"):
        job.name = "other"
    with pytest.raises(SettingsError, match=r"^settings: nam: unknown key; did you mean name"):
        make_job(document_of(nam="x"))


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"name": "k"}, False),
        ({"source": {"paths": ["y"]}}, False),
        ({"source": {"paths": ["x"], "nulls": ["NA"]}}, False),
        ({"fields": {"a": {}}}, False),
        ({"fields": {"a": {"type": "date"}}}, False),
        ({"target": {"system": "avalanchio", "table": "u"}}, False),
        # Where it really goes is known when it runs, and is compared then.
        ({"target": {"system": "avalanchio", "table": "t", "base_url": "sandbox"}}, True),
        ({"target": {"system": "avalanchio", "table": "t", "profile": "prod"}}, True),
        ({"source": {"paths": ["x"], "block_bytes": 4096}}, True),
        ({"delivery": {"on_ambiguous": "stop", "longest_server_s": 5.0}}, True),
        ({"delivery": {"stamp": "s"}}, False),
        ({"limits": {"records": 5, "in_flight": 1}}, True),
        ({"rejects": {"max_count": 0}}, True),
        ({"table": {"label": "x"}}, True),
        ({"source": {"paths": ["x"], "rest": "keep"}}, True),
    ],
)
def test_identity(change: dict[str, Any], same: bool) -> None:
    """Name, source, fields, target and delivery make a job what it is; limits and rejects don't."""
    before, after = make_job(document_of()), make_job(document_of(**change))
    assert (before.identity() == after.identity()) is same
    assert before.identity() == make_job(document_of()).identity()


def test_identity_does_not_hang_on_the_place(tmp_path: Path) -> None:
    """A job file moved is the same job; the digest of all settings knows no directory either."""
    here, there = make_job(document_of(), base=Path("a")), make_job(document_of(), base=tmp_path)
    assert here.identity() == there.identity()
    assert here.digest() == there.digest()


def test_the_digest_is_of_every_setting() -> None:
    """Limits and rejects change it, though not the identity."""
    digests = {
        make_job(document_of(**change)).digest()
        for change in (
            {},
            {"limits": {"records": 5}},
            {"rejects": {"max_count": 0}},
            {"table": {"a": 1}},
        )
    }
    assert len(digests) == 4
