"""What survives the kill: a job's intents and outcomes, and how a run is taken up again.

`store` is the journal, `ledger` its async rim, `records` the values, `written` reads the rejects
back. Private to them: `place` and `schema` (the file), `commits`, `log` and `room` (the disk),
`writing` (and its invariant), `reading`, `folding`, `intervals`.
"""

from ingest.journal.accounts import accounts_so_far
from ingest.journal.intervals import IntervalSet
from ingest.journal.ledger import JournalLedger
from ingest.journal.place import set_aside
from ingest.journal.records import (
    FileRecord,
    IntentRecord,
    NewRun,
    RunRecord,
    RunState,
    Settled,
    State,
    Tally,
)
from ingest.journal.store import Journal
from ingest.journal.writing import Intend, NoteState, Op, Settle, TakeApart
from ingest.journal.written import WrittenRejects, read_back

__all__ = [
    "FileRecord",
    "Intend",
    "IntentRecord",
    "IntervalSet",
    "Journal",
    "JournalLedger",
    "NewRun",
    "NoteState",
    "Op",
    "RunRecord",
    "RunState",
    "Settle",
    "Settled",
    "State",
    "TakeApart",
    "Tally",
    "WrittenRejects",
    "accounts_so_far",
    "read_back",
    "set_aside",
]
