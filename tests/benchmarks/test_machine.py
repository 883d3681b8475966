"""What is kept about the machine."""

from __future__ import annotations

from benchmarks.machine import busy_note, machine


def test_the_machine_is_described() -> None:
    """Cores and versions are there; a package that is missing would be null."""
    facts = machine()
    assert facts["cores"] >= 1
    assert facts["versions"]["ingest"]
    assert facts["processor"]


def test_a_busy_machine_is_said() -> None:
    """Below half a core's load nothing is said."""
    assert busy_note(0.49) == ""
    assert "0.50" in busy_note(0.5)
