"""A frame of texts to encoded records: the columns half of the shape stage.

The frame has a String column for every field that reads one (null where the source has a null of
its own). Two queries do nearly all the work, whatever the number of rows: one asks of every column
at once whether it is spelt as its first value suggests (`rules`), one glues the lines together.
What does not pass the first goes through the rule's slower steps, column by column; what no rule
accepts becomes a `BadCell`, and its row is left out.

Nothing here knows files, places or services. A line is never encoded twice.
"""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

import polars as pl

from ingest.model import Stage
from ingest.shape.plan import FieldPlan, ShapePlan
from ingest.shape.rules import Spelling
from ingest.shape.sql import evaluate
from ingest.shape.values import BadValue, quoted

LINE = "line"
HEAD_ROWS = 64  # how far to look for a first value that is not null


@dataclass(frozen=True, slots=True)
class BadCell:
    """What keeps a row from travelling: a field's value, or, without a field, the whole record."""

    row: int
    field: FieldPlan | None
    stage: Stage
    trouble: BadValue


@dataclass(frozen=True, slots=True)
class Encoded:
    """Lines of the good rows, in order; `rows` are their numbers in the frame, None if all are.

    `bad` holds the first trouble of each bad row, by row. `keys` is the upsert key of each line.
    """

    lines: pl.Series
    rows: pl.Series | None
    bad: tuple[BadCell, ...]
    keys: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Extras:
    """What only JSON records have, as columns of the frame.

    `absent` names, for a field's index, a Boolean column: true where the record has no such key and
    shall not get one. `rest` names a column with the members that no field reads, as `"k":v,...`.
    """

    absent: Mapping[int, str] = dataclasses.field(default_factory=dict)
    rest: str | None = None


def encode(
    frame: pl.DataFrame,
    plan: ShapePlan,
    columns: Mapping[int, str],
    largest_record: int,
    extras: Extras = Extras(),
    known: Mapping[int, Spelling] = MappingProxyType({}),
) -> Encoded:
    """Encode `frame`. `columns` gives the frame's column for each field (by index) that has one.

    `known` holds spellings, by field, that are already known to hold for every value but the words
    for null.
    """
    work = _Work(frame, plan, columns, extras, known)
    work.settle_columns()
    for index, field in enumerate(plan.fields):
        if field.sql is not None:
            work.settle_sql(index, field)
    return work.finish(largest_record)


@dataclass(frozen=True, slots=True)
class Spelt:
    """A column of the frame whose every value is spelt in one way: a piece of a line."""

    spelling: Spelling
    name: str


Piece = str | pl.Expr | Spelt


@dataclass(frozen=True, slots=True)
class _Checked:
    """What the first query said of one field's column."""

    spelling: Spelling | None
    clean: bool
    has_nulls: bool


class _Work:
    """The state of one `encode`: the frame as it gains settled columns, and the bad cells."""

    def __init__(
        self,
        frame: pl.DataFrame,
        plan: ShapePlan,
        columns: Mapping[int, str],
        extras: Extras,
        known: Mapping[int, Spelling],
    ) -> None:
        self.extras = extras
        self.known = known
        self.frame = frame
        self.plan = plan
        self.columns = columns
        self.pieces: dict[int, list[Piece]] = {}
        self.bad: dict[int, BadCell] = {}

    def settle_columns(self) -> None:
        """Every field but the SQL ones: its JSON text as pieces of the line."""
        checked = self._check()
        for index, field in enumerate(self.plan.fields):
            if field.sql is not None:
                continue
            if field.constant is not None:
                self.pieces[index] = [field.constant]
            elif index in self.columns:
                self._settle_column(index, field, checked[index])
            else:
                self.pieces[index] = [field.default or "null"]
                if self._must_be_there(field):
                    self._all_missing(field)

    def _check(self) -> dict[int, _Checked]:
        """The first query: is each column spelt as its first value suggests, and has it nulls?"""
        asked: dict[int, Spelling | None] = {}
        questions: list[pl.Expr] = []
        for index, name in self.columns.items():
            field = self.plan.fields[index]
            questions += _null_questions(index, name, field.nulls)
            if index in self.known:
                asked[index] = self.known[index]
                continue
            spelling = self._suggested(name, field)
            asked[index] = spelling
            if spelling is None or field.rule is None:
                continue
            holds = spelling.holds(pl.col(name))
            if field.rule.also is not None:
                holds = holds & field.rule.also(pl.col(name))
            questions.append((holds | _is_null(name, field.nulls)).all().alias(f"clean{index}"))
        answers = self.frame.select(questions).row(0, named=True) if questions else {}
        return {
            index: _Checked(
                spelling,
                index in self.known or bool(answers.get(f"clean{index}")),
                bool(answers.get(f"null{index}"))
                or self.frame.get_column(self.columns[index]).has_nulls(),
            )
            for index, spelling in asked.items()
        }

    def _suggested(self, name: str, field: FieldPlan) -> Spelling | None:
        if field.rule is None:
            return None
        for text in self.frame.get_column(name).head(HEAD_ROWS):
            if text is not None and text not in field.nulls:
                return field.rule.spelling(text)
        return field.rule.spellings[0] if field.rule.spellings else None

    def _settle_column(self, index: int, field: FieldPlan, checked: _Checked) -> None:
        name = self.columns[index]
        if checked.clean and checked.spelling is not None and not checked.has_nulls:
            self.pieces[index] = [Spelt(checked.spelling, name)]
            return
        is_null = _is_null(name, field.nulls)
        if checked.has_nulls and self._must_be_there(field):
            missing = BadValue("missing_value", f"{field.name} has no value and is required")
            self._reject(self.frame.select(is_null).to_series(), field, "map", missing)
        if checked.clean and checked.spelling is not None:
            json = _glued([Spelt(checked.spelling, name)])
        else:
            json = self._settle_slowly(index, field, pl.when(~is_null).then(pl.col(name)))
        null = pl.lit(field.default or "null")
        self.pieces[index] = [pl.when(is_null).then(null).otherwise(json).fill_null(null)]

    def _settle_slowly(self, index: int, field: FieldPlan, source: pl.Expr) -> pl.Expr:
        """Bulk, then scalar for what is open; the result becomes a column of the frame."""
        if field.rule is None:
            return source
        texts = self.frame.select(source.alias("s")).to_series()
        bulk = field.rule.bulk
        done = (
            texts.to_frame().select(bulk(pl.col("s")).cast(pl.String)).to_series()
            if bulk is not None
            else pl.Series([None], dtype=pl.String).new_from_index(0, len(texts))
        )
        still_open = done.is_null() & texts.is_not_null()
        if still_open.any():
            done = self._settle_one_by_one(field, texts, done, still_open)
        name = f"json{index}"
        self.frame = self.frame.with_columns(done.alias(name))
        return pl.col(name)

    def _settle_one_by_one(
        self, field: FieldPlan, texts: pl.Series, done: pl.Series, still_open: pl.Series
    ) -> pl.Series:
        assert field.rule is not None
        good: dict[str, str] = {}
        refused: dict[str, BadValue] = {}
        for text in texts.filter(still_open).unique():
            try:
                good[text] = field.rule.scalar(text)
            except BadValue as trouble:
                refused[text] = trouble
        if refused:
            rows = (still_open & texts.is_in(list(refused))).arg_true().to_list()
            for row in rows:
                self._add_bad(BadCell(row, field, "coerce", refused[texts[row]]))
        if not good:
            return done
        named = texts.replace_strict(list(good), list(good.values()), default=None)
        return done.zip_with(~still_open, named.cast(pl.String))

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
            json = self._settle_slowly(index, field, _unquoted(json))
        if field.required:
            missing = BadValue("missing_value", f"{field.name} has no value and is required")
            self._reject(self.frame.get_column(name).is_null(), field, "map", missing)
        self.pieces[index] = [json.fill_null("null")]

    def _typed_frame(self) -> pl.DataFrame:
        """The fields settled so far under their own names, typed, for SQL to work on."""
        named = []
        for index, pieces in self.pieces.items():
            field = self.plan.fields[index]
            json = _glued(pieces)
            null = json == "null"
            rule = field.rule
            if rule is not None and rule.typed is not None:
                typed = rule.typed(pl.when(~null).then(json))
            else:
                typed = _unquoted(pl.when(~null).then(json))
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
        names = [quoted(f.name) + ":" for f in self.plan.fields]
        if not self.extras.absent and self.extras.rest is None:
            parts: list[Piece] = ["{"]
            for index, name in enumerate(names):
                parts += [("," if index else "") + name, *self.pieces[index]]
            parts.append("}")
            spelt = tuple(part for part in parts if not isinstance(part, pl.Expr))
            return _spelt_line(spelt) if len(spelt) == len(parts) else _glued(parts)
        members = []
        for index, name in enumerate(names):
            member = _glued([",", name, *self.pieces[index]])
            if index in self.extras.absent:
                absent = pl.col(self.extras.absent[index])
                member = pl.when(absent).then(pl.lit("")).otherwise(member)
            members.append(member)
        if self.extras.rest is not None:
            rest = pl.col(self.extras.rest)
            members.append(pl.when(rest == "").then(rest).otherwise(_glued([",", rest])))
        body = pl.concat_str(members).str.strip_prefix(",")
        return _glued(["{", body, "}"])

    def _reject_long(self, lines: pl.Series, largest_record: int) -> None:
        if not lines.len() or int(lines.str.len_bytes().max() or 0) <= largest_record:  # type: ignore[arg-type] # a count
            return
        sizes = lines.str.len_bytes()
        for row in (sizes > largest_record).arg_true().to_list():
            trouble = BadValue(
                "record_too_large",
                f"the record takes {sizes[row]} bytes, and a request holds one of {largest_record}",
            )
            self._add_bad(BadCell(row, None, "limit", trouble))

    def _keys(self, rows: pl.Series | None) -> tuple[str, ...] | None:
        if self.plan.key is None:
            return None
        index = next(i for i, f in enumerate(self.plan.fields) if f.name == self.plan.key)
        keys = self.frame.select(_glued(self.pieces[index]).alias("key")).to_series()
        if keys.len() != self.frame.height:  # a constant
            keys = keys.new_from_index(0, self.frame.height)
        return tuple(keys if rows is None else keys.gather(rows))

    def _must_be_there(self, field: FieldPlan) -> bool:
        return field.required or field.name == self.plan.key

    def _all_missing(self, field: FieldPlan) -> None:
        trouble = BadValue("missing_value", f"{field.name} has no value and is required")
        for row in range(self.frame.height):
            self._add_bad(BadCell(row, field, "map", trouble))

    def _reject(self, mask: pl.Series, field: FieldPlan, stage: Stage, trouble: BadValue) -> None:
        for row in mask.arg_true().to_list():
            self._add_bad(BadCell(row, field, stage, trouble))

    def _add_bad(self, cell: BadCell) -> None:
        self.bad.setdefault(cell.row, cell)


@lru_cache(maxsize=1024)
def _is_null(name: str, words: tuple[str, ...]) -> pl.Expr:
    """A Boolean a row: null, or a word for it."""
    column = pl.col(name)
    if not words:
        return column.is_null()
    same = column == words[0] if len(words) == 1 else column.is_in(list(words))
    return column.is_null() | same


@lru_cache(maxsize=1024)
def _null_questions(index: int, name: str, words: tuple[str, ...]) -> tuple[pl.Expr, ...]:
    """Does any value mean null? (Nulls of the column's own are counted without asking.)"""
    if not words:
        return ()
    column = pl.col(name)
    same = column == words[0] if len(words) == 1 else column.is_in(list(words))
    return (same.any().alias(f"null{index}"),)


def _glued(pieces: Sequence[Piece]) -> pl.Expr:
    """One text of all pieces; neighbouring constants become one."""
    merged: list[str | pl.Expr] = []
    for piece in pieces:
        parts = piece.spelling.pieces(pl.col(piece.name)) if isinstance(piece, Spelt) else (piece,)
        for part in parts:
            if isinstance(part, str) and merged and isinstance(merged[-1], str):
                merged[-1] += part
            elif not isinstance(part, str) or part:
                merged.append(part)
    return pl.concat_str([pl.lit(p) if isinstance(p, str) else p for p in merged])


@lru_cache(maxsize=64)
def _spelt_line(pieces: tuple[str | Spelt, ...]) -> pl.Expr:
    """The line of a block in which every column is spelt in one way: the same for all of them, so
    it is put together once and not once a block."""
    return _glued(pieces)


def _unquoted(json: pl.Expr) -> pl.Expr:
    """The texts of JSON strings; other JSON stays as it is spelt."""
    struct = pl.Struct({"v": pl.String})
    wrapped = pl.concat_str(pl.lit('{"v":'), json, pl.lit("}"))
    is_text = json.str.starts_with('"')
    text = pl.when(is_text).then(wrapped).str.json_decode(struct).struct.field("v")
    return pl.when(is_text).then(text).otherwise(json)


def to_buffer(lines: pl.Series, record_end: bytes) -> bytes:
    """The lines as bytes, each with its end."""
    out = io.BytesIO()
    lines.to_frame(LINE).write_csv(
        out,
        include_header=False,
        quote_style="never",
        line_terminator=record_end.decode(),
        batch_size=8192,
    )
    return out.getvalue()
