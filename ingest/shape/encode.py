"""A frame of texts to encoded records: the columns half of the shape stage.

The frame has a String column for every field that reads one (null where the source has a null of
its own). Two queries do nearly all the work, whatever the number of rows: one asks of every column
at once whether it is spelt as its first value suggests (`rules`), one glues the lines together.
What does not pass the first goes through the rule's slower steps, column by column; what no rule
accepts becomes a `BadCell`, and its row is left out.

Nothing here knows files, places or services. A line is never encoded twice.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import polars as pl
from msgspec import Struct

from ingest.model import Stage
from ingest.shape.encode_check import NOTHING_KNOWN, Checked, Known, check, is_null
from ingest.shape.encode_line import LINE, Member, Piece, Spelt, glued, line, unquoted
from ingest.shape.encode_values import read_texts
from ingest.shape.plan import FieldPlan, ShapePlan
from ingest.shape.sql import evaluate
from ingest.shape.values import BadValue, quoted

NULL = "null"


class BadCell(Struct, frozen=True):
    """What keeps a row from travelling: a field's value, or, without a field, the whole record."""

    row: int
    field: FieldPlan | None
    stage: Stage
    trouble: BadValue


def missing_value(field: FieldPlan) -> BadValue:
    """Why a record without this field's value can't travel."""
    return BadValue("missing_value", f"{field.name} has no value and is required")


def too_large(size_bytes: int, most_bytes: int) -> BadValue:
    """Why a record of this size can't."""
    text = f"the record takes {size_bytes} bytes, and a request holds one of {most_bytes}"
    return BadValue("record_too_large", text)


class Encoded(Struct, frozen=True):
    """Lines of the good rows, in order; `rows` are their numbers in the frame, None if all are.

    `bad` holds the first trouble of each bad row, by row. `keys` is the upsert key of each line.
    """

    lines: pl.Series
    rows: pl.Series | None
    bad: tuple[BadCell, ...]
    keys: tuple[str, ...] | None


class Extras(Struct, frozen=True):
    """What only JSON records have, as columns of the frame.

    `absent` names, for a field's index, a Boolean column: true where the record has no such key and
    shall not get one. `rest` names a column with the members that no field reads, as `"k":v,...`.
    """

    absent: Mapping[int, str] = msgspec.field(default_factory=dict)
    rest: str | None = None


NO_EXTRAS = Extras()


def encode(
    frame: pl.DataFrame,
    plan: ShapePlan,
    columns: Mapping[int, str],
    largest_record: int,
    extras: Extras = NO_EXTRAS,
    known: Known = NOTHING_KNOWN,
) -> Encoded:
    """Encode `frame`. `columns` gives the frame's column for each field (by index) that has one."""
    work = _Work(frame, plan, columns, extras, known)
    work.settle_columns()
    for index, field in enumerate(plan.fields):
        if field.sql is not None:
            work.settle_sql(index, field)
    return work.finish(largest_record)


class _Work:
    """The state of one `encode`: the frame as it gains settled columns, and the bad cells."""

    def __init__(
        self,
        frame: pl.DataFrame,
        plan: ShapePlan,
        columns: Mapping[int, str],
        extras: Extras,
        known: Known,
    ) -> None:
        self.extras = extras
        self.known = known
        self.frame = frame
        self.plan = plan
        self.columns = columns
        self.pieces: dict[int, list[Piece]] = {}
        self.absent = {index: pl.col(name) for index, name in extras.absent.items()}
        self.sent: dict[int, list[Piece]] = {}  # instead of `pieces`, where some are absent
        self.bad: dict[int, BadCell] = {}

    def settle_columns(self) -> None:
        """Every field but the SQL ones: its JSON text as pieces of the line."""
        fields = self.plan.fields
        checked = check(self.frame, dict(enumerate(fields)), self.columns, self.known)
        for index, field in enumerate(self.plan.fields):
            if field.sql is not None:
                continue
            if field.constant is not None:
                self.pieces[index] = [field.constant]
            elif index in self.columns:
                self._settle_column(index, field, checked[index])
            else:
                self.pieces[index] = [field.default or NULL]
                if self._must_be_there(field):
                    self._all_missing(field)

    def _settle_column(self, index: int, field: FieldPlan, checked: Checked) -> None:
        name = self.columns[index]
        spelt = Spelt(checked.spelling, name) if checked.clean and checked.spelling else None
        if spelt is not None and not checked.has_nulls:
            self.pieces[index] = [spelt]
            return
        missing = is_null(name, field.nulls)
        if checked.has_nulls and self._must_be_there(field):
            self._reject_missing(self.frame.select(missing).to_series(), field)
        if spelt is not None:
            json = glued([spelt])
        else:
            json = self._settle_slowly(index, field, pl.when(~missing).then(pl.col(name)))
        null = pl.lit(field.default or NULL)
        value = pl.when(missing).then(null).otherwise(json).fill_null(null)
        self.pieces[index] = [value]
        if field.type == "json":  # a text may be null itself
            self._heed_json_nulls(index, field, value)
        elif self.plan.omit_nulls and checked.has_nulls and field.default is None:
            self.absent[index] = missing
            self.sent[index] = [json.fill_null(null) if spelt is None else spelt]

    def _heed_json_nulls(self, index: int, field: FieldPlan, value: pl.Expr) -> None:
        """What holds for a column's nulls holds for values that are spelt `null`, too."""
        nulls = value == NULL
        if self._must_be_there(field):
            self._reject_missing(self.frame.select(nulls).to_series(), field)
        elif self.plan.omit_nulls:
            self.absent[index] = nulls

    def _settle_slowly(self, index: int, field: FieldPlan, source: pl.Expr) -> pl.Expr:
        """Bulk, then scalar for what is open; the result becomes a column of the frame."""
        if field.rule is None:
            return source
        texts = self.frame.select(source.alias("s")).to_series()
        done, bad = read_texts(texts, field.rule)
        for row, trouble in bad.items():
            self._add_bad(BadCell(row, field, "coerce", trouble))
        name = f"json{index}"
        self.frame = self.frame.with_columns(done.alias(name))
        return pl.col(name)

    def settle_sql(self, index: int, field: FieldPlan) -> None:
        """A field made by SQL over those before it; its result becomes a column of the frame."""
        assert field.sql is not None
        values, troubles = evaluate(self._typed_frame(), field.sql)
        for row, trouble in troubles.items():
            self._add_bad(BadCell(row, field, "map", trouble))
        name = f"sql{index}"
        self.frame = self.frame.with_columns(values.alias(name))
        self.columns = {**self.columns, index: name}
        json = pl.col(name)  # as JSON text; a type given besides reads it as any other text
        if field.rule is not None:
            json = self._settle_slowly(index, field, unquoted(json))
        value = json.fill_null(NULL)
        if field.required:
            self._reject_missing(self.frame.get_column(name).is_null(), field)
        self.pieces[index] = [value]
        if self.plan.omit_nulls:
            self.absent[index] = value == NULL

    def _typed_frame(self) -> pl.DataFrame:
        """The fields settled so far under their own names, typed, for SQL to work on."""
        named = []
        for index, pieces in self.pieces.items():
            field = self.plan.fields[index]
            json = glued(pieces)
            null = json == NULL
            rule = field.rule
            if rule is not None and rule.typed is not None:
                typed = rule.typed(pl.when(~null).then(json))
            else:
                typed = unquoted(pl.when(~null).then(json))
            named.append(typed.alias(field.name))
        names = [self.plan.fields[index].name for index in self.pieces]
        return self.frame.with_columns(named).select(names or [self.frame.columns[0]])

    def finish(self, largest_record: int) -> Encoded:
        """The lines, without the bad rows and without those that are too long."""
        height = self.frame.height
        lines = self.frame.select(self._line().alias(LINE)).to_series()
        if lines.len() != height:  # nothing but constants: one line stands for all
            lines = lines.new_from_index(0, height)
        self._reject_long(lines, largest_record)
        rows = None
        if self.bad:
            everyone = pl.int_range(height, eager=True)
            rows = everyone.filter(~everyone.is_in(sorted(self.bad)))
            lines = lines.gather(rows)
        bad = tuple(self.bad[row] for row in sorted(self.bad))
        return Encoded(lines, rows, bad, self._keys(rows))

    def _line(self) -> pl.Expr:
        """The whole record as one text."""
        members = []
        for index, field in enumerate(self.plan.fields):
            pieces = self.sent.get(index) or self.pieces[index]
            first = pieces[0]
            if self.plan.omit_nulls and isinstance(first, str) and first == NULL:
                continue
            members.append(Member(quoted(field.name) + ":", pieces, self.absent.get(index)))
        return line(members, self.extras.rest)

    def _reject_long(self, lines: pl.Series, largest_record: int) -> None:
        if not lines.len() or int(lines.str.len_bytes().max() or 0) <= largest_record:  # type: ignore[arg-type] # a count
            return
        sizes = lines.str.len_bytes()
        for row in (sizes > largest_record).arg_true().to_list():
            self._add_bad(BadCell(row, None, "limit", too_large(sizes[row], largest_record)))

    def _keys(self, rows: pl.Series | None) -> tuple[str, ...] | None:
        if self.plan.key is None:
            return None
        index = next(i for i, f in enumerate(self.plan.fields) if f.name == self.plan.key)
        keys = self.frame.select(glued(self.pieces[index]).alias("key")).to_series()
        if keys.len() != self.frame.height:  # a constant
            keys = keys.new_from_index(0, self.frame.height)
        return tuple(keys if rows is None else keys.gather(rows))

    def _must_be_there(self, field: FieldPlan) -> bool:
        return field.required or field.name == self.plan.key

    def _all_missing(self, field: FieldPlan) -> None:
        everyone = pl.Series([True], dtype=pl.Boolean).new_from_index(0, self.frame.height)
        self._reject_missing(everyone, field)

    def _reject_missing(self, mask: pl.Series, field: FieldPlan) -> None:
        for row in mask.arg_true().to_list():
            self._add_bad(BadCell(row, field, "map", missing_value(field)))

    def _add_bad(self, cell: BadCell) -> None:
        self.bad.setdefault(cell.row, cell)
