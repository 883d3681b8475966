"""Blocks to encoded records: parse, map, coerce, encode once.

Two things must be said before any module of this package imports Polars, so they are said here.
The size of its thread pool: the shaping threads share it and keep it busy between them, and more
threads than cores would only pass memory around. And that its allocator uses one arena instead of
four a core (two took 16 to 23 MB more at the peak, and saved no time) and keeps the pages of a
block for the next one, three seconds long (giving them back at once costs a sixth of the system
time). Whoever sets the variables himself is left alone.

A third is said to glibc: two arenas for all threads, and memory of a block's size is kept for the
next block, not given back page by page. Else each thread that makes a block's bytes gets an arena
of its own and keeps there what it freed: 50 MB more at the peak.
"""

import contextlib
import ctypes
import os

MALLOC_OPTIONS = (  # numbers and names from glibc's malloc.h
    (-8, 2),  # M_ARENA_MAX
    (-3, 32 * 1024 * 1024),  # M_MMAP_THRESHOLD
    (-1, 128 * 1024 * 1024),  # M_TRIM_THRESHOLD
)

os.environ.setdefault("POLARS_MAX_THREADS", str(min(4, os.cpu_count() or 1)))
os.environ.setdefault("_RJEM_MALLOC_CONF", "narenas:1,dirty_decay_ms:3000,muzzy_decay_ms:3000")
with contextlib.suppress(AttributeError, OSError):  # another C library has another allocator
    for option, value in MALLOC_OPTIONS:
        ctypes.CDLL(None).mallopt(option, value)
