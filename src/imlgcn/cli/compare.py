"""The command that compares heads: compare."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from imlgcn.cli import show_systems
from imlgcn.cli.options import Device, terminal
from imlgcn.cli.reading import Data, Reading, reads_data
from imlgcn.data.source import DataSource

METHOD, TRAINING = "Method", "Training"


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(compare)


@reads_data
def compare(
    data: Data,
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="FOLDER", help="Folder to write, or to continue."),
    ],
    heads: Annotated[
        str,
        typer.Option(
            metavar="LIST",
            help="linear,iml_gcn,iml_gcn:graph=identity,...; all = every head.",
            rich_help_panel=METHOD,
        ),
    ] = "all",
    backbone: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Any timm model, several joined by +, or a tagger's folder.",
            rich_help_panel=METHOD,
        ),
    ] = "efficientnet_lite0",
    weights: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Pretrained weights (default: the installed ones, or timm's hub).",
            rich_help_panel=METHOD,
        ),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(
            metavar="PIXELS",
            help="Side of the network input (default: what the weights were trained on).",
            rich_help_panel=METHOD,
        ),
    ] = None,
    preset: Annotated[
        str, typer.Option(metavar="NAME", help="small or paper.", rich_help_panel=TRAINING)
    ] = "small",
    epochs: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Epochs of every training (default: the preset's).",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    seeds: Annotated[
        int,
        typer.Option(metavar="N", help="Trainings of every head.", rich_help_panel=TRAINING),
    ] = 3,
    split: Annotated[str, typer.Option(metavar="NAME", help="To report: test or val.")] = "test",
    words: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Vectors of the label names, GloVe text or any encoder's (default: GloVe 50-d).",
            rich_help_panel=METHOD,
        ),
    ] = None,
    device: Device = "auto",
    *,
    reading: Reading,
) -> None:
    """Train heads on the same features and print their table.

    All have the same images and search. What is in --out already is not trained
    again: an interrupted comparison continues.

    Example: imlgcn compare openclipart --heads linear,mlp,iml_gcn --out runs/compare
    """
    from imlgcn.comparison import compare as run

    found = run(
        DataSource.of(data, **reading),
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
    show_systems.comparison(found.rows, split, seeds, out)
