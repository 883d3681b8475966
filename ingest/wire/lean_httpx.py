"""httpx without its command line, which it would import with Rich and Pygments at every start.

That costs some 50 ms and nobody asks for it. httpx expects that the module may be missing (its
extra is not installed everywhere), so for the time of the import it is. Imported before everything
else of the package that needs httpx.
"""

import sys

sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type] # None: can't be imported
try:
    import httpx  # noqa: F401 - imported so that it is there for the others
finally:
    if sys.modules.get("httpx._main") is None:
        sys.modules.pop("httpx._main", None)
