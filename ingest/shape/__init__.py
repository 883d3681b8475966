"""Blocks to encoded records: parse, map, coerce, encode once.

Two things must be said before any module of this package imports Polars, so they are said here.
The size of its thread pool: the shaping threads share it and keep it busy between them, and more
threads than cores would only pass memory around. And that its allocator uses two arenas instead of
four a core (20 MB less at the peak) and keeps the pages of a block for the next one, a second long
(giving them back at once costs a sixth of the system time). Whoever sets the variables himself is
left alone.

A third is said to glibc: one arena for all threads. Each thread that makes a block's bytes would
else get an arena of its own and keep what it freed there, which costs 30 MB at the peak and gains
nothing, since the interpreter's lock lets one thread at a time allocate.
"""

import contextlib
import ctypes
import os

M_ARENA_MAX = -8  # from glibc's malloc.h

os.environ.setdefault("POLARS_MAX_THREADS", str(min(4, os.cpu_count() or 1)))
os.environ.setdefault("_RJEM_MALLOC_CONF", "narenas:2,dirty_decay_ms:1000,muzzy_decay_ms:1000")
with contextlib.suppress(AttributeError, OSError):  # another C library has another allocator
    ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)
