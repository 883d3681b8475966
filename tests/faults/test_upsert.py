"""One key again and again: the last version wins, whatever is refused on the way.

Five thousand records of one key with rising versions, among others that make forty bodies of them,
sixteen writers, and a service that refuses every fifth request. Twenty seeds were run; the suite
runs three, and as many as `INGEST_SEEDS` says.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.end_to_end import counts, job_of, load
from tests.sandbox.conftest import running

SEEDS = int(os.environ.get("INGEST_SEEDS", "3"))
VERSIONS, BODIES, STRETCHES, RECORDS = 5_000, 40, 40, 16
TARGET = {"mode": "upsert", "upsert_key": "key"}


def written(folder: Path) -> dict[str, int]:
    """The file, and what the table must hold in the end.

    Each stretch has its share of the hot key's versions among records of other keys, and is
    followed by cold ones, whose bodies may fly beside those of the hot key.
    """
    lines, wanted = ["key,version\n"], {}
    each = VERSIONS // STRETCHES
    for stretch in range(STRETCHES):
        for place in range(each):
            wanted["hot"] = stretch * each + place + 1
            lines.append(f"hot,{wanted['hot']}\n")
            if place < RECORDS:
                wanted[key := f"warm{stretch}-{place}"] = place
                lines.append(f"{key},{place}\n")
        for place in range(3 * RECORDS):
            wanted[key := f"cold{stretch}-{place}"] = place
            lines.append(f"{key},{place}\n")
    (folder / "a.csv").write_text("".join(lines))
    return wanted


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("seed", range(SEEDS))
def test_the_last_version_of_a_key_wins(tmp_path, seed):
    """Every key has its last version, and every record an end."""
    wanted = written(tmp_path)
    limits = {"records": RECORDS, "in_flight": 16}
    job = job_of(tmp_path, "t", "a.csv", target=TARGET, limits=limits)
    with running(tmp_path / "data", "--fault", "429:20%", "--seed", str(seed)) as server:
        run = load(server, job, tmp_path)
        found = {row["key"]: row["version"] for row in server.rows("t", "key, version")}
        stats = server.stats()
    assert (run.code, found["hot"], found) == (0, VERSIONS, wanted)
    records = VERSIONS + len(wanted) - 1
    seen = counts(run.report)
    superseded = seen.pop("superseded")
    assert seen == {"read": records, "accepted": records}
    # Of the hot key alone versions are superseded: the others were sent, each in a body of its own.
    assert VERSIONS - superseded >= BODIES
    assert stats["by_status"]["429"] == run.report["requests"]["failed"] > 0
    assert stats["max_concurrent"] > 1
