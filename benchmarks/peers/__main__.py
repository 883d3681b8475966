"""`python -m benchmarks.peers NAME SOURCE TARGET TABLE`: run one peer and print its result."""

from __future__ import annotations

import json
import sys
import time
from importlib import import_module

from benchmarks.peers import IMPORTS, PEERS
from benchmarks.tables import TABLES


def main(name: str, source: str, target: str = "", table: str = "stock") -> None:
    """Run it. What it needs is imported before the clock starts."""
    for module in IMPORTS.get(name, ()):
        import_module(module)
    started = time.perf_counter()
    result = PEERS[name](source, target, TABLES[table])
    print(json.dumps({"seconds": time.perf_counter() - started, **result}))


if __name__ == "__main__":
    main(*sys.argv[1:])
