"""What a SQL expression is made of: does it look at one row only, are its integers wide? Pure.

A result that depends on other rows would depend on where a block happens to end. Polars' own
`meta.is_row_separable` says yes to `count(*)`, `sum(n)` and `row_number() over ()`, and trying an
expression on a few rows proves nothing of a branch that these rows don't take. So the expression's
tree is read, and every node must be known: a column, a literal, an operator, a cast, a case, or a
function of this list. What is not known is refused, which costs a user a rewritten field; to allow
too much would cost wrong data.

Polars computes in the type of the operands and wraps around in silence: a month is a number of
8 bits, and `extract(month from day) * 100` is -80 in December. So every whole number in the tree is
made one of 128 bits before anything is done with it.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import orjson
import polars as pl

Node = Any  # a JSON value: {"kind": inner}

FUNCTIONS = frozenset(
    {
        "Abs", "Atan2", "Ceil", "Clip", "Coalesce", "Exp", "FillNull", "Floor", "Log", "Log1p",
        "MaxHorizontal", "MinHorizontal", "Negate", "Round", "RoundSF", "Sign", "Truncate",
    }
)  # fmt: skip
WHOLE_FAMILIES = frozenset({"Pow", "TemporalExpr", "Trigonometry"})
FAMILIES = {
    "Sql": frozenset({"Binary", "IsIn", "Round", "ToFloat"}),
    "Boolean": frozenset(
        {
            "AllHorizontal", "AnyHorizontal", "IsBetween", "IsFinite", "IsIn", "IsInfinite",
            "IsNan", "IsNotNan", "IsNotNull", "IsNull", "Not",
        }
    ),
    "Bitwise": frozenset({"CountOnes", "CountZeros", "LeadingZeros", "TrailingZeros"}),
    "ListExpr": frozenset({"Contains", "Get", "Length"}),
    "StringExpr": frozenset(
        {
            "ConcatHorizontal", "Contains", "EndsWith", "Find", "LenBytes", "LenChars", "Lowercase",
            "Normalize", "PadEnd", "PadStart", "Replace", "Reverse", "Slice", "Split", "StartsWith",
            "StripChars", "StripCharsEnd", "StripCharsStart", "Strptime", "Titlecase", "Uppercase",
            "ZFill",
        }
    ),
}  # fmt: skip
COUNTS = frozenset(
    {
        "CountOnes", "CountZeros", "LeadingZeros", "TrailingZeros", "Length", "Find", "LenBytes",
        "LenChars", "Millennium", "Century", "Year", "IsoYear", "Quarter", "Month", "DaysInMonth",
        "Week", "WeekDay", "Day", "OrdinalDay", "Hour", "Minute", "Second", "Millisecond",
        "Microsecond", "Nanosecond",
    }
)  # fmt: skip
INTEGERS = [{"Literal": f"{sign}Int{bits}"} for sign in ("", "U") for bits in (8, 16, 32, 64)]
COMBINING = frozenset({"Binary", "Coalesce", "MaxHorizontal", "MinHorizontal", "FillNull"})
WIDE = {"Literal": "Int128"}
PLACES: dict[str, tuple[Any, ...]] = {  # where a node has the nodes below it
    "Column": (),
    "Literal": (),
    "Alias": (0,),
    "Cast": ("expr",),
    "BinaryExpr": ("left", "right"),
    "Ternary": ("predicate", "truthy", "falsy"),
}


def strangers(expression: pl.Expr) -> list[str]:
    """The nodes of the expression that are not known to look at one row only; empty: it does."""
    return list(_strangers(_tree(expression)))


def widened(expression: pl.Expr) -> pl.Expr:
    """The same expression, its whole numbers of 128 bits."""
    return pl.Expr.deserialize(io.BytesIO(orjson.dumps(_widened(_tree(expression)))), format="json")


def _tree(expression: pl.Expr) -> Node:
    return orjson.loads(expression.meta.serialize(format="json"))


def _strangers(node: Node) -> Iterator[str]:
    kind, inner = _kind(node)
    children = _children(kind, inner)
    if children is None or (kind == "Function" and not _is_known(inner["function"])):
        yield _name(inner["function"]) if kind == "Function" else kind
    for child in children or ():
        yield from _strangers(child)


def _kind(node: Node) -> tuple[str, Node]:
    if isinstance(node, dict) and len(node) == 1:
        return next(iter(node.items()))
    return str(node), None


def _children(kind: str, inner: Node) -> list[Node] | None:
    """The nodes below this one; None for a kind that is not known."""
    if kind in PLACES:
        return [inner[place] for place in PLACES[kind]]
    return list(inner["input"]) if kind == "Function" else None


def _is_known(function: Node) -> bool:
    family, member, options = _parts(function)
    if member == "Strptime":  # without a format it takes the one that the first row shows
        return all(o.get("format") for o in options if "format" in o)
    if not member or family in FUNCTIONS:
        return family in FUNCTIONS
    return family in WHOLE_FAMILIES or member in FAMILIES.get(family, ())


def _name(function: Node) -> str:
    family, member, _ = _parts(function)
    return member or family


def _parts(function: Node) -> tuple[str, str, Node]:
    """Family, member and options: of `{"StringExpr": {"Slice": x}}`, say, or of `"Abs"` alone."""
    if isinstance(function, str):
        return function, "", None
    family, inner = _kind(function)
    if isinstance(inner, dict) and len(inner) == 1:
        member, options = _kind(inner)
        return family, member, options
    return family, inner if isinstance(inner, str) else "", None


def _widened(node: Node) -> Node:
    kind, inner = _kind(node)
    match kind:
        case "Alias":
            return {kind: [_widened(inner[0]), *inner[1:]]}
        case "Cast":
            whole = inner["dtype"] in INTEGERS
            dtype = WIDE if whole else inner["dtype"]
            return {kind: {**inner, "expr": _widened(inner["expr"]), "dtype": dtype}}
        case "BinaryExpr":
            return {kind: {**inner, **{side: _operand(inner[side]) for side in ("left", "right")}}}
        case "Ternary":
            ways = {side: _operand(inner[side]) for side in ("truthy", "falsy")}
            return {kind: {"predicate": _widened(inner["predicate"]), **ways}}
        case "Function":
            name = _name(inner["function"])
            change = _operand if name in COMBINING else _widened
            made = {kind: {**inner, "input": [change(child) for child in inner["input"]]}}
            return _cast(made) if name in COUNTS else made
    return node


def _operand(node: Node) -> Node:
    """As `_widened`, whole numbers written in the expression among it."""
    kind, inner = _kind(node)
    whole = kind == "Literal" and "Int" in inner.get("Dyn", {})
    return _cast(node) if whole else _widened(node)


def _cast(node: Node) -> Node:
    return {"Cast": {"expr": node, "dtype": WIDE, "options": "Strict"}}
