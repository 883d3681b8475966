"""SQL fields: row-wise expressions over the other fields, and nothing else.

Only `pl.sql_expr` reads the text: it refuses table functions, so no file can be named
(`DataFrame.sql` would read any local file and is never used). What it does accept may still look at
other rows; `sql_tree` reads the expression's tree and refuses that, and for good measure every
expression is tried on a made-up frame, whole, reversed and row by row.

Whole numbers are worked on with 128 bits, because 64 wrap around in silence; a result that does not
fit into 64 is its row's reject, as everything is on which the expression fails.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

import polars as pl

from ingest.errors import SettingsError
from ingest.job import FieldType
from ingest.shape.sql_tree import strangers, widened
from ingest.shape.values import INT64_MAX, INT64_MIN, BadValue, quoted

SAMPLES: Mapping[str, Sequence[object]] = {
    "integer": (3, 1, None, 2, 3),
    "decimal": (2.5, 0.5, 1.5, None, 2.5),
    "boolean": (True, None, False, True, True),
}
TEXTS = ("b", "a", "ab", None, "b")
_FIELD_TYPES: Sequence[tuple[type[pl.DataType], FieldType]] = (
    (pl.Boolean, "boolean"),
    (pl.String, "string"),
    (pl.Null, "string"),
    (pl.Date, "date"),
    (pl.Datetime, "timestamp"),
)
_HINT = "a field's SQL is one expression over the fields of the same record, like upper(symbol)"


def check(name: str, sql: str, types: Mapping[str, str | None]) -> FieldType:
    """The type of what the expression gives. `types` are the fields before it, by name.

    Raises SettingsError for whatever is no row-wise expression over them.
    """
    where = f"fields.{name}.sql"
    try:
        expression = pl.sql_expr(sql)
        unknown = strangers(expression)
        expression = expression if unknown else widened(expression)
    except Exception as exc:  # Polars raises many kinds; each means: not this SQL
        raise SettingsError(f"{where}: {_first_line(exc)}", _HINT) from exc
    if unknown:
        may = f"{where}: the result may depend on other rows ({unknown[0]})"
        raise SettingsError(may, _HINT)
    missing = sorted(set(expression.meta.root_names()) - set(types))
    if missing:
        raise SettingsError(
            f"{where}: {missing[0]!r} is no field that stands before it",
            f"it may use {', '.join(types) or 'none: give it fields first'}",
        )
    sample = _sample(types)
    if not _is_row_wise(expression, sample):
        raise SettingsError(f"{where}: the result depends on other rows", _HINT)
    kind = _result_type(sample, expression, where)
    given = _field_type(kind)
    if given is None:
        raise SettingsError(
            f"{where}: the result is of type {kind}, for which there is no field type",
            "cast it, for example: cast(... as varchar)",
        )
    return given


def _sample(types: Mapping[str, str | None]) -> pl.DataFrame:
    columns: dict[str, pl.Series] = {"": pl.Series([0, 1, 2, 3, 4])}  # rows for a constant
    for name, kind in types.items():
        values = SAMPLES.get(kind or "", TEXTS)
        if kind in ("date", "timestamp"):
            days = pl.Series(["2024-02-29", "2023-01-01", None, "2024-12-31", "2024-02-29"])
            columns[name] = days.str.to_date() if kind == "date" else days.str.to_datetime()
        else:
            whole = pl.Int128 if kind == "integer" else None
            columns[name] = pl.Series(values, dtype=whole)
    return pl.DataFrame(columns)


def _is_row_wise(expression: pl.Expr, sample: pl.DataFrame) -> bool:
    """Whole, row by row, and reversed must agree; true if it fails on made-up values (a cast)."""
    forward = _tried(sample, expression)
    if forward is None:
        return True
    if len(forward) == 1 and not expression.meta.root_names():
        return True  # a constant
    rows = [_tried(sample.slice(i, 1), expression) for i in range(sample.height)]
    backward = _tried(sample.reverse(), expression)
    alone = [r[0] if r is not None and len(r) == 1 else object() for r in rows]
    return forward == alone and backward is not None and backward[::-1] == forward


def _tried(frame: pl.DataFrame, expression: pl.Expr) -> list[object] | None:
    try:
        return frame.select(expression.alias("_x")).to_series().to_list()
    except Exception:  # noqa: BLE001 - whatever Polars says here means: not on these values
        return None


def _result_type(sample: pl.DataFrame, expression: pl.Expr, where: str) -> pl.DataType:
    try:
        return sample.lazy().select(expression.alias("_x")).collect_schema()["_x"]
    except Exception as exc:  # as above: whatever it says means that the types don't go together
        raise SettingsError(f"{where}: {_first_line(exc)}", _HINT) from exc


def _field_type(kind: pl.DataType) -> FieldType | None:
    """Our type for one of Polars', None for those that have no JSON."""
    if kind.is_integer():
        return "integer"
    if kind.is_numeric():
        return "decimal"
    return next((ours for theirs, ours in _FIELD_TYPES if kind == theirs), None)


def _first_line(exc: BaseException) -> str:
    return (str(exc).splitlines() or [type(exc).__name__])[0][:300]


def evaluate(frame: pl.DataFrame, sql: str) -> tuple[pl.Series, dict[int, BadValue]]:
    """The expression over `frame` as JSON texts (null for null), and the rows where it failed."""
    return _evaluate(frame, _read(sql).alias("x"))


@functools.lru_cache(maxsize=256)
def _read(sql: str) -> pl.Expr:
    """The expression, read once a run: words like `now()` mean the same in every block."""
    return widened(pl.sql_expr(sql))


def _evaluate(frame: pl.DataFrame, expression: pl.Expr) -> tuple[pl.Series, dict[int, BadValue]]:
    """One bad row fails a whole frame: halves of it show which."""
    try:
        result = frame.select(expression).to_series()
    except Exception as exc:  # noqa: BLE001 - alone, whatever it is, it is this row's trouble
        if frame.height == 1:
            nothing = pl.Series("x", [None], dtype=pl.String)
            return nothing, {0: BadValue("sql_failed", _first_line(exc))}
        middle = frame.height // 2
        texts, troubles = _evaluate(frame.head(middle), expression)
        more, others = _evaluate(frame.slice(middle), expression)
        return texts.extend(more), troubles | {middle + row: t for row, t in others.items()}
    if len(result) != frame.height:
        result = result.new_from_index(0, frame.height)
    return _as_json(result)


def _as_json(result: pl.Series) -> tuple[pl.Series, dict[int, BadValue]]:
    kind = result.dtype
    troubles: dict[int, BadValue] = {}
    if kind.is_float():
        for row in (~result.is_finite()).fill_null(value=False).arg_true().to_list():
            troubles[row] = BadValue("not_finite", "the expression gives no finite number")
    elif kind.is_integer():
        inside = result.cast(pl.Int128).is_between(INT64_MIN, INT64_MAX)
        for row in (~inside).fill_null(value=False).arg_true().to_list():
            troubles[row] = BadValue("out_of_range", f"{result[row]} does not fit into 64 bits")
    elif kind == pl.Date:
        result = result.dt.to_string('"%Y-%m-%d"')
    elif kind == pl.Datetime:
        result = result.dt.to_string('"%Y-%m-%dT%H:%M:%S%.f"')
    elif not kind.is_decimal() and kind not in (pl.Boolean, pl.Null):
        unique = result.cast(pl.String).unique().drop_nulls()
        spelt = [quoted(value) for value in unique]
        result = result.cast(pl.String).replace_strict(unique, spelt, default=None)
    return result.cast(pl.String).alias("x"), troubles
