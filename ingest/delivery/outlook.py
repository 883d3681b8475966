"""What the run knows of the service from its answers: does anything land, and how large may it be?

*Is there hope?* One bad record among thousands refuses its whole body, so refusals alone tell
nothing, and bad records often stand together, most often at a file's start. What tells is whether
anything lands at all: after a few refusals in vain the batches behind it and single records from
all over are tried (`probing`). If `PROBES` of them are refused as well, no single record is at
fault, and the run stops with the service's words; and so it does after `IN_VAIN` refusals of
whatever kind, because batches of one or two records have no far end to try. With eight writers
under way at the first refusal that is fewer than thirty requests. It follows that the run stops,
too, if all that the writers have under way and the next four batches are wholly bad, though later
ones are not.

*Does it name records rightly?* Until it names one that is not in the body, or that lands alone.

*How large?* A service that refuses a body for its size has said what it takes: bodies as large are
not sent again, and new ones are cut to half of it, or to the largest that has landed.
"""

from __future__ import annotations

from collections.abc import Callable

from ingest.errors import TooLarge, Trouble
from ingest.model import Batch

PROBES = 8
IN_VAIN = 24


class Outlook:
    """What is known over all bodies of a run. `too_large` is told what new bodies may hold."""

    def __init__(self, too_large: Callable[[int], None]) -> None:
        self._too_large = too_large
        self._in_vain = 0
        self._probes_in_vain = 0
        self._largest_taken = 0
        self._least_refused: int | None = None
        self.accepted = 0
        self.names_records = True

    @property
    def nothing_landed(self) -> bool:
        """No body of this process was accepted yet."""
        return not self.accepted

    @property
    def is_hopeless(self) -> bool:
        """Nothing has landed, wherever it came from: no single record is at fault."""
        enough = self._probes_in_vain >= PROBES or self._in_vain >= IN_VAIN
        return self.nothing_landed and enough

    def landed(self, batch: Batch) -> None:
        """A body was accepted."""
        self.accepted += 1
        self._largest_taken = max(self._largest_taken, batch.size_bytes)

    def refused(self) -> None:
        """An attempt was refused for good."""
        self._in_vain += 1

    def probe_refused(self) -> None:
        """It was a single record or a batch from further on."""
        self._probes_in_vain += 1

    def named(self, trouble: Trouble, count: int) -> int | None:
        """The record at fault among `count`, if the service names one and can be trusted."""
        record = trouble.record
        if record is None or not self.names_records:
            return None
        self.names_records = 0 <= record < count
        return record if self.names_records else None

    def is_too_large(self, batch: Batch) -> bool:
        """The service has refused a body of this size before, and it can be taken apart."""
        limit = self._least_refused
        return limit is not None and batch.size_bytes >= limit and batch.count > 1

    def learn_size(self, batch: Batch, trouble: TooLarge) -> None:
        """This body was refused for its size, by the service or by what was learned before."""
        if trouble.status is None:
            return
        self._least_refused = min(batch.size_bytes, self._least_refused or batch.size_bytes)
        self._too_large(max(self._least_refused // 2, min(self._largest_taken, batch.size_bytes)))
