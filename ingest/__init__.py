"""Bulk loading into rate-limited HTTP APIs: exact limits, every record accounted for."""


def __getattr__(name: str) -> str:
    """`__version__`, looked up when asked for: reading the package's metadata takes 40 ms."""
    if name == "__version__":
        from importlib.metadata import version  # noqa: PLC0415 - as said

        return version("ingest")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
