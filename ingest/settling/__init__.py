"""Settling: what became of a batch whose answer was lost, asked of the service itself.

Promises. `settle` answers True only if the batch is in the table whole, False only if it surely is
not, and None wherever that can't be known; it never answers from a guess. It does not write, and it
never asks about rows by anything but the batch's own stamp, ids or key values. It raises
`CountMismatch` if the table holds some of the batch's records but not all, or more than all: then
sending and not sending are both wrong, and a person must look.

Three ways, by what a job sets:

- `StampSettler`: every record bears a text that no other batch has; the count of that text is
  compared with the batch's.
- `IdSettler`: every record has an `id` of its own that was derived before sending, from ranges that
  were checked to be empty at the start of the run. Such a batch could also be sent again, if the
  service were known to overwrite a row whose `id` comes again. That is documented by implication
  only and would have to be proven with a row of the run's own; the count of the batch's ids settles
  the question exactly without it, and where an `id` that comes again makes a second row or a
  refusal, too. So nothing is proven here and nothing is sent twice.
- `EvidenceSettler`: for a service whose batches land whole or not at all, the presence of a few
  values of a key that is unique in the data.

An upsert needs none of them: sent again, it makes the same rows.

*Absent* is not yet *surely not*: a commit may still be under way when the answer was lost or the
client was killed. It settles only when the request's longest server time has passed and a look
after that agrees with those before (`looks`).
"""

from ingest.settling.counted import IdSettler, StampSettler
from ingest.settling.evidence import EvidenceSettler
from ingest.settling.looks import CountMismatch, SettleRules, WaitUntil
from ingest.settling.trusted import TrustedEvidence

__all__ = [
    "CountMismatch",
    "EvidenceSettler",
    "IdSettler",
    "SettleRules",
    "StampSettler",
    "TrustedEvidence",
    "WaitUntil",
]
