"""What an unfinished run has on its accounts when it is taken up. Pure."""

from __future__ import annotations

from ingest.journal.records import Tally
from ingest.journal.written import WrittenRejects
from ingest.model import Accounts


def accounts_so_far(tally: Tally, written: WrittenRejects) -> Accounts:
    """The run's cumulative accounts, balanced: only what is settled counts as read.

    Accepted and ambiguous are the journal's, rejected are the lines of the rejects file. Records of
    open intents are under way: they count when they come again. So do bytes read, which are those
    of each process and are known to none but it; of requests, those whose outcome was recorded.
    """
    return Accounts(
        read=tally.accepted + tally.ambiguous + written.records,
        accepted=tally.accepted,
        rejected=written.records,
        ambiguous=tally.ambiguous,
        superseded=tally.superseded,
        bytes_sent=tally.bytes_sent,
        requests_sent=tally.requests,
        requests_retried=tally.retried,
        requests_failed=tally.failed,
        isolated=tally.apart,
    )
