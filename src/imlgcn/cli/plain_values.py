"""Values of options without pydantic, which takes longer to be loaded than tagging an image.

Typer 0.29 has pydantic convert the value of every option of a command, given or not. Text and
paths, and options that are not given, need no conversion; all others are still Typer's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from typer.core import TyperCommand, TyperGroup

TEXTS = {str: str, Path: Path, list[str]: list}  # what a command asks for -> how text becomes it
# what it may ask for besides
CHECKS = ("exists", "writable", "resolve_path", "allow_dash", "path_type", "parser", "click_type")


class PlainValue:
    """Converts the value of one option; stands where Typer keeps the converter it has made."""

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return the value as the command asks for it."""
        if value is None:
            return () if param.multiple or param.nargs == -1 else None
        wanted = param.type_descriptor
        make = TEXTS.get(wanted.annotation)
        if make and not any(getattr(wanted.parameter_info, check, None) for check in CHECKS):
            return make(value)
        param._runtime_param = None  # Typer makes its own
        return param.get_runtime_param().coerce(value, param=param, ctx=ctx)


class QuickCommand(TyperCommand):
    """A command of which pydantic converts only the options that need it."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters, that of ``--help`` included."""
        return _with_plain_values(super().get_params(ctx))


class QuickGroup(TyperGroup):
    """The same for the program itself."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters, that of ``--help`` included."""
        return _with_plain_values(super().get_params(ctx))


def _with_plain_values(params: list[Any]) -> list[Any]:
    for param in params:
        if getattr(param, "_runtime_param", ...) is None:  # versions of Typer without it need none
            param._runtime_param = PlainValue()
    return params
