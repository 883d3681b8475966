"""One batch to its end: attempts under the governor, until it is accepted, refused or given up.

The decisions, by the kind of trouble that an attempt met:

- `Retryable` (surely not applied): the same bytes again after the governor's pause, within its time
  budget; then the run stops, resumable, and the batch is *unsent*.
- `Ambiguous` (perhaps applied): the settler is asked. If it can't tell, an upsert is simply sent
  again, since the same keys give the same rows; an insert is sent once more and counted *ambiguous*
  (perhaps doubled), or with `on_ambiguous = "stop"` not sent again (perhaps missing). A body that a
  process which was killed had perhaps sent begins here.
- `Permanent`: refused as it stands. Trouble with the token, the table or a quota stops the run and
  leaves the batch *unsent*. A refusal of the records is taken apart (`apart`), until each bad
  record is alone; the others land.

A delivery never loses count: whatever happens, cancellation included, every record of the batch
ends in exactly one `Receipt`, told to `on_end` the moment it is known, and recorded in the ledger
before the delivery goes on. A body whose fate is open when the run ends stays open there.

`rules` has what a delivery works with, `attempts` brings one body to its end, `apart` decides what
follows a refusal, `delivery` ties them together.
"""

from ingest.delivery.delivery import Delivery
from ingest.delivery.rules import DeliveryRules, Hands, never_sent

__all__ = ["Delivery", "DeliveryRules", "Hands", "never_sent"]
