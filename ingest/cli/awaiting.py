"""How every command runs what is asynchronous: one event loop, behind the imports.

`main` turns the collector off while modules are imported, and whoever is done with importing turns
it on again; so that is done here, where the work begins, and by no command for itself. A process
that is not ours alone (a test's) has it on, and nothing of it is touched.
"""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from typing import ParamSpec, TypeVar

import anyio

P = ParamSpec("P")
T = TypeVar("T")


def awaited(call: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
    """What `call` returns, on an event loop of its own. Raises what it raises."""
    if not gc.isenabled():
        gc.freeze()  # what was imported stays, and is not looked through again and again
        gc.enable()

    async def begun() -> T:
        return await call(*args, **kwargs)

    return anyio.run(
        begun,
        backend="asyncio",
        backend_options={"use_uvloop": find_spec("uvloop") is not None},
    )
