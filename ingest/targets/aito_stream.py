"""aito by its stream API: one JSON object a line by `POST data/{table}/stream`.

The lines are parsed in the order they come and stored in one operation (documented), so a body
lands whole or not at all, like a batch (guess: the page says it of the storing, not of a bad line).
The service calls this way a beta.
"""

from __future__ import annotations

from ingest.targets.aito import AitoRequests


class AitoStreamTarget(AitoRequests):
    """One table, loaded by streams of lines, held to the limits of a batch."""

    via = "stream"
    content_type = "application/x-ndjson"
    frame = (b"", b"", b"\n")
