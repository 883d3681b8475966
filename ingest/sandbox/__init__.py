"""A stand-in for the services' APIs on one loopback port, over SQLite, for rehearsals and tests.

Promise: what the real service would refuse by its published rules is refused here too, with words
that name the record and the column; what it accepts is stored exactly as it came. On top of that
the sandbox can rehearse trouble (`faults`), count and throw away (`--discard`) and keep every body
as it was received (`--record`).

The way of a request: `server` (the socket) → `app` (assembly) → `guards` (Host, token) → `gate`
(body bound, faults, counts) → one module per API half (`avalanchio`) → `store` (SQLite, on one
worker thread). Pure parts below them: `faults`, `body`, `names`, `tables`, `values`, `rows`.

An API half is one module that exports an `halves.ApiHalf`; `app.HALVES` lists them. The store and
everything below the gate know nothing of HTTP.

This package imports nothing from the rest of `ingest`; a run starts it as a child process with
`child.sandbox_child`. It needs the extra: pip install 'ingest[sandbox]'.
"""
