"""What a guess of types is made with and what it says, for columns and for keys alike. Pure."""

from __future__ import annotations

from msgspec import Struct

from ingest.job import FieldSettings, FieldType
from ingest.shape.service import ServiceTypes

LONG_TEXT = 255
EXACT_DOUBLE = 2**53


class Guessed(Struct, frozen=True):
    """Types by source column; `reasons` say why one is not what its values look like."""

    types: dict[str, FieldType]
    reasons: dict[str, str]


class Held(Struct, frozen=True):
    """What the service's column could hold: `ends` of its integers (None: 64 bits), truth."""

    ends: tuple[int, int] | None = None
    booleans: bool = False
    word: str = ""

    @property
    def reason(self) -> str:
        """Why integers did not become an integer column."""
        least, most = self.ends or (0, 0)
        bits = most.bit_length() + 1
        size = f"{bits} bits" if least == -most - 1 else f"the range {least} to {most}"
        return f"its integers pass {size}, which {self.word} can't hold"


ANY = Held()


def held_by(settings: FieldSettings | None, types: ServiceTypes) -> Held:
    """What the column would hold that the job wishes for, or else the service makes."""
    settings = settings or FieldSettings()
    word = types.wished_type(settings, "integer")
    return Held(types.narrow_range(word), types.has_booleans(settings), word)
