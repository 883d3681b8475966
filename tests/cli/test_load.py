"""`ingest load`: a job made of arguments, with a name that stays the same."""

from __future__ import annotations

import re

import pytest

from ingest.cli.app import app
from ingest.cli.load import load_document


def loaded(runner, build, *arguments: str):
    """The job that these arguments give."""
    result = runner.invoke(app, ["load", *arguments])
    assert result.exit_code == 0, result.stderr
    return build.calls.pop()[0]


def test_a_load(runner, build):
    """Paths, system, table; no table is made unless asked."""
    job = loaded(runner, build, "b.csv", "a.csv", "--to", "avalanchio:stock")
    assert job.source.paths == ("b.csv", "a.csv")
    assert (job.target.system, job.target.table, job.target.create) == (
        "avalanchio", "stock", False,
    )  # fmt: skip
    assert re.fullmatch(r"load-[0-9a-f]{12}", job.name)


def test_create_and_set(runner, build):
    """`--create` and values below it; a table's name may hold a colon."""
    job = loaded(
        runner, build, "-", "--to", "aito:a:b", "--create", "--set", 'fields.d.type="date"',
        "--set", "source.nulls=['', 'NA']",
    )  # fmt: skip
    assert job.target.create is True
    assert job.target.table == "a:b"
    assert job.fields["d"].type == "date"
    assert job.source.nulls == ("", "NA")


def test_the_name_is_the_identity(runner, build):
    """The same command is the same job; other paths, target or fields are another one."""
    usual = ("a.csv", "--to", "aito:t")
    names = [
        loaded(runner, build, *arguments).name
        for arguments in (
            usual,
            ("b.csv", "--to", "aito:t"),
            ("a.csv", "b.csv", "--to", "aito:t"),
            ("a.csv", "--to", "aito:u"),
            (*usual, "--set", 'fields.x.type="date"'),
        )
    ]
    assert len(set(names)) == 5
    assert loaded(runner, build, *usual).name == names[0]
    assert loaded(runner, build, *usual, "--set", "limits.in_flight=2").name == names[0]


def test_the_name_does_not_depend_on_how_a_path_is_written(tmp_path, monkeypatch):
    """Relative and absolute are the same file; another directory's is another. "-" is no file."""

    def name(path: str) -> str:
        return str(load_document([path], {"table": "t"}, ())["name"])

    monkeypatch.chdir(tmp_path)
    here, stdin = name("a.csv"), name("-")
    assert name(str(tmp_path / "a.csv")) == here
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    assert name("a.csv") != here
    assert name("-") == stdin


def test_a_name_may_be_set(runner, build):
    """By the one way in which everything may be set."""
    assert loaded(runner, build, "a.csv", "--to", "aito:t", "--set", "name=mine").name == "mine"


@pytest.mark.parametrize("to", ["aito", ":t", "aito:", "nosuch:t"])
def test_wrong_targets(runner, build, to):
    """Exit 2, and nothing is run."""
    result = runner.invoke(app, ["load", "a.csv", "--to", to])
    assert result.exit_code == 2
    assert not build.calls


def test_a_wrong_setting_is_named(runner, build):
    """There is no file to point at: the command line it is."""
    result = runner.invoke(app, ["load", "a", "--to", "aito:t", "--set", "limits.recrods=5"])
    assert result.exit_code == 2
    assert "command line: limits.recrods: unknown key; did you mean records?" in result.stderr


def test_to_is_needed(runner, build):
    """Typer's own usage error."""
    result = runner.invoke(app, ["load", "a.csv"])
    assert result.exit_code == 2
    assert "--to" in result.stderr
