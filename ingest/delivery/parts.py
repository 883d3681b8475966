"""The parts of a batch that is taken apart, and what is known of each."""

from __future__ import annotations

from msgspec import Struct

from ingest.delivery.apart import Piece
from ingest.delivery.attempts import Attempts
from ingest.delivery.ends import Ends
from ingest.delivery.outlook import Outlook
from ingest.delivery.partial import PartialCheck
from ingest.delivery.rules import Hands
from ingest.delivery.turns import Turns
from ingest.errors import Trouble


class Crew(Struct, frozen=True):
    """What all batches of a run share."""

    hands: Hands
    attempts: Attempts
    ends: Ends
    outlook: Outlook
    turns: Turns
    partial: PartialCheck


class Named(Struct, frozen=True):
    """A record that the service named, and its words."""

    piece: Piece
    words: Trouble


class Part(Struct, eq=False):
    """What is to be sent, or is known to be `bad` (the words of the refusal that says so).

    `named` was taken out of it, and is at fault if all of this part lands. `other` is surely bad if
    it does, because a body of both was refused with `words`. `is_probe`: a record from further on;
    `is_further`: a whole batch from further on; `was_named`: a record that the service named, to be
    tried alone.
    """

    piece: Piece
    named: Named | None = None
    other: Part | None = None
    words: Trouble | None = None
    bad: Trouble | None = None
    is_probe: bool = False
    is_further: bool = False
    was_named: bool = False
