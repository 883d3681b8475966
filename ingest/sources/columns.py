"""The names of a CSV file's columns: from its header, from the settings, or numbered.

Names that are blank or stand twice are an error that lists them, before anything is sent. Messages
don't name the file: the caller, who knows it, does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ingest import grammar
from ingest.errors import SettingsError, SourceError
from ingest.job import SourceSettings
from ingest.model import Dialect


def names_of(record: bytes, dialect: Dialect) -> tuple[str, ...] | None:
    """The fields of the header as text; None if they are no UTF-8."""
    try:
        return tuple(field.decode() for field in grammar.fields(record, dialect))
    except UnicodeDecodeError:
        return None


def headed(
    names: tuple[str, ...] | None, record: grammar.Extent, line: int, settings: SourceSettings
) -> tuple[str, ...]:
    """The columns of a file with a header."""
    if names is None:
        why = (record.trouble or "not_utf8").replace("_", " ")
        raise SourceError(
            f"line {line}: the header can't be read: {why}",
            "mend it, or set what this file needs in [source]: quote, encoding, skip_rows",
        )
    if settings.columns is None:
        hint = "name them in [source] columns = [...], with header = true"
        if fault := _faults(names):
            raise SourceError(f"line {line}: the header has {fault}", hint)
        return names
    if len(settings.columns) != len(names):
        raise SettingsError(
            f"columns names {_counted(len(settings.columns))}, but the header in line {line} has"
            f" {len(names)}: {_listed(names)}"
        )
    return _named(settings)


def unheaded(counts: Sequence[int], settings: SourceSettings) -> tuple[str, ...]:
    """The columns of a file without a header; `counts` are its first records' fields."""
    sound = [count for count in counts if count]
    usual = Counter(sound).most_common(1)[0][0] if sound else 1
    if settings.columns is None:
        return tuple(f"column_{number}" for number in range(1, usual + 1))
    if sound and len(settings.columns) not in sound:
        raise SettingsError(
            f"columns names {_counted(len(settings.columns))}, but the records have {usual}",
            "check the delimiter too, if it is not set",
        )
    return _named(settings)


def _named(settings: SourceSettings) -> tuple[str, ...]:
    columns = settings.columns or ()
    if fault := _faults(columns):
        raise SettingsError(f"[source] columns has {fault}")
    return columns


def _faults(names: Sequence[str]) -> str:
    """What is wrong with these names, in words; empty if nothing."""
    faults = []
    blank = [number for number, name in enumerate(names, 1) if not name.strip()]
    if blank:
        faults.append(f"no name for column {_listed([str(number) for number in blank])}")
    repeated = [name for name, count in Counter(names).items() if count > 1 and name.strip()]
    if repeated:
        faults.append(f"more than one column of the name {_listed(repeated)}")
    return " and ".join(faults)


def _counted(count: int) -> str:
    return f"{count} column" + ("s" if count != 1 else "")


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(name if len(name) <= 60 else name[:60] + "…" for name in names[:10])
    return shown + (f" and {len(names) - 10} more" if len(names) > 10 else "")
