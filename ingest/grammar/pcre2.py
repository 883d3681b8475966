"""PCRE2, where the machine has it: how far a text is nothing but what one pattern matches.

Whoever wants to know whether a whole block is of one kind asks one pattern of all of its bytes.
Polars' engine, an automaton, answers at 0.65 GB/s. What PCRE2 has made machine code of answers at
1.8 to 2.8 GB/s, and without the interpreter's lock as well, for `ctypes` lets go of it.

PCRE2 is a part of the system: of every Debian, Ubuntu, Fedora and Red Hat, since their `grep` needs
it. Where it is missing, was built without its compiler, or memory can't be made executable, there
is none (`runs_of` is None), and the caller asks Polars: what comes out is the same.

It is called by its documented C interface (pcre2api(3)), which has been so since 10.30. It works on
bytes here, not on characters. So a pattern has to mean the same of both: whatever it names in a
class, or repeats a bounded number of times, is ASCII. That the text is UTF-8 is the caller's to
see to.
"""

from __future__ import annotations

import ctypes
import re
import sys
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ctypes import c_char_p, c_int, c_size_t, c_uint32, c_void_p
from functools import cache, lru_cache
from typing import Any

Line = tuple[int, int]  # from, to, its end included
_NAMES = {
    "linux": ("libpcre2-8.so.0",),
    "darwin": (
        "libpcre2-8.0.dylib",
        "/opt/homebrew/lib/libpcre2-8.0.dylib",
        "/usr/local/lib/libpcre2-8.0.dylib",
    ),
}
_ANCHORED, _DOLLAR_ENDONLY = 0x80000000, 0x00000010
_JIT_COMPLETE = 1
# What ends a repeated group: "+" behind it makes it possessive. No text that is escaped holds one.
_REPEATED = re.compile(r"\)(\*|\{\d+\})(?!\+)")
_CONFIG_VERSION = 11
_SIZES = ctypes.POINTER(c_size_t)
_FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {  # result, arguments
    "config": (c_int, [c_uint32, c_char_p]),
    "compile": (
        c_void_p,
        [c_char_p, c_size_t, c_uint32, ctypes.POINTER(c_int), _SIZES, c_void_p],
    ),
    "jit_compile": (c_int, [c_void_p, c_uint32]),
    "code_free": (None, [c_void_p]),
    "match_data_create": (c_void_p, [c_uint32, c_void_p]),
    "match_data_free": (None, [c_void_p]),
    "get_ovector_pointer": (_SIZES, [c_void_p]),
    "match": (c_int, [c_void_p, c_char_p, c_size_t, c_size_t, c_uint32, c_void_p, c_void_p]),
}
_UNLOCKED = ("match",)  # to let go of the lock costs more than the others do


class Runs:
    """One pattern, matched as often as it goes, each match where the last one ended.

    Any number of threads may use it at once.
    """

    def __init__(self, library: ctypes.PyDLL, code: int) -> None:
        self._library, self._code = library, code
        # Not when the interpreter ends: a thread may still be at it.
        weakref.finalize(self, library.pcre2_code_free_8, code).atexit = False

    def cover(self, data: bytes) -> bool | None:
        """Whether `data` is one run from its start to its end.

        None if PCRE2 gave up: a match may take only so many steps, and so much of its stack.
        """
        odd = self.odd_lines(data, 0)
        return odd if odd is None else not odd

    def odd_lines(self, data: bytes, most: int) -> list[Line] | None:
        """The lines of `data` that no run holds, for a pattern that matches whole lines.

        None if PCRE2 gave up. Nobody looks behind the first line beyond `most`.
        """
        match, found, end = self._library.pcre2_match_8, list[Line](), 0
        with _match_data(self._library) as (room, ends):
            while len(found) <= most:
                if match(self._code, data, len(data), end, 0, room, None) < 0:
                    return None
                start = ends[1]
                if start == len(data):
                    break
                end = data.find(b"\n", start) + 1 or len(data)
                found.append((start, end))
        return found


@lru_cache(maxsize=64)
def runs_of(pattern: str) -> Runs | None:
    """The runs of what a pattern matches, which is never nothing. None: Polars is to be asked.

    The pattern is in the syntax that PCRE2 shares with Rust's `regex`, without anchors. After each
    turn of a repeated group, and after each match, the next character has to say how to go on: no
    turn is taken back, for what could be would have to be kept on a small stack. And no part of a
    text should be matched in two ways, for where the rest fails both are tried.
    """
    library = _library()
    if library is None:
        return None
    text = _REPEATED.sub(r")\1+", f"(?:{pattern})*").encode()
    code = library.pcre2_compile_8(
        text, len(text), _ANCHORED | _DOLLAR_ENDONLY, c_int(), c_size_t(), None
    )
    if not code:  # too large, as a rule
        return None
    if library.pcre2_jit_compile_8(code, _JIT_COMPLETE) < 0:  # without it Polars is quicker
        library.pcre2_code_free_8(code)
        return None
    return Runs(library, code)


def version() -> str | None:
    """The library's version, "10.42"; None where there is none."""
    library = _library()
    if library is None:
        return None
    text = ctypes.create_string_buffer(64)
    library.pcre2_config_8(_CONFIG_VERSION, text)
    return text.value.decode().split(" ")[0]


@cache
def _library() -> ctypes.PyDLL | None:
    for path in _NAMES.get(sys.platform, ()):
        try:
            library, unlocked = ctypes.PyDLL(path), ctypes.CDLL(path)
            for function, (result, arguments) in _FUNCTIONS.items():
                name = f"pcre2_{function}_8"
                known = getattr(unlocked if function in _UNLOCKED else library, name)
                known.restype, known.argtypes = result, arguments
                setattr(library, name, known)
        except (OSError, AttributeError):
            continue
        return library
    return None


@contextmanager
def _match_data(library: ctypes.PyDLL) -> Iterator[tuple[int, Sequence[int]]]:
    """Room for what a match tells, and its first two sizes: where it starts and ends."""
    room = library.pcre2_match_data_create_8(1, None)
    if not room:
        raise MemoryError
    try:
        yield room, library.pcre2_get_ovector_pointer_8(room)
    finally:
        library.pcre2_match_data_free_8(room)
