"""The commands, put together. Imported for every `--help`: Typer, and nothing heavier."""

from __future__ import annotations

from typing import Annotated

import typer

from ingest.cli import (
    check,
    clean,
    errors,
    init,
    load,
    plan,
    replay,
    report,
    run,
    runs,
    sandbox,
    schema,
    show,
    undo,
    verify,
)
from ingest.cli.quick import QuickGroup

EPILOG = """\
[bold]Examples[/bold]

ingest load data/*.csv --to avalanchio:stock --create

ingest run stocks.toml

ingest runs --job stocks

ingest show

ingest report --html report.html

ingest verify

ingest replay

ingest undo 20261121-2215

ingest clean --older-than 30d

ingest sandbox --fault 429:5%
"""

app = typer.Typer(
    name="ingest",
    cls=QuickGroup,
    help="Load files into rate-limited HTTP APIs: exact limits, every record accounted for.",
    epilog=EPILOG,
    no_args_is_help=True,
    rich_markup_mode="rich",
    # Rich tracebacks would show local variables: tokens and somebody's data.
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)
app.command(epilog=init.EPILOG)(init.init)
app.command(epilog=check.EPILOG)(check.check)
app.command(epilog=plan.EPILOG)(plan.plan)
app.command(epilog=run.EPILOG)(run.run)
app.command(epilog=load.EPILOG)(load.load)
app.command(epilog=runs.EPILOG)(runs.runs)
app.command(epilog=show.EPILOG)(show.show)
app.command(epilog=report.EPILOG)(report.report)
app.command(epilog=verify.EPILOG)(verify.verify)
app.command(epilog=replay.EPILOG)(replay.replay)
app.command(epilog=undo.EPILOG)(undo.undo)
app.command(epilog=clean.EPILOG)(clean.clean)
app.command(epilog=sandbox.EPILOG)(sandbox.sandbox)
app.command(epilog=schema.EPILOG)(schema.schema)


def _version(wanted: bool) -> None:
    if wanted:
        from ingest import __version__  # noqa: PLC0415 - reads the package's metadata

        typer.echo(f"ingest {__version__}")
        raise typer.Exit


@app.callback()
def door(
    *,
    version: Annotated[  # noqa: ARG001 - its callback does it
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
    debug: Annotated[
        bool,
        typer.Option("--debug", envvar="INGEST_DEBUG", help="Tracebacks of unexpected errors."),
    ] = False,
) -> None:
    """Set what holds for every command."""
    errors.debug.set(debug)
