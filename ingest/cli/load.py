"""`ingest load PATH... --to SYSTEM:TABLE`: a job from the command line, without a file.

Its name, and with it its identity, comes from what it loads and where to (`build.loading`): the
same command is the same job tomorrow.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from ingest.cli import options as opt
from ingest.cli.errors import ended

EPILOG = """\
[bold]Examples[/bold]

ingest load data/stocks/*.csv --to avalanchio:stock --create

zcat huge.ndjson.gz | ingest load - --to aito:events

ingest load trips.csv --to aito:trips --set 'source.nulls=["", "NA"]' \
--set 'fields.start.type="timestamp"'

[bold]ingest sandbox[/bold] gives a server to try it against, [bold]ingest run --help[/bold] the \
exit codes.
"""


@ended
@opt.wishing
def load(
    paths: Annotated[
        list[str],
        typer.Argument(metavar="PATH...", help='Files, globs, directories, or "-" (stdin).'),
    ],
    to: Annotated[str, typer.Option("--to", metavar="SYSTEM:TABLE", help="Where to load into.")],
    wishes: opt.Wishes,
    create: Annotated[
        bool,
        typer.Option("--create/--no-create", help="Make the table, or add columns it lacks."),
    ] = False,
    sets: opt.Sets = None,
) -> int:
    """Load files into a table without a job file."""
    system, table = _target(to)
    target = {"system": system, "table": table, "create": create}
    from ingest.cli.execute import Asked, run_jobs  # noqa: PLC0415 - `--help` stays quick
    from ingest.job import make_job  # noqa: PLC0415

    document = load_document(paths, target, sets or ())
    return run_jobs([Asked(make_job(document, shown="command line"))], wishes)


def load_document(
    paths: Sequence[str], target: dict[str, Any], overrides: Sequence[str]
) -> dict[str, Any]:
    """The job's document with its overrides applied and its name."""
    from ingest.build.loading import load_name  # noqa: PLC0415 - `--help` stays quick
    from ingest.job import apply_override  # noqa: PLC0415 - it brings the settings models

    document: dict[str, Any] = {"source": {"paths": list(paths)}, "target": target}
    for override in overrides:
        apply_override(document, override)
    document.setdefault("name", load_name(document))
    return document


def _target(to: str) -> tuple[str, str]:
    system, colon, table = to.partition(":")
    if not colon or not system or not table:
        raise typer.BadParameter(
            f"{to!r} is not SYSTEM:TABLE, like avalanchio:stock", param_hint="--to"
        )
    return system, table
