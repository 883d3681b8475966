"""What small files are read with, and what reading one of them gave."""

from __future__ import annotations

from functools import lru_cache

from msgspec import Struct, field

from ingest.errors import SettingsError, SourceError
from ingest.job import SourceSettings
from ingest.model import FileInfo, Layout
from ingest.sources.cutter import CsvCutter
from ingest.sources.dialect import Sniffed
from ingest.sources.discover import Place
from ingest.sources.encoding import named
from ingest.sources.headers import Head, Headers
from ingest.sources.intake import FileFacts, Intake
from ingest.sources.pieces import Piece

SMALL_BYTES = 1024 * 1024


class Reading(Struct, frozen=True):
    """What every file of a run is read with."""

    settings: SourceSettings
    headers: Headers
    fingerprint: bool = True

    def ask(self, file: FileInfo, head: Head) -> Sniffed | None:
        """What a head says, like `Headers.of`; SourceError where that was not agreed on before."""
        if self.headers.first is None and not head.empty:
            raise SourceError(f"{file.shown}: was empty when the run started", "run it again")
        try:
            return self.headers.of(file, head)
        except SettingsError as exc:
            raise SourceError(exc.message, exc.hint) from exc

    def intake(self, file: FileInfo, place: Place) -> Intake:
        """A new intake for one of the files."""
        wanted = named(self.settings.encoding)
        return Intake(file.shown, wanted, place.window, fingerprint=self.fingerprint)

    def cutter(self, layout: Layout) -> CsvCutter | None:
        """A cutter to be asked for the whole of files (`CsvCutter.whole`); None for NDJSON."""
        if layout.format != "csv":
            return None
        return _cutter(layout, self.settings.block_bytes, self.settings.max_record_bytes)


class Outcome(Struct):
    """What reading one file gave. `guess` is what to say of its encoding, `notes` of the rest.

    `too_large`: nothing yet, it must be read as a stream.
    """

    file: FileInfo
    pieces: list[Piece] = field(default_factory=list)
    facts: FileFacts | None = None
    notes: list[str] = field(default_factory=list)
    guess: str = ""
    error: SourceError | None = None
    too_large: bool = False


@lru_cache(maxsize=16)
def _cutter(layout: Layout, block_bytes: int, record_bytes: int) -> CsvCutter:
    return CsvCutter(layout, block_bytes, record_bytes)
