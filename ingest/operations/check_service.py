"""What the service said of itself: token, TLS, table, rights, limits in force. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ingest.display import count, duration, size
from ingest.errors import IngestError
from ingest.job import Job
from ingest.model import Limits, Schema
from ingest.operations.check_finding import Finding

SOON_S = 86_400.0
CERTIFICATE_SOON_S = 14 * 86_400.0
GOOD_TLS = ("TLSv1.2", "TLSv1.3")


def from_error(name: str, error: IngestError) -> Finding:
    """What an operation that failed says: its own words and hint; away if it may succeed later."""
    return Finding(name, "away" if error.retryable else "mend", error.message, error.hint)


def token_end(ends_s: float | None, now_s: float, shown: str, *, renewable: bool) -> Finding:
    """When the token ends (Unix seconds), as far as it says so itself."""
    if ends_s is None:
        return Finding("token", "ok", "does not say when it ends: a refusal would tell")
    left_s = ends_s - now_s
    if left_s <= 0:
        return Finding("token", "mend", f"ended at {shown}", "put a new one in its place")
    said = f"ends at {shown}, in {duration(left_s)}"
    if left_s > SOON_S:
        return Finding("token", "ok", said)
    if renewable:
        return Finding("token", "ok", f"{said}; it is asked for again before that")
    mend = "a run that lasts longer stops in order then, and goes on with a new one"
    return Finding("token", "warn", said, mend)


def tls(version: str, ends_s: float | None, now_s: float, shown: str, ca: str) -> Finding:
    """The version that was agreed on, and the certificate's end (Unix seconds)."""
    said = f"{version}, verified with {ca}"
    if version not in GOOD_TLS:
        return Finding("TLS", "warn", said, "the service should speak TLS 1.2 or newer")
    if ends_s is None:
        return Finding("TLS", "ok", said)
    said = f"{said}; its certificate ends at {shown}"
    if ends_s - now_s < CERTIFICATE_SOON_S:
        left = duration(max(0.0, ends_s - now_s))
        return Finding("TLS", "warn", f"{said}, in {left}", "tell who runs the service")
    return Finding("TLS", "ok", said)


def table(job: Job, schema: Schema | None) -> Finding:
    """There, to be made, or missing."""
    name = job.target.table
    if schema is not None:
        return Finding("table", "ok", f"{name} is there, with {len(schema.columns)} columns")
    if job.target.create:
        return Finding("table", "ok", f"{name} is not there: a run makes it (create = true)")
    mend = "set create = true in [target], or make the table"
    return Finding("table", "mend", f"{name} is not there", mend)


def rights(schema: Schema | None, rows: int | None, error: IngestError | None) -> Finding:
    """As far as reads can show."""
    silent = (
        "whether it may write"
        + ("" if schema else " and make tables")
        + (" can't be known without writing")
    )
    if error is not None:
        found = from_error("rights", error)
        return Finding("rights", found.state, f"reading the table: {found.said}", found.mend)
    read = "may read schemas"
    if schema is not None:
        read += " and rows" if rows is not None else "; rows are not told"
        read += f" ({count(rows)} now)" if rows is not None else ""
    return Finding("rights", "ok", f"{read}; {silent}")


def limits(job: Job, service: Limits, writers: int, *, by_file: bool) -> Finding:
    """What a request holds and how many go at once."""
    wanted = job.limits
    records = min(wanted.records, service.records)
    size_bytes = min(wanted.bytes, service.size_bytes)
    if by_file:
        return Finding(
            "limits", "ok", f"gzip files of at most {size(wanted.spool_bytes)}, one at once"
        )
    said = f"{count(records)} records and {count(size_bytes)} bytes a request, {writers} in flight"
    if wanted.requests_per_s:
        said += f", {wanted.requests_per_s:g} requests a second"
    return Finding("limits", "ok", f"{said}, {'at most' if wanted.adaptive else 'fixed'}")


def proxies(known: Mapping[str, str], scheme: str, *, loopback: bool, bypassed: bool) -> Finding:
    """Which proxy of the environment a request would go through; `known` without passwords."""
    if not known:
        return Finding("proxy", "ok", "none in the environment")
    wanted = known.get(scheme) or known.get("all")
    if loopback:
        return Finding("proxy", "ok", "not used: the service is on this machine")
    if bypassed or not wanted:
        return Finding("proxy", "ok", f"not used for this host ({', '.join(sorted(known))} set)")
    return Finding("proxy", "ok", f"through {wanted}")


def inputs(shown: Sequence[str], total_bytes: int | None, notes: Sequence[str]) -> list[Finding]:
    """The job's files, found and readable."""
    if not shown:
        return [Finding("files", "warn", "no file", "a run would have nothing to do")]
    much = f", {size(total_bytes)}" if total_bytes is not None else ""
    names = ", ".join(shown[:3]) + (f" and {count(len(shown) - 3)} more" if len(shown) > 3 else "")
    found = [Finding("files", "ok", f"{count(len(shown))} readable{much}: {names}")]
    return found + [Finding("files", "ok", note) for note in notes[:5]]
