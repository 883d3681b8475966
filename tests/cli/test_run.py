"""`ingest run`: options reach the run, its end reaches people and the exit code."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from ingest.cli.app import app
from ingest.errors import JobHeld

JOB = """\
[source]
paths = ["*.csv"]
[target]
system = "aito"
table = "t"
"""


@pytest.fixture
def job(tmp_path: Path) -> str:
    """A job file."""
    (tmp_path / "stocks.toml").write_text(JOB)
    return "stocks.toml"


def test_a_good_run(runner, build, job):
    """Exit 0, a summary on standard error, nothing on standard output."""
    result = runner.invoke(app, ["run", job])
    assert (result.exit_code, result.stdout) == (0, "")
    for part in ("delimiter ;", "stocks to fake h: t", "5.00 s:", "done  exit code 0", "report: "):
        assert part in result.stderr
    assert "odd [bold]thing[/bold]" in result.stderr
    assert "\x1b" not in result.stderr


def test_every_option_arrives(runner, build, job, tmp_path):
    """What the command line says is what `execute` is told."""
    arguments = [
        "run", job, "--state-dir", "s", "--report", "r.json", "--limit", "5", "--max-duration",
        "2h", "--grace", "1.5m", "--profile", "p", "--base-url", "sandbox", "--ask", "select 1",
        "--set", "limits.in_flight=3", "--set", "target.table=other",
    ]  # fmt: skip
    assert runner.invoke(app, arguments).exit_code == 0
    ((called, options),) = build.calls
    assert options == build.RunOptions(
        Path("s"), Path("r.json"), 5, 7200.0, 90.0, profile="p", base_url="sandbox", ask="select 1"
    )
    assert (called.limits.in_flight, called.target.table, called.name) == (3, "other", "stocks")
    assert orjson.loads((tmp_path / "r.json").read_bytes())["exit_code"] == 0


def test_defaults(runner, build, job):
    """The state directory in the working directory, 25 s of grace, and nothing else."""
    runner.invoke(app, ["run", job])
    assert build.calls[0][1] == build.RunOptions(Path(".ingest"))


@pytest.mark.parametrize("wish", ["restart", "fresh"])
@pytest.mark.parametrize("command", [["run", "stocks.toml"], ["load", "a.csv", "--to", "aito:t"]])
def test_what_to_do_about_earlier_runs(runner, build, job, command, wish):
    """Either arrives, with either command."""
    assert runner.invoke(app, [*command, f"--{wish}"]).exit_code == 0
    options = build.calls[0][1]
    assert (options.restart, options.fresh) == (wish == "restart", wish == "fresh")


@pytest.mark.parametrize("command", [["run", "stocks.toml"], ["load", "a.csv", "--to", "aito:t"]])
def test_not_both_at_once(runner, build, job, command):
    """Exit 2 naming both, also for programs; nothing is run."""
    result = runner.invoke(app, [*command, "--fresh", "--restart"])
    assert result.exit_code == 2
    assert "--restart and --fresh exclude each other" in result.stderr
    result = runner.invoke(app, [*command, "--fresh", "--restart", "--log-format", "json"])
    assert orjson.loads(result.stderr)["kind"] == "settings"
    assert not build.calls


def test_the_state_directory_from_the_environment(runner, build, job):
    """INGEST_STATE_DIR, below the option."""
    environment = {"INGEST_STATE_DIR": "elsewhere"}
    runner.invoke(app, ["run", job], env=environment)
    runner.invoke(app, ["run", job, "--state-dir", "here"], env=environment)
    assert [options.state_dir for _, options in build.calls] == [Path("elsewhere"), Path("here")]


def test_jobs_run_in_order_up_to_the_first_failure(runner, build, tmp_path):
    """A job with rejects (3) is a failure to what depends on it."""
    for name in "zabc":
        (tmp_path / f"{name}.toml").write_text(JOB)
    build.plan.update({"b": {"rejected": 1}})
    result = runner.invoke(app, ["run", "z.toml", "a.toml", "b.toml", "c.toml"])
    assert result.exit_code == 3
    assert [called.name for called, _ in build.calls] == ["z", "a", "b"]


def test_all_jobs_are_read_before_the_first_runs(runner, build, job, tmp_path):
    """A mistake in the last file is found before anything is sent; line and key are named."""
    (tmp_path / "bad.toml").write_text(JOB + "tabel = 1\n")
    result = runner.invoke(app, ["run", job, "bad.toml"])
    assert result.exit_code == 2
    assert "error: bad.toml:6: target.tabel: unknown key; did you mean table?" in result.stderr
    assert not build.calls


def test_one_report_file_takes_one_job(runner, build, job):
    """Else the last would overwrite the others."""
    result = runner.invoke(app, ["run", job, job, "--report", "r.json"])
    assert result.exit_code == 2
    assert "--report holds one report, and 2 jobs are given" in result.stderr
    assert not build.calls


def test_a_report_without_a_directory_is_found_at_the_start(runner, build, job):
    """Not after hours of loading."""
    result = runner.invoke(app, ["run", job, "--report", "no/r.json"])
    assert result.exit_code == 2
    assert "is no directory to write in" in result.stderr
    assert not build.calls


def test_rejects_are_3_and_located(runner, build, job):
    """The reasons and the file."""
    build.plan["*"] = {"rejected": 2}
    result = runner.invoke(app, ["run", job])
    assert result.exit_code == 3
    assert "odd_value" in result.stderr
    assert "2 records rejected: see .ingest/runs/" in result.stderr


def test_a_failed_run_says_why(runner, build, job):
    """The report's error and hint come with the summary."""
    build.plan["*"] = {"stopped": True}
    result = runner.invoke(app, ["run", job])
    assert result.exit_code == 7
    assert "error: quota used up\nhint: wait\n" in result.stderr


def test_quiet(runner, build, job):
    """Nothing for a good run but its warnings; the verdict of a bad one."""
    assert runner.invoke(app, ["run", job, "-q"]).output == "warning: odd [bold]thing[/bold]\n"
    build.plan["*"] = {"rejected": 1}
    result = runner.invoke(app, ["run", job, "--quiet"])
    assert "1 record rejected: see" in result.stderr
    assert "read" not in result.stderr


def test_json(runner, build, job):
    """Every line on standard error is JSON; the last one is the end."""
    build.plan["*"] = {"rejected": 1}
    result = runner.invoke(app, ["run", job, "--log-format", "json"])
    events = [orjson.loads(line) for line in result.stderr.splitlines()]
    assert [event["event"] for event in events] == [
        "note", "started", "note", "progress", "finished",
    ]  # fmt: skip
    assert events[-1]["exit_code"] == result.exit_code == 3


@pytest.mark.parametrize("progress", ["none", "plain", "bar", "auto"])
def test_progress(runner, build, job, progress):
    """Lines, or none."""
    result = runner.invoke(app, ["run", job, "--progress", progress])
    assert result.exit_code == 0
    assert ("5.00 s:" in result.stderr) is (progress in ("plain", "auto"))


def test_rows_go_to_standard_output(runner, build, job):
    """NDJSON where it is no terminal, whatever the log format; also no rows at all."""
    build.plan["*"] = {"rows": [{"n": 10, "x": "ü"}, {"n": None}]}
    for more in ([], ["--log-format", "json"], ["--quiet"]):
        result = runner.invoke(app, ["run", job, "--ask", "select", *more])
        assert result.stdout == '{"n":10,"x":"ü"}\n{"n":null}\n'
    build.plan["*"] = {"rows": []}
    assert runner.invoke(app, ["run", job, "--ask", "select"]).stdout == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ["run"],
        ["run", "stocks.toml", "--limit", "0"],
        ["run", "stocks.toml", "--limit", "-1"],
        ["run", "stocks.toml", "--max-duration", "0"],
        ["run", "stocks.toml", "--max-duration", "soon"],
        ["run", "stocks.toml", "--grace", "-1"],
        ["run", "stocks.toml", "--log-format", "xml"],
        ["run", "stocks.toml", "--restart", "--fresh"],
        ["run", "missing.toml"],
        ["run", "stocks.toml", "--set", "nothing"],
        ["rum"],
        [],
    ],
)
def test_usage_errors_are_2(runner, build, job, arguments):
    """And nothing is run."""
    result = runner.invoke(app, arguments)
    assert result.exit_code == 2
    assert not build.calls


HELD = JobHeld("another run holds this job", "wait")


@pytest.mark.parametrize(
    ("wish", "code", "told"), [("fail", 5, "fail"), ("skip", 0, "fail"), ("wait", 5, "wait")]
)
def test_if_another_run_holds_the_job(runner, build, job, wish, code, told):
    """Skipped with a sentence, and nothing that may need it is begun; else exit 5."""
    build.plan.update({"stocks": {"raises": HELD}})
    arguments = ["run", job, job, "--if-running", wish]
    result = runner.invoke(app, arguments)
    assert (result.exit_code, len(build.calls)) == (code, 1)
    assert build.calls[0][1].if_running == told
    assert ("another run holds this job: skipped" in result.stderr) == (wish == "skip")
    result = runner.invoke(app, [*arguments, "--log-format", "json"])
    assert orjson.loads(result.stderr)["event"] == ("note" if wish == "skip" else "error")


def test_no_choice_without_a_lock(runner, build, job):
    """A run outside of the journal holds none."""
    result = runner.invoke(app, ["run", job, "--fresh", "--if-running", "wait"])
    assert result.exit_code == 2
    assert "--if-running wait and --fresh exclude each other" in result.stderr


@pytest.mark.parametrize(
    ("plan", "code", "figure"),
    [({}, 0, 0), ({"rejected": 1}, 3, 3), ({"raises": ["odd"]}, 1, 1), ({"raises": HELD}, 5, None)],
)
def test_metrics_of_every_end(runner, build, job, tmp_path, plan, code, figure):
    """Of a run that failed before it began, too; none of one that another one kept out."""
    build.plan.update({"stocks": plan})
    assert runner.invoke(app, ["run", job, "--metrics", "a.prom"]).exit_code == code
    path = tmp_path / "a.prom"
    wanted = f'ingest_run_exit_code{{job="stocks"}} {figure}.0'
    assert path.exists() == (figure is not None)
    assert figure is None or wanted in path.read_text().splitlines()
