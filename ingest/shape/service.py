"""What the plan has to know of a service: its columns' types, bounds and names. Pure.

The shape stage knows no service. Whoever knows one hands over a `ServiceTypes`; the defaults are
those of a service that judges everything itself, so that nothing is refused here on a guess.
`Meeting` is where it comes together with the job and the live table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct, field

from ingest.errors import SettingsError
from ingest.job import FieldSettings, FieldType, Job
from ingest.model import Column, Schema
from ingest.shape.values import INT64_MAX, INT64_MIN, IntegerRange


def _no_range(_: str) -> None:
    """Every integer of 64 bits may go."""


def _no_problem(_: str) -> None:
    """Every name may go."""


class ServiceTypes(Struct, frozen=True):
    """How a service's column types and our field types translate, and what its columns refuse.

    `column_type` raises SettingsError for a type that the service does not have. `integer_range`
    gives the least and the greatest integer (both included, 0 between them) of a column type, None
    where 64 bits go in or the service judges; `wider_integers` says in a few words how to get more.
    `column_name_problem` says why a text can't be a column's name, None if it can.

    `strict_nulls`: columns are `nullable` or refuse null, in the words of the service; a member
    that is absent is a null, and a `required` field makes a column that is not nullable.
    `own_columns` are those that the service gives to every table by itself.
    """

    column_type: Callable[[FieldType], str]
    field_type: Callable[[Column], FieldType]
    integer_range: Callable[[str], tuple[int, int] | None] = _no_range
    column_name_problem: Callable[[str], str | None] = _no_problem
    wider_integers: str = ""
    strict_nulls: bool = False
    own_columns: frozenset[str] = frozenset({"id"})

    def wished_type(self, settings: FieldSettings, kind: FieldType) -> str:
        """The type that a column made for the field will have. SettingsError if there is none."""
        said = settings.target_type or settings.column.get("type")
        return str(said) if said else self.column_type(kind)

    def narrow_range(self, word: str) -> tuple[int, int] | None:
        """The ends of a column type's integers, None where all of 64 bits go in."""
        ends = self.integer_range(word)
        return None if ends == (INT64_MIN, INT64_MAX) else ends

    def wished_required(self, settings: FieldSettings, *, widening: bool = False) -> bool:
        """Whether a column made for the field refuses null.

        `widening`: it is added to a table whose rows have no value for it, so only what is said of
        the column itself counts.
        """
        if self.strict_nulls and "nullable" in settings.column:
            return not settings.column["nullable"]
        by_field = self.strict_nulls and settings.required and not widening
        return bool(settings.column.get("required", by_field))

    def has_booleans(self, settings: FieldSettings) -> bool:
        """Whether a column made for the field could hold true and false."""
        try:
            word = self.wished_type(settings, "boolean")
        except SettingsError:
            return False
        return self.field_type(Column("", word)) == "boolean"


class Meeting(Struct, frozen=True):
    """What the plan is made from, besides the layout.

    `guessed` holds types by source column.
    """

    job: Job
    schema: Schema | None
    types: ServiceTypes
    guessed: Mapping[str, FieldType] = field(default_factory=dict)

    def live(self, name: str) -> Column | None:
        """The column of the live table, None where there is none yet."""
        return self.schema.column(name) if self.schema else None

    def integers(self, name: str, settings: FieldSettings) -> IntegerRange | None:
        """The integers that the field's column takes, or will take; None for all of 64 bits."""
        live, types = self.live(name), self.types
        word = live.type if live else types.wished_type(settings, "integer")
        ends = types.narrow_range(word)
        if ends is None:
            return None
        least, most = ends
        more = types.wider_integers
        if live:
            way_on = "make the column wider" + (f" ({more})" if more else "")
        else:
            way_on = 'set type = "string"' + (f", or {more}" if more else "")
        where = f"the column {name!r} of type {word} ({least} to {most}); {way_on}"
        return IntegerRange(least, most, where)

    def is_required(self, name: str, settings: FieldSettings) -> bool:
        """Whether a null would be refused, and with it the whole request it travels in."""
        live = self.live(name)
        if live is not None:
            column_wants = live.required
        else:
            column_wants = self.types.strict_nulls and self.types.wished_required(settings)
        return settings.required or (column_wants and settings.default is None)
