"""Clients side by side, each with a pool of a few connections.

The library's pool, which stands behind a proxy's client (see `exchange`), looks at every connection
for every request, and at all of them again for every one that is idle. That is nothing with ten,
and with 256 it is 20 ms of the processor for a request: a load with so many in flight came to 50
requests a second. So there are never more than `CONNECTIONS` to a pool, and a request goes to the
client that has the fewest under way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import anyio
import httpx

CONNECTIONS = 16


class Clients:
    """As many clients as it takes for `connections` at once."""

    def __init__(self, make: Callable[[int], httpx.AsyncClient], connections: int) -> None:
        """`make` gives a client with at most so many connections."""
        count = -(-connections // CONNECTIONS)
        self._clients = [make(-(-connections // count)) for _ in range(count)]
        self._under_way = [0] * count

    def build_request(self, method: str, url: httpx.URL | str, **parts: object) -> httpx.Request:
        """A request that any of them may send."""
        return self._clients[0].build_request(method, url, **parts)  # type: ignore[arg-type] # theirs

    @contextmanager
    def least_busy(self) -> Iterator[httpx.AsyncClient]:
        """The one to send the next request, for as long as that takes."""
        place = min(range(len(self._clients)), key=self._under_way.__getitem__)
        self._under_way[place] += 1
        try:
            yield self._clients[place]
        finally:
            self._under_way[place] -= 1

    async def aclose(self) -> None:
        """Close all connections, whatever is cancelled meanwhile."""
        with anyio.CancelScope(shield=True):
            for client in self._clients:
                await client.aclose()
