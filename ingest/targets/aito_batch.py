"""aito by batches: a JSON array by `POST data/{table}/batch`, at most 6 MB, all or nothing."""

from __future__ import annotations

from ingest.targets.aito import AitoRequests


class AitoBatchTarget(AitoRequests):
    """One table, loaded by batches."""

    via = "batch"
    content_type = "application/json"
    frame = (b"[", b"]", b",\n")
