"""The programs that are compared with this one, each run as a process of its own.

`python -m benchmarks.peers NAME SOURCE TARGET TABLE` does the work and prints one line of JSON:
`seconds` to its last record, `records` if it knows. The clock starts when what it needs is
imported, as our own report's does. TARGET is the server's address or, for those that write to
disk, a file; TABLE one of `tables`.

`by_rows` has those whose Python touches every record, `by_columns` the engines, `bare` the limits
that are no programs. Each is set up as its own documentation would; what it does otherwise than we
do is said at its place. A peer whose package is missing is left out (`missing`).
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from benchmarks.peers import bare, by_columns, by_rows
from benchmarks.tables import Table

Result = dict[str, Any]
Peer = Callable[[str, str, Table], Result]

PEERS: dict[str, Peer] = {
    "published": by_rows.published,
    "as-published": by_rows.as_published,
    "aitoai-batch": by_rows.aitoai_batch,
    "aitoai-file": by_rows.aitoai_file,
    "dlt": by_rows.dlt_destination,
    "mq-bridge": by_columns.mq_bridge_typed,
    "mq-bridge-text": by_columns.mq_bridge_text,
    "duckdb": by_columns.duckdb_copy,
    "chdb": by_columns.chdb_file,
    "chdb-url": by_columns.chdb_url,
    "polars": by_columns.polars_sink,
    "polars-ndjson": by_columns.polars_ndjson,
    "bare-socket": bare.bare_socket,
    "hash": bare.hash_file,
}
IMPORTS = {
    "published": ("requests",),
    "as-published": ("requests",),
    "aitoai-batch": ("aito.v1",),
    "aitoai-file": ("aito.v1", "aito.utils.data_frame_handler"),
    "dlt": ("dlt", "requests"),
    "mq-bridge": ("mq_bridge",),
    "mq-bridge-text": ("mq_bridge",),
    "duckdb": ("duckdb",),
    "chdb": ("chdb",),
    "chdb-url": ("chdb",),
    "polars": ("polars",),
    "polars-ndjson": ("polars",),
}


def missing(name: str) -> str:
    """What to say about a peer that is not installed; empty if it is."""
    for module in IMPORTS.get(name, ()):
        package = module.partition(".")[0]
        if find_spec(package) is None:
            return f'{name} is left out: no {package} here (pip install ".[bench,peers]")'
    return ""
