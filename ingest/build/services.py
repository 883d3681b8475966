"""What differs from service to service: one table, `SERVICES`.

A service says which headers and credentials it wants, what a request may hold, and makes the target
for a job; the rest of the program asks the `Connection` and knows no service by name. Each stands
in a module of its own, which is imported when the service is asked for, and not before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from msgspec import Struct, field

from ingest.build.booking import Booking
from ingest.events import FileProgress, Watcher
from ingest.job import Job
from ingest.journal import JournalLedger
from ingest.model import Limits, Schema
from ingest.protocols import Rows, Target
from ingest.shape.service import ServiceTypes
from ingest.targets.schemes import CredentialScheme
from ingest.wire import Login, Secret, Wire


class Wanted(Struct, frozen=True):
    """What a target is made from. `total_bytes` is the input's size on the disk, if known."""

    job: Job
    wire: Wire
    total_bytes: int | None
    watcher: Watcher

    @property
    def limits(self) -> Limits:
        """What the job lets a request hold."""
        return Limits(self.job.limits.records, self.job.limits.bytes)


class Latest(Struct):
    """The latest news of a body that goes by way of a file."""

    progress: FileProgress | None = None

    def take(self, progress: FileProgress | None) -> None:
        """Keep it."""
        self.progress = progress


class Connection(Struct, frozen=True):
    """A target, and what the run must know of it besides the promises of `Target`.

    `writers` requests go on at once. `spooled`: bodies are files of at most that many bytes in the
    run's directory, and `join_books` is told of the books before the first of them is sent.
    `counts_rows`: its count is cheap enough to be asked before and after. `login`
    is what must be watched, because its token may come to an end while the run goes on. `rows` are
    those of the table, for whoever asks them back.
    """

    target: Target
    types: ServiceTypes
    writers: int
    base_url: str
    check: Callable[[Schema], None] = lambda _schema: None
    spooled: bool = False
    join_books: Callable[[Booking, JournalLedger | None], None] = lambda _booking, _ledger: None
    counts_rows: bool = False
    latest: Latest = field(default_factory=Latest)
    login: Login | None = None
    rows: Rows | None = None


class Service(Struct, frozen=True):
    """One service. `limits` is what its requests may hold."""

    name: str
    limits: Limits
    headers: Callable[[Secret], Mapping[str, str | Secret]]
    credentials: CredentialScheme
    connect: Callable[[Wanted], Connection]


def _avalanchio() -> Service:
    from ingest.build.service_avalanchio import SERVICE  # noqa: PLC0415 - see the head

    return SERVICE


def _aito() -> Service:
    from ingest.build.service_aito import SERVICE  # noqa: PLC0415 - see the head

    return SERVICE


class _Services(Mapping[str, Service]):
    """The services by name; each is looked up when it is asked for."""

    def __init__(self, found: Mapping[str, Callable[[], Service]]) -> None:
        self._found = found

    def __getitem__(self, name: str) -> Service:
        return self._found[name]()

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)


SERVICES: Mapping[str, Service] = _Services({"avalanchio": _avalanchio, "aito": _aito})
