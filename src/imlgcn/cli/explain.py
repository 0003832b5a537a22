"""The command explain: why an image has its tags."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from imlgcn.cli.flags import in_flags
from imlgcn.cli.options import Device, Json, on_this_machine
from imlgcn.errors import InputError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from imlgcn.explanation import Explanation, LabelExplanation

SUFFIXES = (".png", ".svg", ".pdf")
SHADES = " ░▒▓█"
COLUMNS, ROWS = 18, 8  # of letters for a map, at most; a letter is twice as high as wide


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command()(explain)


def explain(
    tagger: Annotated[
        Path,
        typer.Argument(
            metavar="TAGGER",
            help="Folder that `imlgcn train` wrote, a file with maps, or hf-hub:user/name.",
            callback=on_this_machine,
        ),
    ],
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="The image file.")],
    label: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A label to explain, tag or not; may be repeated (default: up to 4 tags).",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="Also draw it, as .png, .svg or .pdf (default: no file).",
        ),
    ] = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Say why an image has its tags.

    Where each score comes from, and which labels or training images shaped it.

    Example: imlgcn explain runs/demo photo.jpg --label dog --out why.png
    """
    from imlgcn.explanation import explain as run
    from imlgcn.tagger import Tagger

    if out is not None and out.suffix.lower() not in SUFFIXES:
        raise InputError(f"--out takes a file that ends in {', '.join(SUFFIXES)}; got {out.name}")
    found = run(Tagger.load(tagger, device=device), image, label)
    if as_json:
        typer.echo(json.dumps(found.to_dict(), indent=1))
    else:
        _show(found)
    if out is not None:
        _draw(found, image, out)
        if not as_json:
            typer.echo(f"Drawn: {out}")


def _draw(explanation: Explanation, image: Path, out: Path) -> None:
    from imlgcn.data.images import open_image
    from imlgcn.explanation.figure import explanation_figure, save_figure

    save_figure(explanation_figure(explanation, open_image(image)), explanation, out)


def _show(explanation: Explanation) -> None:
    """Print each label's activation map in letters beside its explanation."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from imlgcn.activation_maps import MEANING

    console = Console(highlight=False)
    console.print(Text(f"{explanation.image}, {explanation.head}", style="bold"))
    for label in explanation.labels:
        table = Table.grid(padding=(0, 2))
        table.add_row(_letters(explanation, label), _lines(explanation, label))
        console.print()
        console.print(table)
    console.print()
    console.print(Text(f"The maps show {MEANING[explanation.kind]}.", style="dim"))
    if explanation.note:
        console.print(Text(f"Note: {in_flags(explanation.note)}.", style="dim"))


def _letters(explanation: Explanation, label: LabelExplanation) -> RenderableType:
    from rich.text import Text

    from imlgcn.explanation import heat

    left, top, right, bottom = explanation.region
    tall = (bottom - top) / (right - left) / 2  # rows for a column
    rows = max(2, min(ROWS, round(COLUMNS * tall)))
    columns = max(3, min(COLUMNS, round(rows / tall)))
    strengths = heat(label.map, (columns, rows), explanation.region, explanation.kind)
    steps = (strengths * (len(SHADES) - 1)).round().astype(int)
    lines = ("".join(SHADES[step] for step in row) for row in steps)
    return Text("\n".join(lines), style="on grey15", no_wrap=True)


def _lines(explanation: Explanation, label: LabelExplanation) -> RenderableType:
    from rich.text import Text

    from imlgcn.explanation import words
    from imlgcn.numbers import percent

    verdict = "a tag" if label.is_tag else "not a tag"
    text = Text(label.label, style="bold")
    threshold = percent(label.threshold)
    lines = (
        f"{percent(label.probability)}, threshold {threshold}: {verdict}",
        f"strongest: {words.where(explanation, label)}",
        words.sum_of_score(label),
        words.margin_in_words(label),
        *words.graph_in_words(label).split("; "),
        *(line for side, votes in words.support_in_words(label) for line in (f"{side}:", *votes)),
    )
    for line in filter(None, lines):
        text.append(f"\n{line}", style="not bold")
    return text
