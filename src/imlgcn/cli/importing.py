"""The command about published checkpoints: import."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from imlgcn.cli import show
from imlgcn.cli.options import terminal

PARTS = "What the file does not say"


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("import")(import_)


def import_(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The checkpoint: .pth, .pth.tar, .safetensors.")
    ],
    source: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="NAME",
            help="asl, ml_decoder, ml_gcn, ssgrl, c_tran, query2label or csra.",
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FOLDER", help="Folder to write; empty or new.")
    ],
    data_names: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="coco, voc, vg500, wider, or a text file with a label name on each line, in the "
            "checkpoint's order (default: the names stored in it).",
            rich_help_panel=PARTS,
        ),
    ] = None,
    backbone: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="timm's name of the backbone (default: recognised by its entries).",
            rich_help_panel=PARTS,
        ),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(
            metavar="PIXELS",
            help="Side of the network input (default: as published).",
            rich_help_panel=PARTS,
        ),
    ] = None,
    words: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Label vectors of ML-GCN and SSGRL, GloVe text or .npy (default: none).",
            rich_help_panel=PARTS,
        ),
    ] = None,
    graph: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="SSGRL's matrix of P(j|i), .npy (default: none).",
            rich_help_panel=PARTS,
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="An option of the head, as lam=0.1 for CSRA; may be repeated (default: none).",
            rich_help_panel=PARTS,
        ),
    ] = None,
    ema: Annotated[
        bool,
        typer.Option(
            "--ema",
            help="Take the averaged weights where the file holds both.",
            rich_help_panel=PARTS,
        ),
    ] = False,
    label_masking: Annotated[
        bool | None,
        typer.Option(
            "--label-masking/--no-label-masking",
            help="Whether C-Tran was trained with label masking, which its entries do not say "
            "(default: it was, or you are asked).",
            rich_help_panel=PARTS,
            show_default=False,
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an earlier run in --out.")
    ] = False,
) -> None:
    """Make a tagger of a published checkpoint.

    Its logits are those of the published code.

    Example: imlgcn import TResNet_L_448_86.6.pth --from asl --data-names coco --out runs/asl
    """
    from imlgcn.config import merge_settings, parse_setting
    from imlgcn.official.checkpoint import import_checkpoint

    tagger = import_checkpoint(
        file,
        source,
        out,
        data_names=data_names,
        backbone=backbone,
        size=size,
        words=words,
        graph=graph,
        options=merge_settings(*(parse_setting(text) for text in set_ or [])),
        ema=ema,
        label_masking=label_masking,
        replace=overwrite,
        progress=terminal(),
    )
    show.imported(tagger)
