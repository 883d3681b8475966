"""Bulk loading into rate-limited HTTP APIs: exact limits, every record accounted for.

As a library::

    outcome = await ingest.run("stocks.toml")
    outcome = await ingest.load("data/*.csv", to="avalanchio:stock", create=True)

`ingest.api` says what these promise. Names are looked up when they are asked for: what they need
takes long to import (polars, pydantic), and the command's `--help` needs none of it.
"""

TYPE_CHECKING = False  # which checkers take for true; importing typing itself takes 10 ms

if TYPE_CHECKING:
    from ingest.api import Event, Finished, Note, Options, Outcome, RecordCounts, Trouble, load, run
    from ingest.errors import (
        IngestError,
        JobHeld,
        SettingsError,
        SourceError,
        StoppedByService,
        TargetError,
    )
    from ingest.events import BatchWatcher, Snapshot, Started, Watcher
    from ingest.job import Job, make_job, read_job

    __version__: str

_HOMES = {
    "api": (
        "Event", "Finished", "Note", "Options", "Outcome", "RecordCounts", "Trouble", "load", "run",
    ),
    "errors": (
        "IngestError", "JobHeld", "SettingsError", "SourceError", "StoppedByService", "TargetError",
    ),
    "events": ("BatchWatcher", "Snapshot", "Started", "Watcher"),
    "job": ("Job", "make_job", "read_job"),
}  # fmt: skip

__all__ = [
    "BatchWatcher",
    "Event",
    "Finished",
    "IngestError",
    "Job",
    "JobHeld",
    "Note",
    "Options",
    "Outcome",
    "RecordCounts",
    "SettingsError",
    "Snapshot",
    "SourceError",
    "Started",
    "StoppedByService",
    "TargetError",
    "Trouble",
    "Watcher",
    "load",
    "make_job",
    "read_job",
    "run",
]

if not TYPE_CHECKING:  # a checker would take any name for one that is there

    def __getattr__(name):  # noqa: ANN001, ANN202 - as said
        """A public name from its module; `__version__` from the metadata, which takes 40 ms."""
        import importlib.metadata  # noqa: PLC0415 - as said

        if name == "__version__":
            return importlib.metadata.version("ingest")
        for home, names in _HOMES.items():
            if name in names:
                return getattr(importlib.import_module(f"ingest.{home}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__():  # noqa: ANN202 - as said
        """What a shell completes."""
        return [*globals(), *__all__]
