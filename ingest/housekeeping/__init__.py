"""Earlier runs: listed from what they left, and removed when nobody needs it any more.

`listing` reads the kept reports, `table` shows them; `rules` says what may go and `removal` takes
it away. None of them is needed for a load.
"""

from ingest.housekeeping.listing import PastRun, read_past
from ingest.housekeeping.removal import Cleaned, Cleaning, Plan
from ingest.housekeeping.rules import Kept, Wanted

__all__ = ["Cleaned", "Cleaning", "Kept", "PastRun", "Plan", "Wanted", "read_past"]
