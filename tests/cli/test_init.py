"""`ingest init`: where the job goes, and what is never written over."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from ingest.cli.app import app


@pytest.fixture
def init(runner):
    """Run the command offline in an empty directory with a file of data."""
    Path("a.csv").write_text("a,b\n1,x\n2,y\n")

    def run(*arguments: str, code: int = 0):
        result = runner.invoke(app, ["init", "a.csv", "--offline", *arguments])
        assert result.exit_code == code, result.stderr
        return result

    return run


def test_the_file_is_the_table_s(init):
    """TABLE.toml, with the schema where its first line says."""
    result = init("--to", "avalanchio:stock")
    text = Path("stock.toml").read_text()
    assert tomllib.loads(text)["target"]["table"] == "stock"
    first = text.splitlines()[0]
    assert first == "#:schema ./.ingest/job.schema.json"
    assert json.loads(Path(first.split()[1]).read_text())["title"] == "ingest job"
    assert "ingest run stock.toml" in result.stderr
    assert result.stdout == ""


def test_nothing_is_written_over(init):
    """But with --force."""
    Path("stock.toml").write_text("mine")
    result = init("--to", "avalanchio:stock", code=2)
    assert "stock.toml: is there already" in result.stderr
    assert Path("stock.toml").read_text() == "mine"
    init("--to", "avalanchio:stock", "--force")
    assert Path("stock.toml").read_text() != "mine"


def test_standard_output(init):
    """`-o -` writes no file at all."""
    result = init("--to", "aito:events", "-o", "-")
    assert tomllib.loads(result.stdout)["target"]["system"] == "aito"
    assert sorted(path.name for path in Path().iterdir()) == ["a.csv"]


def test_another_directory(init):
    """Paths and the schema are named from there."""
    Path("jobs").mkdir()
    init("--to", "avalanchio:t", "-o", "jobs/nightly.toml")
    text = Path("jobs/nightly.toml").read_text()
    document = tomllib.loads(text)
    assert (document["name"], document["source"]["paths"]) == ("nightly", ["../a.csv"])
    assert text.startswith("#:schema ../.ingest/job.schema.json\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--to", "avalanchio"], "SYSTEM:TABLE"),
        (["--to", "oracle:t"], "SYSTEM:TABLE"),
        (["--to", "aito:t", "--set", "limits.records=5"], "limits"),
        (["--to", "aito:t", "--sample", "0"], "--sample"),
        (["--to", "aito:t", "-o", "nowhere/t.toml"], "nowhere"),
        (["--to", "avalanchio:t", "--set", "target.via='file'"], "via"),
        (["-", "--to", "aito:t"], "standard input"),
    ],
)
def test_what_is_refused(init, arguments, words):
    """Usage and settings: exit 2, and nothing is left behind."""
    assert words in init(*arguments, code=2).stderr
    assert sorted(path.name for path in Path().iterdir()) == ["a.csv"]


def test_a_conflict_is_a_warning(init):
    """What a run would refuse is said, and the job is written for a person to mend."""
    Path("a.csv").write_text("@b c,a\n1,2\n")
    result = init("--to", "aito:t")
    assert Path("t.toml").exists()
    assert "a run would refuse this job" in result.stderr
    assert "'@b c' can't be a column's name" in result.stderr
