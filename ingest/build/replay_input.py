"""The lines that a replay is given: the run's rejects as they stand, or a mended copy of them.

Lines of a mended copy are put into the run's own file before anything is sent: there they stay
mended, whatever becomes of the replay, and a copy of a part of the file does for that part. A line
of the copy whose record the run does not (any more) have among its rejects is passed over and said:
the same copy may be replayed twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ingest.build.past import Past
from ingest.build.replay_dir import joined, unwritable
from ingest.display import count, plural
from ingest.errors import SettingsError
from ingest.sources.reject_lines import Mended, read_mended
from ingest.state import RunDir, write_private


def given_lines(
    run: RunDir, past: Past, copy: Path | None, note: Callable[[str], None]
) -> list[Mended]:
    """What is to be replayed, in the order of the run's file. Blocks.

    Raises SettingsError for a line that is no reject, and for more lines than the run has rejects.
    """
    path = run.rejects_path
    own = read_mended(path) if path.exists() else []
    _check_count(past, own, path)
    if copy is None:
        return own
    mended = {one.key: one for one in read_mended(copy)}
    given = [mended[one.key] for one in own if one.key in mended]
    if others := len(mended) - len(given):
        lines = plural(others, "line")
        note(f"{copy}: {lines} passed over: no rejects of {run.id}, or replayed before")
    if any(mended.get(one.key, one).text != one.text for one in own):
        try:
            write_private(path, joined(mended.get(one.key, one).text for one in own))
        except OSError as exc:
            raise unwritable(path, exc) from exc
    return given


def _check_count(past: Past, own: Sequence[Mended], path: Path) -> None:
    if len(own) > past.rejected:
        raise SettingsError(
            f"{path}: {count(len(own))} lines, and the run has {count(past.rejected)} rejects",
            "take out the lines that were added: what the run accepted must not be sent again",
        )
