"""The commands suggest and similar: which images to label next, and which are like one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from imlgcn.cli.options import Device, Json, TaggerFolder, terminal
from imlgcn.errors import InputError
from imlgcn.numbers import number, plural
from imlgcn.spreadsheets import inert_rows

if TYPE_CHECKING:
    from imlgcn.progress import TerminalProgress

SHOWN_ERRORS = 5
COLUMNS = {  # of --out *.csv, as they are printed
    "suggest": ("image", "why", "nearest", "similarity"),
    "similar": ("image", "similarity", "words"),
}
Paths = Annotated[
    list[str], typer.Argument(metavar="FOLDER", help="Folders, files, globs; - reads a list.")
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        metavar="FILE",
        help="Also write a table, .csv, or everything, .json (default: no file).",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(suggest)
    app.command()(similar)


def suggest(
    tagger: TaggerFolder,
    folder: Paths,
    budget: Annotated[int, typer.Option(metavar="N", help="How many images.")] = 50,
    rare: Annotated[
        bool, typer.Option("--rare", help="Count images with unsure rare labels more.")
    ] = False,
    out: Out = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Say which images to label next, the most useful first.

    Exit code 3 when a file could not be read.

    Example: imlgcn suggest runs/demo unsorted/ --budget 20 --out next.csv
    """
    from imlgcn.suggestion import suggest as run

    _check(out)
    progress = terminal()
    found = run(tagger, folder, budget=budget, rare=rare, device=device, progress=progress)
    _give("suggest", found.to_dict(), out, as_json)
    progress.say(
        f"{plural(len(found.images), 'image')} of {number(found.considered, 0)} to label"
        f"{_of('nearly the same as a training image', found.known)}"
        f"{_of('not looked at', found.left_out)}"
    )
    _say_failed(found.failed, found.considered, progress)


def similar(
    tagger: TaggerFolder,
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="The image file.")],
    folder: Paths,
    top: Annotated[int, typer.Option(metavar="N", help="How many images.")] = 20,
    out: Out = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Find the images most like one, as the tagger sees images.

    Exit code 3 when a file could not be read.

    Example: imlgcn similar runs/demo photo.jpg photos/ --top 10
    """
    from imlgcn.suggestion import similar as run

    _check(out)
    progress = terminal()
    found = run(tagger, image, folder, top=top, device=device, progress=progress)
    _give("similar", found.to_dict(), out, as_json)
    _say_failed(found.failed, found.considered, progress)


def _check(out: Path | None) -> None:
    if out is not None and out.suffix.lower() not in (".csv", ".json"):
        raise InputError(f"--out takes a file that ends in .csv or .json; got {out.name}")


def _of(what: str, count: int) -> str:
    return f"; {number(count, 0)} {what}" if count else ""


def _give(command: str, content: Mapping[str, Any], out: Path | None, as_json: bool) -> None:
    """Print what was found, and write it to ``out``."""
    columns, rows = COLUMNS[command], content["images"]
    text = json.dumps(content, indent=1, ensure_ascii=False)
    if as_json:
        typer.echo(text)
    else:
        _show(columns, rows)
    if out is not None:
        from imlgcn.files import write_atomic

        table = out.suffix.lower() == ".csv"
        write_atomic(out, _csv(columns, rows) if table else f"{text}\n")


def _show(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        right = column == "similarity"
        table.add_column(column, justify="right" if right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(_cell(row[column])) for column in columns))
    Console(highlight=False).print(table)


def _csv(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    import csv
    import io

    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(inert_rows([_cell(row[c]) for c in columns] for row in rows))
    return file.getvalue()


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def _say_failed(failed: Mapping[str, str], considered: int, progress: TerminalProgress) -> None:
    for error in list(failed.values())[:SHOWN_ERRORS]:
        progress.say(f"not done: {error}")
    if failed:
        total = plural(considered + len(failed), "file")
        progress.say(f"{number(len(failed), 0)} of {total} could not be read")
        raise typer.Exit(3)
