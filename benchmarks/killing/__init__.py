"""Loads that are killed and run again until they are done.

What is loaded and what must be true afterwards (`case`), where it is sent (`service`), and how it
is killed (`seed`). `benchmarks.kills` runs hundreds of them, `tests/test_resume.py` a few.
"""
