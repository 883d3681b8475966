"""What a draft is made from: what was looked at, and what is known of the service. Values only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from ingest.job import FieldSettings
from ingest.model import Layout, Schema
from ingest.operations.init_decided import Holds
from ingest.operations.init_look import Look
from ingest.shape.service import ServiceTypes

AUDIT = frozenset({"id", "created_at", "updated_at"})


class Seen(Struct, frozen=True):
    """The input. `whole`: every record of it was looked at. `layouts` name the first file of each,
    `stems` are the files' names without endings, `notes` what finding and reading had to say."""

    look: Look
    layouts: Mapping[Layout, str]
    whole: bool
    stems: Sequence[str] = ()
    notes: Sequence[str] = ()

    @property
    def layout(self) -> Layout:
        """That of the first file with records."""
        return next(iter(self.layouts))

    @property
    def shared(self) -> list[str]:
        """The columns that all files have, in the first one's order; the keys that were seen."""
        if self.layout.format == "ndjson":
            return list(self.look.keys)
        return [c for c in self.layout.columns if all(c in one.columns for one in self.layouts)]

    @property
    def other(self) -> list[str]:
        """The columns that only some of the files have."""
        shared = set(self.shared)
        every = (c for one in self.layouts for c in one.columns)
        return [c for c in dict.fromkeys(every) if c not in shared]


class ServiceSeen(Struct, frozen=True):
    """The service. `live` is its table, None where there is none; `unasked` says why that is not
    known, and is empty where it is."""

    system: str
    types: ServiceTypes
    live: Schema | None = None
    unasked: str = ""

    @property
    def kept(self) -> frozenset[str]:
        """Names that are the service's own: whoever loads gives his columns others."""
        return AUDIT if self.system == "avalanchio" else frozenset()

    @property
    def holds(self) -> Holds:
        """What its columns hold where nothing else is wished for."""
        wish = FieldSettings()
        word = self.types.wished_type(wish, "integer")
        found = Holds(self.types.has_booleans(wish), wider=self.types.wider_integers)
        ends = self.types.narrow_range(word)
        return found if ends is None else Holds(found.booleans, ends, found.wider)
