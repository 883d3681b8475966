"""What a job asks for and this version can't do is refused before anything is opened."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from ingest.build import RunOptions, execute
from ingest.errors import SettingsError
from ingest.job import make_job
from ingest.progress import make_watcher

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("key", "value"), [("id", "derived"), ("stamp", "run"), ("evidence_key", "k")]
)
async def test_delivery_that_cannot_be_kept_is_refused(tmp_path: Path, key: str, value: str):
    """Exit 2 with the way on; no state directory is made, no file looked for."""
    job = make_job(
        {
            "name": "j",
            "source": {"paths": ["nowhere.csv"]},
            "target": {"system": "avalanchio", "table": "t"},
            "delivery": {key: value},
        }
    )
    watcher = make_watcher("none", "text", quiet=True, stream=io.StringIO())
    with watcher, pytest.raises(SettingsError, match=f"delivery.{key}") as caught:
        await execute(job, RunOptions(tmp_path / "state"), watcher)
    assert caught.value.exit_code == 2
    assert not (tmp_path / "state").exists()
