"""The command audit: which labels of the data are probably wrong or missing."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from imlgcn.cli.options import Device, Json, terminal
from imlgcn.cli.reading import Reading, reads_data
from imlgcn.data.formats import DATA
from imlgcn.data.source import DataSource
from imlgcn.errors import InputError
from imlgcn.numbers import number, percent, plural

if TYPE_CHECKING:
    from rich.table import Table

    from imlgcn.auditing import Audit, Finding

SHOWN = 20  # findings in the terminal
LABELS = 8  # labels with the most errors
KINDS = {"wrong": "has it, wrongly?", "missing": "lacks it?", "conflict": "unlike its duplicate"}
ANSWERS = "Answers"


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command()(audit)


@reads_data
def audit(
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA",
            help=f"A tagger's folder, whose own scores are used; or {DATA}.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="A new .csv: all findings or, with --answers, the corrected data (default: none).",
        ),
    ] = None,
    page: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Also an .html page to answer yes or no with the keyboard (default: none).",
        ),
    ] = None,
    label_studio: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Also a .json of tasks for Label Studio (default: none)."
        ),
    ] = None,
    answers: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A CSV of image, label, answer: write the data with them to --out instead "
            "(default: none).",
            rich_help_panel=ANSWERS,
        ),
    ] = None,
    head: Annotated[
        str | None, typer.Option(metavar="NAME", help="What judges the labels (default: kernel).")
    ] = None,
    backbone: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="For the features (default: efficientnet_lite0)."),
    ] = None,
    device: Device = "auto",
    as_json: Json = False,
    *,
    reading: Reading,
) -> None:
    """Find labels of the data that are likely wrong or missing.

    The data are never changed: --answers writes a new CSV.

    Example: imlgcn audit photos.csv --page audit.html
    """
    from imlgcn.auditing import audit as run
    from imlgcn.auditing import check_new_file, write_findings, write_page, write_tasks
    from imlgcn.tagger.folder import MODEL

    files = {"out": (out, ".csv"), "page": (page, ".html"), "label_studio": (label_studio, ".json")}
    given = {name: (path, suffix) for name, (path, suffix) in files.items() if path is not None}
    for name, (path, suffix) in given.items():
        check_new_file(path, suffix, name)
    source: Any = DataSource.of(data, **reading)
    if answers is not None:
        return _correct(source, answers, out, given)
    progress = terminal()
    source = Path(data) if (Path(data) / MODEL).is_file() else source
    found = run(source, head=head, backbone=backbone, device=device, progress=progress)
    writers: dict[str, Callable[[Audit, Path], None]] = {
        "out": write_findings,
        "page": partial(write_page, name=Path(data).name, progress=progress),
        "label_studio": write_tasks,
    }
    for name, (path, _) in given.items():
        writers[name](found, path)
    if as_json:
        return typer.echo(json.dumps(_as_json(found), indent=1))
    _show(found, written=bool(given))
    for path, _ in given.values():
        typer.echo(f"Written to {path}")


def _correct(source: Any, answers: Path, out: Path | None, given: Collection[str]) -> None:
    from imlgcn.auditing import correct

    if out is None or len(given) > 1:
        raise InputError("answers= writes the corrected data to out=, and nothing else: give out=")
    changed = correct(source, answers, out, progress=terminal())
    typer.echo(f"{plural(changed, 'label')} changed; written to {out}")


def _as_json(found: Audit) -> dict[str, Any]:
    return {
        "num_images": len(found.dataset),
        "duplicates": found.duplicates,
        "failed_images": dict(found.failed),
        "findings": [asdict(each) for each in found.findings],
        "labels": [asdict(each) for each in found.labels],
    }


def _show(found: Audit, *, written: bool) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    kinds = [each.kind for each in found.findings]
    console.print(
        f"{plural(len(found.dataset), 'image')}: {plural(len(kinds), 'doubtful label')}, "
        f"{number(kinds.count('missing'), 0)} probably missing, {number(kinds.count('wrong'), 0)} "
        f"wrong, {number(kinds.count('conflict'), 0)} in conflict among "
        f"{plural(found.duplicates, 'pair')} of near duplicates",
        style="bold",
    )
    if found.failed:
        console.print(f"Left out, cannot be read: {plural(len(found.failed), 'image')}.")
    if kinds:
        console.print(_findings(found.findings[:SHOWN]))
        console.print(_labels(found))
    if len(kinds) > SHOWN:
        where = "below" if written else "--out FILE.csv, --page FILE.html"
        console.print(f"{number(len(kinds) - SHOWN, 0)} more: {where}.")


def _findings(shown: tuple[Finding, ...]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table("image", "label", "", "error", title="Doubtful labels")
    table.columns[0].overflow = "fold"
    for each in shown:
        words = [Text(text) for text in (each.image, each.label, KINDS[each.kind])]
        table.add_row(*words, percent(each.sure))
    return table


def _labels(found: Audit) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table("label", title="Labels with most errors, estimated")
    for name in ("images", "wrong", "missing"):
        table.add_column(name, justify="right")
    for each in found.labels[:LABELS]:
        numbers = (number(each.images, 0), f"{each.wrong:.1f}", f"{each.missing:.1f}")
        table.add_row(Text(each.label), *numbers)
    return table
