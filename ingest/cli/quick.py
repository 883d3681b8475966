"""A command group that answers `--help` without loading the settings library.

Typer turns every value, even the None of a flag that was not given, through pydantic, which takes
as long to import as everything else `--help` needs (75 ms of 280, measured with Typer 0.29). The
group's own options are plain flags: a None among them needs no turning. Commands are untouched.

And Typer's help imports Rich's Markdown, with a parser of its own, for texts that are marked up so;
ours are not (`rich_markup_mode`). That was another quarter.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from typer.core import TyperGroup

_MARKDOWN = "rich.markdown"


class QuickGroup(TyperGroup):
    """Typer's group; flags that were not given stay None without further ado."""

    def get_params(self, ctx: Any) -> list[Any]:
        """The group's parameters, `--help` included."""
        params = super().get_params(ctx)
        for param in params:
            if "process_value" not in vars(param):
                vars(param)["process_value"] = _unless_none(param.process_value)
        return params

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The group's help."""
        with without_markdown():
            import typer.rich_utils  # noqa: F401, PLC0415 - Typer's own import of it comes too late
        super().format_help(ctx, formatter)


@contextmanager
def without_markdown() -> Iterator[None]:
    """Whoever imports Rich's Markdown here gets a class that nobody can make anything of; behind it
    the true one is there again for all who want it."""
    if _MARKDOWN in sys.modules:
        yield
        return
    stand_in = ModuleType(_MARKDOWN)
    vars(stand_in)["Markdown"] = type("Markdown", (), {"__init__": None})
    sys.modules[_MARKDOWN] = stand_in
    try:
        yield
    finally:
        del sys.modules[_MARKDOWN]


def _unless_none(process: Any) -> Any:
    def process_value(ctx: Any, value: Any) -> Any:
        return None if value is None else process(ctx, value)

    return process_value
