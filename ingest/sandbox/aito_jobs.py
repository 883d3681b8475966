"""Jobs: an operation asked for with one request and fetched with others.

Seen: `POST jobs/<path>` answers `{id, startedAt}`, `GET jobs/{id}` has `finishedAt` once it is
done, then `GET jobs/{id}/result` answers as the operation would have. Here a job is done before its
POST is answered, because the client looks once at once and then only every few seconds.

Guesses: the times are ISO 8601 in UTC; `expiresAt` (the client reads it) is an hour later; a job
that failed has finished, and its result is the refusal. Outcomes live in memory: the last
`KEPT` of them, as long as the process.
"""

from __future__ import annotations

import uuid
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec import Struct

from ingest.sandbox.refusal import Refused

KEPT = 1000
EXPIRES = timedelta(hours=1)

Answer = dict[str, Any]


class Job(Struct, frozen=True):
    """A job that is done: when it began and ended, and what came of it."""

    id: str
    started: datetime
    finished: datetime
    outcome: Answer | Refused

    def created(self) -> Answer:
        """What its POST answers."""
        return {"id": self.id, "startedAt": _iso(self.started)}

    def status(self) -> Answer:
        """What a look at it answers."""
        finished, expires = _iso(self.finished), _iso(self.finished + EXPIRES)
        return {**self.created(), "finishedAt": finished, "expiresAt": expires}

    def result(self) -> Answer:
        """What the operation answered. Raises what it raised."""
        if isinstance(self.outcome, Refused):
            raise self.outcome
        return self.outcome


class Jobs:
    """The jobs of one sandbox; for one thread."""

    def __init__(self) -> None:
        self._jobs: OrderedDict[str, Job] = OrderedDict()

    def run(self, operation: Callable[[], Answer]) -> Job:
        """Do it now and keep its outcome."""
        started = datetime.now(UTC)
        outcome: Answer | Refused
        try:
            outcome = operation()
        except Refused as refused:
            outcome = refused
        job = Job(str(uuid.uuid4()), started, datetime.now(UTC), outcome)
        self._jobs[job.id] = job
        if len(self._jobs) > KEPT:
            self._jobs.popitem(last=False)
        return job

    def get(self, job_id: str) -> Job:
        """The job of that id; 404 if there is none."""
        job = self._jobs.get(job_id)
        if job is None:
            raise Refused(404, f"No such job: {job_id[:100]}")
        return job


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")
