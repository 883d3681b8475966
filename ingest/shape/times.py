"""What a date or a timestamp means: the reference for values of time, as `values` is for the rest.

ISO 8601 unless the field names formats. A format may hold only directives that are known here, each
part of the date once and the year always, so that nothing is filled in by a default; and digits
that stand without a mark between them have their full width, so that `2024111` is refused and not
guessed. Formats that read one text as two different moments make it ambiguous, which is an error.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from ingest.shape.values import BLANKS, BadValue, quoted, shown

ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")
ISO_TIMESTAMP = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]"
    r"((?:[01][0-9]|2[0-3]):[0-5][0-9])(?:(:[0-5][0-9])(?:\.([0-9]{1,9}))?)?(Z|[+-][0-9]{2}:?[0-5][0-9])?\Z"
)
YEAR = "(?:[1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])"  # there was no year 0
DIRECTIVES: Mapping[str, str] = {
    "Y": YEAR,
    "y": "[0-9]{2}",
    "m": "[0-9]{1,2}",
    "d": "[0-9]{1,2}",
    "H": "[0-9]{1,2}",
    "I": "[0-9]{1,2}",
    "M": "[0-9]{1,2}",
    "S": "[0-5]?[0-9]",
    "j": "(?P<j>[0-9]{1,3})",
    "f": "[0-9]{1,6}",
    "b": "[A-Za-z]{3}",
    "B": "[A-Za-z]{3,9}",
    "p": "[AaPp][Mm]",
    "z": "(?:Z|[+-][0-9]{2}:?[0-5][0-9])",
    "%": "%",
}
FULL_WIDTH: Mapping[str, str] = {
    **dict.fromkeys("mdHIM", "[0-9]{2}"),
    "S": "[0-5][0-9]",
    "j": "(?P<j>[0-9]{3})",
}
DIGITS = frozenset("YymdHIMSjf")
ONE_OF = ("Yy", "mbBj", "dj", "HI")
NEEDS = (("d", "mbB"), ("I", "p"), ("p", "I"), ("M", "HI"), ("S", "M"), ("f", "S"))


def parts_of(form: str) -> tuple[str, ...]:
    """The format as directives (`%Y`) and single characters; ValueError says what is wrong."""
    parts = tuple(re.findall(r"%.?|.", form, re.DOTALL))
    names = [part[1:] for part in parts if part[0] == "%" and part != "%%"]
    for name in names:
        if name not in DIRECTIVES:
            known = " ".join(f"%{d}" for d in DIRECTIVES)
            raise ValueError(f"format {form!r}: %{name} is not known; known are {known}")
        if names.count(name) > 1:
            raise ValueError(f"format {form!r}: %{name} stands twice")
    if not {"Y", "y"} & set(names):
        raise ValueError(f"format {form!r}: it has no year (%Y or %y)")
    for group in ONE_OF:
        both = [f"%{name}" for name in names if name in group]
        if len(both) > 1:
            raise ValueError(f"format {form!r}: {' and '.join(both)} say the same part")
    for name, needed in NEEDS:
        if name in names and not set(needed) & set(names):
            words = " or ".join(f"%{n}" for n in needed)
            raise ValueError(f"format {form!r}: %{name} needs {words}")
    return parts


@functools.cache
def format_pattern(form: str) -> str:
    """The regular expression of a strptime format, in the syntax that Python and Rust share.

    Raises ValueError with a sentence for a format that can't be relied on.
    """
    parts = parts_of(form)
    pattern = ""
    for index, part in enumerate(parts):
        if part[0] != "%":
            pattern += re.escape(part)
            continue
        beside = (parts[index - 1 : index] if index else ()) + parts[index + 1 : index + 2]
        tight = any(p.isdigit() or p[1:] in DIGITS for p in beside)
        name = part[1:]
        pattern += FULL_WIDTH.get(name, DIRECTIVES[name]) if tight else DIRECTIVES[name]
    return f"^{pattern}$"


def date_value(text: str, formats: Sequence[str] = ()) -> str:
    """A date as `YYYY-MM-DD`; ISO unless formats are given."""
    stripped = text.strip(BLANKS)
    if not formats:
        if ISO_DATE.match(stripped):
            try:
                return quoted(date.fromisoformat(stripped).isoformat())
            except ValueError:
                pass
        raise BadValue(
            "not_a_date",
            f"{shown(text)} is no date like 2024-12-31 (set format for other spellings)",
        )
    return quoted(_parse(text, formats, "date").date().isoformat())


def timestamp(text: str, formats: Sequence[str] = (), zone: str | None = None) -> str:
    """A point in time in ISO 8601.

    Without `zone` it keeps its own offset, or none. With `zone`, a time without an offset is local
    there, and all come out in UTC with a `Z`; a local time that the clock change skips or shows
    twice is refused. Where formats are given, a time with an offset comes out in UTC as well.
    """
    if formats:
        moment = _parse(text, formats, "timestamp")
        fraction = f".{moment.microsecond:06d}" if moment.microsecond else ""
    else:
        moment, fraction, offset = _parse_iso(text)
        if zone is None:
            return quoted(f"{moment.replace(tzinfo=None).isoformat()}{fraction}{offset}")
    if moment.tzinfo is not None or zone is not None:
        moment = _to_utc(moment, zone, text)
    suffix = "Z" if moment.tzinfo is not None else ""
    return quoted(f"{moment.replace(tzinfo=None, microsecond=0).isoformat()}{fraction}{suffix}")


def _parse_iso(text: str) -> tuple[datetime, str, str]:
    """The moment in whole seconds, its fraction and its offset as they are written out."""
    match = ISO_TIMESTAMP.match(text.strip(BLANKS))
    moment = None
    if match is not None:
        day, minute, second, fraction, offset = match.groups(default="")
        zone = offset.replace("Z", "+00:00")
        try:
            moment = datetime.fromisoformat(f"{day}T{minute}{second or ':00'}{zone}")
        except ValueError:
            moment = None
    if moment is None:
        raise BadValue(
            "not_a_timestamp",
            f"{shown(text)} is no timestamp like 2024-12-31T23:59:59Z"
            " (set format for other spellings)",
        )
    spelt = f"{offset[:3]}:{offset[3:]}" if len(offset) == 5 else offset
    return moment, f".{fraction}" if fraction else "", spelt


def _to_utc(moment: datetime, zone: str | None, text: str) -> datetime:
    try:
        if moment.tzinfo is None and zone is not None:
            there = ZoneInfo(zone)
            early, late = (moment.replace(tzinfo=there, fold=fold) for fold in (0, 1))
            if early.utcoffset() != late.utcoffset():
                raise BadValue(
                    "ambiguous_time",
                    f"{shown(text)} is skipped or stands twice in {zone}, where the clock changes",
                )
            moment = early
        return moment.astimezone(UTC)
    except OverflowError as exc:
        raise BadValue("out_of_range", f"{shown(text)} is in no year from 1 to 9999 UTC") from exc


def _parse(text: str, formats: Sequence[str], kind: str) -> datetime:
    found = {m for form in formats if (m := _parse_one(text.strip(BLANKS), form)) is not None}
    if not found:
        forms = " or ".join(formats)
        raise BadValue(f"not_a_{kind}", f"{shown(text)} is no {kind} of the form {forms}")
    if len(found) > 1:
        moments = " and ".join(sorted(m.isoformat(sep=" ") for m in found))
        raise BadValue(f"ambiguous_{kind}", f"{shown(text)} can be read as {moments}")
    return found.pop()


def _parse_one(text: str, form: str) -> datetime | None:
    match = re.match(format_pattern(form), text)
    if match is None:
        return None
    try:
        moment = datetime.strptime(text, form)  # noqa: DTZ007 - a format may have no zone
    except ValueError:
        return None
    day = match.groupdict().get("j")
    if day is not None and int(day) != moment.timetuple().tm_yday:
        return None  # day 366 of a short year became the next year's first
    offset = moment.utcoffset()
    if offset is not None and abs(offset) >= timedelta(hours=24):
        return None
    return moment
