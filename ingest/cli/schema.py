"""`ingest schema`: the JSON Schema of job files, for editors and for whoever writes jobs."""

from __future__ import annotations

from ingest.cli.errors import ended
from ingest.cli.output import write_out

EPILOG = """\
[bold]Examples[/bold]

ingest schema > job.schema.json

Editors that know TOML (Even Better TOML, taplo) read it where a job's first line names it:

#:schema ./job.schema.json
"""


@ended
def schema() -> int:
    """Print the JSON Schema of job files."""
    from ingest.operations.schema import schema_text  # noqa: PLC0415 - `--help` stays quick

    write_out(schema_text().encode())
    return 0
