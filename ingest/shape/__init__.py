"""Blocks to encoded records: parse, map, coerce, encode once.

Two things must be said before any module of this package imports Polars, so they are said here.
The size of its thread pool: the shaping threads share it and keep it busy between them, and more
threads than cores would only pass memory around. And that its allocator keeps the pages of a block
for the next block, a few seconds long: giving them back at once costs a sixth of the system time
and saves no memory at the peak. Whoever sets the variables himself is left alone.
"""

import os

os.environ.setdefault("POLARS_MAX_THREADS", str(min(4, os.cpu_count() or 1)))
os.environ.setdefault("_RJEM_MALLOC_CONF", "dirty_decay_ms:5000,muzzy_decay_ms:5000")
