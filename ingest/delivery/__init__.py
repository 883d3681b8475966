"""One batch to its end: attempts under the governor, until it is accepted, refused or given up.

The decisions, by the kind of trouble that an attempt met:

- `Retryable` (surely not applied): the same bytes again after the governor's pause, within its time
  budget; then the run stops, resumable, and the batch is *unsent*.
- `Ambiguous` (perhaps applied): the settler is asked. If it can't tell, an upsert is simply sent
  again, since the same keys give the same rows; an insert is sent again until an answer comes, at
  most `MOST_UNSETTLED` times, and counted *ambiguous* (perhaps doubled), or with
  `on_ambiguous = "stop"` not sent again (perhaps missing). A body that a process which was killed
  had perhaps sent begins here.
- `Permanent`: refused as it stands. Trouble with the token, the table or a quota stops the run and
  leaves the batch *unsent* (`meaning`). A refusal of the records is taken apart (`isolation`),
  until each bad record is alone; the others land. Unless nothing lands at all (`outlook`), or a
  refused body lands in part (`partial`): then the run stops.

A delivery never loses count: whatever happens, cancellation included, every record of the batch
ends in exactly one `Receipt`, told to `on_end` the moment it is known, and recorded in the ledger
before the delivery goes on. A body whose fate is open when the run ends stays open there.

`rules` has what a delivery works with; `attempts` brings one body to its end or its refusal, `ends`
writes receipts; `isolation` brings one batch to its end, cut by `apart` into `parts`; `turns` says
when one batch goes alone.
"""

from ingest.delivery.delivery import Delivery
from ingest.delivery.rules import PERHAPS_SENT, DeliveryRules, Hands, never_sent

__all__ = ["PERHAPS_SENT", "Delivery", "DeliveryRules", "Hands", "never_sent"]
