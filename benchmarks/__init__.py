"""How fast, at what cost in processor time and memory, and compared with whom.

`python -m benchmarks --help` says what there is; `README.md` beside this file says how each figure
is measured and what it does not say.
"""
