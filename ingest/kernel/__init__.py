"""The kernel: records from CSV to JSON by moving bytes, as machine code that can't do harm.

It is WebAssembly, written as text (`transcribe.wat`) and compiled by Wasmtime when it is first
needed: 5 ms, for whatever processor this is, and without a compiler. A data file is nothing to be
trusted, and code that goes over it byte by byte is where overflows come from. This code can reach
nothing but its own memory, and each run takes place in one that nobody else uses.

Where Wasmtime is not to be had (no build for this machine, memory that can't be made executable,
address space that is limited) there is no kernel, and the caller goes another way, to the same end.
"""

from __future__ import annotations

from ingest.kernel.machine import Transcript, is_loaded, is_there, transcribe
from ingest.kernel.program import ANY_SIZE, Member, Program

__all__ = ["ANY_SIZE", "Member", "Program", "Transcript", "is_loaded", "is_there", "transcribe"]
