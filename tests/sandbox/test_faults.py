"""Fault specs and their seeded decisions: the pure half."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.sandbox.faults import FORMS, Fate, Fault, FaultError, When, fate, parsed

SEED_1 = [1, 2, 4, 8, 14]


@pytest.mark.parametrize(
    ("spec", "fault"),
    [
        ("429:5%", Fault("status", When(share=0.05), 429)),
        ("429:5%:2s", Fault("status", When(share=0.05), 429, 2.0)),
        ("429:first3", Fault("status", When(first=3), 429)),
        ("503:0.5%:200ms", Fault("status", When(share=0.005), 503, 0.2)),
        ("500:100%", Fault("status", When(share=1.0), 500)),
        ("reset-before:1%", Fault("reset-before", When(share=0.01))),
        ("reset-after-commit:first1", Fault("reset-after-commit", When(first=1))),
        ("slow:200ms:10%", Fault("slow", When(share=0.1), delay_s=0.2)),
        ("commit-late:3s:2%", Fault("commit-late", When(share=0.02), delay_s=3.0)),
    ],
)
def test_every_form(spec: str, fault: Fault) -> None:
    """Each published form means what it says."""
    assert parsed(spec) == fault


@pytest.mark.parametrize(
    "spec",
    ["", "429", "429:5", "429:%", "429:101%", "429:-1%", "429:5%:", "429:5%:2", "429:5%:2s:x",
     "200:5%", "600:5%", "reset:1%", "reset-before", "reset-before:1%:2s", "slow:10%", "slow:2:10%",
     "commit-late:2%", "429:first", "429:first-1", "429:٥%", "x" * 10_000],
)  # fmt: skip
def test_an_unknown_spec_names_the_forms(spec: str) -> None:
    """And quotes no more of it than a line."""
    with pytest.raises(FaultError) as error:
        parsed(spec)
    assert FORMS in str(error.value)
    assert len(str(error.value)) < len(FORMS) + 160


@pytest.mark.parametrize("first", [0, 1, 2, 7])
def test_the_first_n_are_hit_and_no_other(first: int) -> None:
    """Numbers count from 1."""
    faults = [parsed(f"429:first{first}")]
    hit = [number for number in range(1, 20) if fate(faults, 0, number).fault]
    assert hit == list(range(1, first + 1))


@given(st.integers(), st.integers(1, 10**9))
def test_none_and_all(seed: int, number: int) -> None:
    """0% never hits and 100% always does."""
    assert fate([parsed("500:0%")], seed, number) == Fate()
    assert fate([parsed("500:100%")], seed, number).fault is not None


@given(st.integers(0, 1000))
def test_a_share_is_a_share(seed: int) -> None:
    """Ten percent of 2,000 requests is about 200, whatever the seed."""
    hits = sum(fate([parsed("500:10%")], seed, n).fault is not None for n in range(1, 2001))
    assert 120 < hits < 280


def test_a_seed_fixes_all_fates_and_another_changes_them() -> None:
    """The same on every machine: the first hits of seed 1 are written down here."""
    faults = [parsed("429:20%"), parsed("slow:10ms:20%")]
    fates = [[fate(faults, seed, n) for n in range(1, 100)] for seed in (1, 1, 2)]
    assert fates[0] == fates[1]
    assert fates[0] != fates[2]
    assert [n for n in range(1, 100) if fates[0][n - 1].fault][:5] == SEED_1


def test_slow_adds_up_and_of_the_others_the_first_decides() -> None:
    """Order is the order of the options."""
    faults = [parsed(s) for s in ("slow:1s:100%", "500:100%", "slow:500ms:100%", "429:100%")]
    assert fate(faults, 0, 1) == Fate(1.5, faults[1])
