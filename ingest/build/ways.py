"""Which way records go to aito: batch, stream or file. Pure.

`auto` takes the file way where it pays and is offered: input of known size from `FILE_FROM_BYTES`
on (as it lies on the disk), at an instance of its own. A `/db/` base is a shared one, which takes
no file uploads (seen). Stream is never chosen: it does what batch does and is in beta.
"""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

from ingest.display import size
from ingest.errors import SettingsError

Way = Literal["batch", "stream", "file"]
FILE_FROM_BYTES = 100_000_000
_BETA = "; this way is in beta at the service, not all or nothing, and may take a file in part"
_STREAM_BETA = "; this way is in beta at the service"


def chosen_way(
    via: Literal["batch", "stream", "file", "auto"], total_bytes: int | None, base_url: str
) -> tuple[Way, str]:
    """The way, and a sentence for people ('' where there is nothing to say).

    Raises SettingsError where the instance does not offer the way that was asked for.
    """
    shared = "/db/" in urlsplit(base_url).path + "/"
    if via == "file" and shared:
        raise SettingsError(
            'target.via = "file": a shared instance (/db/ in its base URL) takes no file uploads',
            'use via = "batch" or "auto"',
        )
    if via == "auto":
        return _automatic(total_bytes, shared)
    notes = {"file": f"by way of a file{_BETA}", "stream": f"by stream{_STREAM_BETA}"}
    return via, notes.get(via, "")


def _automatic(total_bytes: int | None, shared: bool) -> tuple[Way, str]:
    if total_bytes is None:
        return "batch", "by batches: the size of the input is not known"
    known = f"the input has {size(total_bytes)}"
    if total_bytes < FILE_FROM_BYTES:
        return "batch", f"by batches: {known}, less than {size(FILE_FROM_BYTES)}"
    if shared:
        return "batch", "by batches: a shared instance (/db/) takes no file uploads"
    return "file", f"by way of a file: {known}{_BETA}"
