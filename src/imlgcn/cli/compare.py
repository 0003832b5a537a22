"""The command that compares heads: compare."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from imlgcn.cli import show
from imlgcn.cli.data import Data, Delimiter, Fields, Images, Reader, Variant, source_of
from imlgcn.cli.options import Device, terminal


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(compare)


def compare(
    data: Data,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write, or to go on with.")],
    heads: Annotated[
        str, typer.Option(help="linear,iml_gcn,iml_gcn:graph=identity,...; all = every head.")
    ] = "all",
    backbone: Annotated[
        str, typer.Option(help="Any timm model, several joined by +, or a tagger's folder.")
    ] = "efficientnet_lite0",
    weights: Annotated[
        Path | None, typer.Option(help="Pretrained weights in a local file.")
    ] = None,
    size: Annotated[int | None, typer.Option(help="Side of the input in pixels.")] = None,
    preset: Annotated[str, typer.Option(help="small or paper.")] = "small",
    epochs: Annotated[
        int | None, typer.Option(help="Epochs of every training (default: the preset's).")
    ] = None,
    seeds: Annotated[int, typer.Option(help="Seeds of every head.")] = 3,
    split: Annotated[str, typer.Option(help="What to report: test or val.")] = "test",
    words: Annotated[
        Path | None, typer.Option(help="Vectors of the label names: GloVe text, or any encoder's.")
    ] = None,
    delimiter: Delimiter = None,
    reader: Reader = None,
    variant: Variant = None,
    images: Images = None,
    fields: Fields = None,
    device: Device = "auto",
) -> None:
    """Train heads on the same frozen features, images and grid, and print their table.

    What is in --out already is not trained again: an interrupted comparison goes on.

    Example: imlgcn compare openclipart --heads linear,mlp,iml_gcn --out runs/compare
    """
    from imlgcn.comparison import compare as run

    found = run(
        source_of(data, reader, variant, delimiter, images, fields),
        heads,
        out,
        backbone=backbone,
        size=size,
        weights=weights,
        preset=preset,
        epochs=epochs,
        seeds=seeds,
        split=split,
        words=words,
        device=device,
        progress=terminal(),
    )
    show.comparison(found.rows, split, seeds, out)
