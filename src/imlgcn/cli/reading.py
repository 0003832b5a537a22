"""The options that say how data is read, the same for every command that reads some."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any

import typer

from imlgcn.data.formats import DATA, FORMATS

HOW = "How the data is read"
Reading = dict[str, Any]  # what `reads_data` gives to a command: arguments of DataSource
Data = Annotated[str, typer.Argument(metavar="DATA", help=f"{DATA[0].upper()}{DATA[1:]}.")]


def _one(metavar: str, text: str, *flags: str) -> Any:
    option = typer.Option(*flags, metavar=metavar, help=text, rich_help_panel=HOW)
    return Annotated[str | None, option]


def _many(metavar: str, text: str, *flags: str) -> Any:
    option = typer.Option(*flags, metavar=metavar, help=text, rich_help_panel=HOW)
    return Annotated[list[str] | None, option]


# argument of DataSource -> its option
OPTIONS: dict[str, Any] = {
    "delimiter": _one(
        "SIGN", "Between labels: a sign, a sequence or a word such as space (default: found)."
    ),
    "reader": _one("FORMAT", f"{', '.join(FORMATS)} (default: recognised)."),
    "variant": _one(
        "WORDS",
        "Treatment of a published data set, such as `labelled` (default: its reader's first; "
        "see docs/data-sets.md).",
    ),
    "images": _many(
        "FOLDER", "Folder of the images, searched below as well; may be repeated (default: found)."
    ),
    "image_column": _one("COLUMN", "Column of a table that names the images (default: found)."),
    "label_columns": _many(
        "COLUMN",
        "Column of labels, or of 1 and 0 for one label; may be repeated (default: found).",
        "--label-column",
    ),
    "split_column": _one("COLUMN", "Column of train, val and test (default: found)."),
    "group_column": _one(
        "COLUMN",
        "Images with the same value stay in one split, as near duplicates do "
        "(default: the column group).",
    ),
    "fields": _many("COLUMN", "A column that is not a label; may be repeated (default: found)."),
    "sheet": _one("NAME", "Sheet of an Excel file (default: the only one with images)."),
    "label_names": _one(
        "FILE", "Names of labels that the data only number, one a line (default: looked for)."
    ),
    "minus_one": _one("MEANING", "What -1 means: absent or unknown (default: unknown beside 0)."),
    "present_above": Annotated[
        float | None,
        typer.Option(
            metavar="NUMBER",
            help="A count, share or score above this is a label, such as 0.5 (default: only 1).",
            rich_help_panel=HOW,
        ),
    ],
    "no_label": _many(
        "NAME",
        "A name which says that an image has no label; may be repeated (default: asked for).",
    ),
}


def reads_data(command: Callable[..., None] | None = None, **replaced: Any) -> Callable[..., Any]:
    """Give a command the options of :data:`OPTIONS`; it receives those typed as ``reading``.

    ``replaced`` are options of its own for arguments of the same names.
    """
    if command is None:
        return lambda other: reads_data(other, **replaced)
    options = OPTIONS | replaced

    @wraps(command)
    def run(**given: Any) -> None:
        reading = {key: value for key in options if (value := given.pop(key)) not in (None, [])}
        command(**given, reading=reading)

    own = inspect.signature(command, eval_str=True)
    kinds = {
        name: inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)
        for name, kind in options.items()
    }
    kept = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for name, parameter in own.parameters.items()
        if name != "reading"
    ]
    signature = own.replace(parameters=[*kept, *kinds.values()])
    run.__signature__ = signature  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in signature.parameters.values()}
    return run
