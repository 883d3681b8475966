"""From samples to figures."""

from __future__ import annotations

from benchmarks.table import (
    BARE,
    HEADER,
    Sample,
    Spread,
    as_markdown,
    as_text,
    chart_of,
    inverse,
    ratios,
    rows_of,
    spread,
    summarise,
)


def sample(contender: str, round_: int, wall_s: float, work_s: float = 1.0) -> Sample:
    """A run of a million records."""
    return Sample(
        round=round_,
        contender=contender,
        label=contender.upper(),
        records=1_000_000,
        wall_s=wall_s,
        work_s=work_s,
        cpu_s=2.0,
        server_cpu_s=0.5,
        peak_rss_bytes=100_000_000 * round_,
        sent_bytes=1,
        requests=1,
    )


def test_a_spread_is_median_least_and_greatest() -> None:
    """Of one, two and three values."""
    assert spread([3.0]) == Spread(3.0, 3.0, 3.0)
    assert spread([3.0, 1.0]) == Spread(2.0, 1.0, 3.0)
    assert spread([9.0, 1.0, 2.0]) == Spread(2.0, 1.0, 9.0)
    assert Spread(2, 1, 9.125).shown == "2.00 (1.00 to 9.12)"


def test_ratios_are_taken_within_a_round() -> None:
    """A slow round is slow for both, and a round that only one ran is none."""
    ours = [sample("us", 1, 1.0), sample("us", 2, 10.0), sample("us", 3, 1.0)]
    theirs = [sample("it", 2, 20.0), sample("it", 1, 3.0)]
    assert ratios(ours, theirs, lambda one: one.wall_s) == Spread(2.5, 2.0, 3.0)


def test_a_summary_for_each_contender() -> None:
    """Medians of each, in the order of the first round; ratios above 1 where we are quicker."""
    runs = [sample("us", 1, 1.0), sample("it", 1, 4.0, 2.0)]
    runs += [sample("us", 2, 2.0), sample("it", 2, 4.0, 2.0)]
    ours, theirs = summarise(runs, "us")
    assert (ours.contender, theirs.contender) == ("us", "it")
    assert ours.ratio == Spread(1.0, 1.0, 1.0)
    assert theirs.ratio == Spread(3.0, 2.0, 4.0)
    assert theirs.work_ratio.median == 2.0
    assert theirs.records_per_s == 250_000
    assert theirs.cpu_s_per_million == 2.0
    assert theirs.cpu_ratio == Spread(1.0, 1.0, 1.0)
    assert theirs.rate == Spread(250_000, 250_000, 250_000)
    assert theirs.server_cpu_s_per_million == 0.5
    assert theirs.peak_rss_bytes == 150_000_000


def test_less_processor_time_is_a_ratio_below_one() -> None:
    """Ours to theirs, and the spread the right way round."""
    assert inverse(Spread(2.0, 1.0, 4.0)) == Spread(0.5, 0.25, 1.0)


def test_a_chart_has_two_bars_for_each_contender() -> None:
    """The whole process, then the work alone; the bare socket is none."""
    runs = [sample("us", 1, 2.0), sample("it", 1, 4.0, 20.0), sample(BARE, 1, 0.1)]
    chart = chart_of(summarise(runs, "us"), "us", "title")
    assert [(bar.label, bar.words, bar.ours, bar.light) for bar in chart.bars] == [
        ("US", "0.50 M/s", True, False),
        ("work alone", "1.00 M/s", True, True),
        ("IT", "0.25 M/s, ingest 2.00×", False, False),
        ("work alone", "0.050 M/s, ingest 20×", False, True),
    ]


def test_the_table_is_drawn_for_terminals_and_for_markdown() -> None:
    """Every contender has its line; our ratio to ourselves is left out."""
    rows = rows_of(summarise([sample("us", 1, 1.0), sample("it", 1, 4.0)], "us"), "us")
    assert [len(row) for row in rows] == [len(HEADER)] * 2
    text = as_text(HEADER, rows).splitlines()
    assert [line.split("  ")[0] for line in text[2:]] == ["US", "IT"]
    assert "4.00 (4.00 to 4.00)" in text[3]
    assert "(" not in text[2]
    markdown = as_markdown(HEADER, rows).splitlines()
    assert len(markdown) == 4
    assert {line.count("|") for line in markdown} == {len(HEADER) + 1}
