"""httpx comes without its command line, and nobody else is kept from it."""

from __future__ import annotations

import subprocess
import sys


def test_pygments_is_not_imported_and_httpx_is_whole():
    """In an interpreter of its own: no Pygments, and httpx's command line can still be imported."""
    code = (
        "import sys, ingest.wire, httpx\n"
        "assert 'pygments' not in sys.modules\n"
        "assert httpx.AsyncClient\n"
        "import httpx._main\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
