"""Names of the target's columns, from the source's. Pure.

A name that any service, SQL and a job file take as it is stays as it is. Where one of a source's
names is not of that kind (`Adj Close`), all of them are written in one style, small letters and
underscores, so that a table does not have two. Letters of any script are letters. Names that the
service keeps for itself (`id`) and names that would be the same but for their case get another.

Not written by any service, so *guess*: that 120 characters are not too many, and that `created_at`
and `updated_at` are Avalanchio's own.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Sequence

PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
LONGEST = 120
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_TAKEN_PREFIXES = ("sqlite_", "_sandbox_")


def target_names(
    sources: Sequence[str],
    live: Collection[str],
    kept: Collection[str],
    problem: Callable[[str], str | None],
) -> dict[str, str]:
    """The name in the target of each source column.

    `live` are the columns that the table has: one that is written alike but for case and marks is
    taken. `kept` are the service's own; `problem` says why a name can't be a column's.
    """
    known = {folded(name): name for name in live if name not in kept}
    as_they_are = all(PLAIN.fullmatch(name) for name in sources)
    used = {name.casefold() for name in kept}
    found: dict[str, str] = {}
    for source in sources:
        wanted = known.get(folded(source)) or (source if as_they_are else snake(source))
        if problem(wanted) or wanted.lower().startswith(_TAKEN_PREFIXES):
            wanted = "c_" + snake(wanted)
        found[source] = free(wanted, used)
        used.add(found[source].casefold())
    return found


def free(wanted: str, used: Collection[str]) -> str:
    """`wanted`, or with the first number behind it that makes it none of `used` (casefolded)."""
    base = wanted if wanted.casefold() != "id" else "source_id"
    name, number = base, 1
    while name.casefold() in used:
        number += 1
        name = f"{base}_{number}"
    return name


def snake(name: str) -> str:
    """Small letters, digits and single underscores; never empty, never a digit first."""
    text = _HUMP.sub("_", unicodedata.normalize("NFKC", name)).lower()
    text = re.sub(r"[\W_]+", "_", text)[:LONGEST].strip("_")
    if not text:
        return "column"
    return text if not text[0].isdigit() else f"c_{text}"


def folded(name: str) -> str:
    """What is the same in two spellings of a name."""
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", name).casefold())
