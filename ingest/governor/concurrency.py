"""The concurrency that is enough, learned from throughput: as few at once as lose nothing.

A service with k workers takes k requests at once as fast as it takes 8k; the others only wait
there, and what waits longer times out sooner. Latency alone can't tell where k is (it differs by
body, by hour, by network), so fewer are tried: if throughput holds it stays there, else it goes
back. From time to time more are tried, too, and kept if that brings more. (Vegas, Gradient and the
controllers modelled on them judge by latency against the best seen; a wrong best starves them. Here
latency only says how many fewer to try, and a wrong try costs a little of one short epoch.)

Everything is done to lose nothing: it begins with the most, and does not try at all where waiting
in the service's queue is short (`QUEUE_S`: a try that fails costs, and who waits for a quarter of a
second does not suffer) or less than half of the latency. A try is measured twice as long, since
what is noise at each step would add up over many. An epoch counts only
if the writers were busy all along (Little's law: requests a second times latency is the number at
once), so that neither a slow source nor a paced start is taken for the service's doing. If
throughput falls where nothing was changed, the service has changed: back to the most.
"""

from __future__ import annotations

import math

FEWER = 0.8
KEPT = 0.99  # of the throughput, for fewer to be enough
GAIN = 1.02  # of the throughput, for more to be worth it
CHANGED = 0.85
BUSY_SHARE = 0.85
QUEUE_S = 0.25
QUEUE_SHARE = 2.0
EPOCH_ANSWERS = 80
EPOCH_ROUNDS = 3
EPOCHS_FIRST = 2
TRIAL_EPOCHS = 2
EPOCHS_BETWEEN = 4
EPOCHS_CAP = 80


class LearnedLimit:
    """How many attempts at once. Told of each acceptance, and of what spoils a measurement."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._limit = most
        self._usual = most  # where to go back to if a trial fails
        self._throughput = 0.0
        self._least_latency_s = math.inf
        self._wait = EPOCHS_FIRST
        self._patience = EPOCHS_BETWEEN
        self._upwards = False
        self._restart()

    @property
    def limit(self) -> int:
        """Attempts at once, from 1 to the most."""
        return self._limit

    def disturbed(self) -> None:
        """Something other than the service's speed ruled: what was measured so far is void."""
        self._restart()

    def accepted(self, now: float, latency_s: float) -> None:
        """An attempt ended in acceptance."""
        self._least_latency_s = min(self._least_latency_s, latency_s)
        if self._settling > 0:
            self._settling -= 1
            self._since = now
            return
        self._answers += 1
        self._latency_sum_s += latency_s
        enough = max(EPOCH_ANSWERS, EPOCH_ROUNDS * self._limit)
        enough *= 1 if self._limit == self._usual else TRIAL_EPOCHS
        if self._answers >= enough and now > self._since:
            self._judge(self._answers / (now - self._since), self._latency_sum_s / self._answers)

    def _restart(self) -> None:
        """Begin an epoch once those under way have come home."""
        self._settling = self._limit
        self._since = -math.inf
        self._answers = 0
        self._latency_sum_s = 0.0

    def _judge(self, throughput: float, latency_s: float) -> None:
        """An epoch is over: so many a second, each took so long."""
        if throughput * latency_s >= BUSY_SHARE * self._limit:
            if self._limit == self._usual:
                self._go_on(throughput, latency_s)
            else:
                self._end_trial(throughput)
        self._restart()

    def _go_on(self, throughput: float, latency_s: float) -> None:
        if throughput < CHANGED * self._throughput:
            self._limit = self._usual = self._most
            self._throughput, self._wait = throughput, EPOCHS_FIRST
            return
        self._throughput += (throughput - self._throughput) / (4 if self._throughput else 1)
        self._wait -= 1
        if self._wait > 0:
            return
        least_s = self._least_latency_s
        queued = latency_s > max(QUEUE_SHARE * least_s, least_s + QUEUE_S)
        if self._usual < self._most and (self._upwards or not queued):
            self._limit = min(self._most, math.ceil(self._usual / FEWER))
        elif queued:
            likely = math.ceil(self._usual * least_s / latency_s * QUEUE_SHARE)
            fewer = min(math.floor(self._usual * FEWER), likely)
            self._limit = max(1, self._usual // 2, fewer)

    def _end_trial(self, throughput: float) -> None:
        upwards = self._limit > self._usual
        if throughput >= (GAIN if upwards else KEPT) * self._throughput:
            self._usual = self._limit
            self._throughput = max(self._throughput, throughput)
            self._wait, self._patience = 1, EPOCHS_BETWEEN
            return
        self._limit = self._usual
        self._upwards = not upwards
        self._wait = self._patience
        self._patience = min(EPOCHS_CAP, 2 * self._patience)
