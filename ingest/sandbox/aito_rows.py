"""Rows taken one by one, as the file upload takes them: best effort, with words for each bad one.

Batch and stream are one operation each and live in `aito_store`; a file is not (documented): its
good rows land and its bad ones are reported.
"""

from __future__ import annotations

from ingest.sandbox.store import Store


def insert_each(
    store: Store,
    table: str,
    lines: list[bytes],
    api: str,  # noqa: ARG001 - the words are the same in both versions, as far as is known
) -> list[tuple[int, str]]:
    """Insert the good ones of `lines` (one JSON object each) in one transaction, in their order.

    Call it on the store's thread, alone or within `store.transaction()`. `api` is "v1" or "v2".
    Returns (index in `lines`, message) of every line that was left out, in order; a blank line is
    one of them, so leave blank lines out before. Raises `Refused` (404) if there is no such table;
    nothing is inserted then.
    """
    return store.aito.insert_each(("", table), lines)
