"""`ingest report [RUN] --html FILE`: a run's report as a page for people.

What a program reads is `ingest show --json`; this makes one file that is mailed, printed or put
beside the data. It is 0600 like everything that names somebody's data.
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from ingest.cli import options as opt
from ingest.cli.errors import ended
from ingest.cli.output import say, write_out
from ingest.cli.show import LatestRun, parsed, read_report
from ingest.errors import IngestError
from ingest.state import DEFAULT_STATE_DIR, RunDir, StateDir, write_private

EPILOG = """\
[bold]Examples[/bold]

ingest report --html report.html

ingest report 20261121-2215 --html - > report.html

ingest report --html report.html --samples 20    (holds records: mind who reads it)
"""
_LONGEST_LINE = 64 * 1024 * 1024
STDOUT = Path("-")


@ended
def report(
    html: Annotated[
        Path,
        typer.Option(
            "--html",
            metavar="FILE",
            help="Write the page there; - for standard output.",
            show_default=False,
        ),
    ],
    run: LatestRun = None,
    samples: Annotated[
        int,
        typer.Option(metavar="N", min=0, max=1000, help="Show the first N rejected records."),
    ] = 0,
    state_dir: opt.State = DEFAULT_STATE_DIR,
) -> int:
    """Write a run's report as one page of HTML that needs no network."""
    from ingest.page import page  # noqa: PLC0415 - `--help` stays quick

    found = StateDir(state_dir).find(run)
    facts = parsed(read_report(found), found.report_path)
    data = page(facts, _settings(found), _samples(found.rejects_path, samples))
    if html == STDOUT:
        write_out(data)
        return 0
    try:
        write_private(html, data)
    except OSError as exc:
        raise IngestError(
            f"the page can't be written: {html}: {exc.strerror or exc}", "name another place"
        ) from exc
    say(f"{found.id}: {html}")
    return 0


def _settings(run: RunDir) -> dict[str, Any]:
    """The job's settings as the run was given them; empty where they are not kept."""
    import orjson  # noqa: PLC0415 - `--help` stays quick

    try:
        kept = orjson.loads((run.path / "job.json").read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return {}
    found = kept.get("settings") if isinstance(kept, dict) else None
    return found if isinstance(found, dict) else {}


def _samples(path: Path, most: int) -> list[dict[str, Any]]:
    """The first rejects in the file; lines that are none are passed over."""
    import orjson  # noqa: PLC0415 - `--help` stays quick

    found: list[dict[str, Any]] = []
    if not most:
        return found
    try:
        with path.open("rb") as file:
            for line in islice(iter(lambda: file.readline(_LONGEST_LINE), b""), most):
                try:
                    one = orjson.loads(line)
                except orjson.JSONDecodeError:
                    continue
                found += [one] if isinstance(one, dict) else []
    except OSError:  # a run without rejects has no file
        return found
    return found
