"""`ingest schema` prints what is published."""

from __future__ import annotations

from pathlib import Path

from ingest.cli.app import app

PUBLISHED = Path(__file__).resolve().parents[2] / "configs" / "job.schema.json"


def test_the_published_schema(runner):
    """Byte for byte, on standard output, and nothing else."""
    result = runner.invoke(app, ["schema"])
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == PUBLISHED.read_text()
