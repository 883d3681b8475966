"""How aito says no, below HTTP: statuses, codes, and words that name no row.

The one rule that matters most for a loader stands here: **a refused batch or stream does not say
which row was wrong.** The service's messages often don't (seen: its client says that the engine
tells only `VALUE_STRING`, the token it stumbled over), so a loader has to halve a refused body
until the row is alone. A sandbox that named the row would let a loader pass that can't. The column
and its type are told, which is more than the worst message and less than a row.

Codes are v2's; `aito_answers` leaves them out for v1. Which code belongs to which refusal is a
guess; the codes are the client's list.
"""

from __future__ import annotations

from typing import Any, Final

from ingest.sandbox.refusal import Refused

CONTENTION: Final = "write.contention"
BAD_DATA, BAD_QUERY, BAD_JSON = "data.bad_request", "query.invalid", "json.malformed"
NOT_FOUND, UNSUPPORTED, EXISTS = "not_found", "operation.unsupported", "table.exists"
BAD_SCHEMA, BAD_COLUMN = "schema.create_failed", "schema.column_update_failed"


def bad(message: str, code: str = BAD_DATA) -> Refused:
    """A 400: the request is wrong and sending it again won't help."""
    return Refused(400, message, code=code)


def bad_query(message: str) -> Refused:
    """A 400 to a query."""
    return bad(message, BAD_QUERY)


def wrong_value(column: str, kind: str, value: object) -> str:
    """The words for a value of the wrong type, for any row that has one."""
    return f"failed to read field '{column[:200]}': expected {kind}, got {token(value)}"


def unknown_field(name: str) -> str:
    """The words for a field that the table does not have, for any row that has it."""
    return f"field '{name[:200]}' not found in the table"


def missing_link(column: str, target: str) -> str:
    """The words for a linked value that the other table does not have (guess: it is refused)."""
    return f"failed to link field '{column[:200]}': no such value in {target[:400]}"


def no_table(name: str) -> Refused:
    """The schema and data endpoints' 404 (seen; flat in v2 too, so it has no code)."""
    return Refused(404, f"No such table: {name[:200]}")


def token(value: Any) -> str:
    """The name of a value's JSON token, which is all that the message tells of the value."""
    if value is None or isinstance(value, bool):
        return f"VALUE_{'NULL' if value is None else str(value).upper()}"
    if isinstance(value, int | float):
        return f"VALUE_NUMBER_{'INT' if isinstance(value, int) else 'FLOAT'}"
    if isinstance(value, str):
        return "VALUE_STRING"
    return "START_ARRAY" if isinstance(value, list) else "START_OBJECT"
