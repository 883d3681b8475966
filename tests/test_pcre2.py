"""Runs of matches by PCRE2: what they cover, what is odd, and doing without it."""

from __future__ import annotations

import gc
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.grammar import pcre2
from ingest.grammar.pcre2 import Runs, runs_of

pytestmark = pytest.mark.skipif(pcre2.version() is None, reason="this machine has no PCRE2")
LETTERS = r"[a-z]*\n"


def runs(pattern: str) -> Runs:
    """The runs of a pattern; there is a PCRE2, or no test would run."""
    found = runs_of(pattern)
    assert found is not None
    return found


def test_the_version_is_that_of_the_library() -> None:
    """As the report names it."""
    assert re.fullmatch(r"10\.\d+", pcre2.version() or "")


@pytest.mark.parametrize("count", [0, 1, 2, 1000])
def test_a_run_covers_any_number_of_matches(count: int) -> None:
    """From the first byte to the last."""
    data = b"ab\n" * count
    assert runs(LETTERS).cover(data) is True
    assert runs(LETTERS).cover(data + b"x") is False
    assert runs(LETTERS).cover(b"1" + data) is False
    assert runs(LETTERS).odd_lines(data, 0) == []


@pytest.mark.parametrize("odd", [0, 1, 2, 9])
@pytest.mark.parametrize("most", [0, 1, 2, 9])
def test_odd_lines_are_those_in_no_run(odd: int, most: int) -> None:
    """Up to one more than asked for, so that it is known when they are too many."""
    data = b"a\n\n" + b"1\nb\n" * odd
    places = [(3 + 4 * at, 5 + 4 * at) for at in range(odd)]
    assert runs(LETTERS).odd_lines(data, most) == places[: most + 1]


def test_a_last_line_without_an_end_is_odd() -> None:
    """It is no line of the kind."""
    assert runs(LETTERS).odd_lines(b"a\nb", 5) == [(2, 3)]


@given(st.lists(st.sampled_from([b"a\n", b"\n", b"1\n", b"a1\n", "é\n".encode(), b"\0\n"])))
def test_odd_lines_are_those_that_python_finds_odd(lines: list[bytes]) -> None:
    """Wherever they stand."""
    found = runs(LETTERS).odd_lines(b"".join(lines), len(lines))
    odd = [n for n, line in enumerate(lines) if not re.fullmatch(LETTERS.encode(), line)]
    ends = [sum(map(len, lines[:n])) for n in range(len(lines) + 1)]
    assert found == [(ends[n], ends[n + 1]) for n in odd]


@pytest.mark.parametrize(
    ("pattern", "data"),
    [
        (r"(?:a|b)*\n", b"ab" * 500_000 + b"\n"),
        (r"(?:[ab]{2})*\n", b"ab" * 500_000 + b"\n"),
        (r"(?:(?:a|b),){800}\n", b"a,b," * 400 + b"\n"),
        (r"\[(?:1(?:,1)*)?\]\n", b"[1" + b",1" * 500_000 + b"]\n"),
        (r"(?:a|b)\n", b"a\nb\n" * 250_000),
    ],
)
def test_no_repetition_takes_stack(pattern: str, data: bytes) -> None:
    """Else a long value would be more than the stack holds, and the pattern of no use."""
    assert runs(pattern).cover(data) is True


def test_what_takes_too_many_steps_is_given_up() -> None:
    """Nobody waits for it: the caller is told that nothing is known."""
    slow = runs(r"(?:a?){1,40}a{40}\n")
    assert slow.cover(b"a" * 39 + b"\n") is None
    assert slow.odd_lines(b"a" * 39 + b"\n", 5) is None


def test_what_is_no_pattern_or_too_large_has_no_runs() -> None:
    """Polars is asked instead."""
    assert runs_of("(") is None
    assert runs_of("(?:" + "ab|" * 100_000 + ")x") is None


def test_threads_share_a_pattern() -> None:
    """And each has its own answer."""
    texts = [b"a\n" * n + b"1\n" for n in range(200)]
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda text: runs(LETTERS).odd_lines(text, 5), texts))
    assert found == [[(len(text) - 2, len(text))] for text in texts]


def test_patterns_come_and_go() -> None:
    """A pattern that nobody holds any more is freed, and others are made."""
    for number in range(300):
        assert runs(rf"{number}\n").cover(b"%d\n" % number) is True
    gc.collect()
    assert runs(r"0\n").cover(b"0\n0\n") is True


@pytest.fixture
def _new_library() -> Any:
    """The library is looked for anew, and again behind the test."""
    caches = (pcre2._library, runs_of)
    for cached in caches:
        cached.cache_clear()
    yield
    for cached in caches:
        cached.cache_clear()


@pytest.mark.usefixtures("_new_library")
@pytest.mark.parametrize("names", [{}, {"linux": ("libnobody-has-this.so.0",)}])
def test_a_machine_without_it_has_no_runs(
    names: dict[str, tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor a version."""
    monkeypatch.setattr(pcre2, "_NAMES", names)
    assert runs_of(LETTERS) is None
    assert pcre2.version() is None


@pytest.mark.usefixtures("_new_library")
def test_a_library_that_lacks_a_function_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not the one that was meant."""
    monkeypatch.setitem(pcre2._FUNCTIONS, "nobody_has_this", (None, []))
    assert runs_of(LETTERS) is None


@pytest.mark.usefixtures("_new_library")
def test_without_its_compiler_it_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Interpreted it is slower than Polars; a hardened kernel allows no other."""
    library = pcre2._library()
    monkeypatch.setattr(library, "pcre2_jit_compile_8", lambda _code, _options: -48)
    assert runs_of(LETTERS) is None
