"""How the governor's figures are told, and what Envoy is asked for."""

from __future__ import annotations

from typing import Any

from benchmarks.governor import CASES, Phase, knee_row_of, row_of
from benchmarks.governor_envoy import configuration, routes


def test_every_case_has_a_name_of_its_own() -> None:
    """`--only` finds one of them."""
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)
    assert {"bucket 20", "envoy late 100", "knee 8"} <= set(names)


def test_a_phase_is_told_by_its_limit() -> None:
    """Eighteen of twenty."""
    told = row_of(Phase("bucket 20", 20, 18.0, 0.034))
    assert told == ("bucket 20", "20", "18.0", "90.0%", "3.4%")


def test_a_knee_is_told_by_the_best_fixed_number() -> None:
    """What was learned is not among those that it is held against."""
    knees = [Phase("knee 4", at_once, per_s, 0.0, False) for at_once, per_s in ((2, 10), (4, 20))]
    knees += [Phase("knee 8", 8, 80.0, 0.0, False), Phase("knee 4", 32, 21.0, 0.0)]
    assert knee_row_of(knees[3], knees) == ("knee 4", "learned", "21.0", "105.0%")
    assert knee_row_of(knees[0], knees) == ("knee 4", "2", "10.0", "50.0%")


def test_envoy_limits_records_alone(tmp_path: Any) -> None:
    """So many tokens a second for bodies; the preflight's requests pass, and aren't late either."""
    hosts = routes(20)["resources"][0]["virtual_hosts"]
    bodies, rest = hosts[0]["routes"]
    (limit,) = bodies["typed_per_filter_config"].values()
    assert limit["token_bucket"]["tokens_per_fill"] == 20
    assert "typed_per_filter_config" not in rest
    for late_s in (0.0, 2.0):
        listener = configuration("http://127.0.0.1:1", tmp_path, late_s)["static_resources"][
            "listeners"
        ][0]
        manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
        names = [one["name"].rpartition(".")[2] for one in manager["http_filters"]]
        assert names == ["fault"] * (late_s > 0) + ["local_ratelimit", "router"]
