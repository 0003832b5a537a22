"""The command train."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from imlgcn.cli import show
from imlgcn.cli.options import (
    Device,
    Force,
    Nodes,
    OutFolder,
    ProcessesPerNode,
    TrainFrom,
    terminal,
)
from imlgcn.cli.reading import Data, Reading, reads_data
from imlgcn.progress import SILENT

METHOD, TRAINING, RUN = "Method", "Training", "This run"


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command()(train)


@reads_data
def train(
    data: Data,
    out: OutFolder,
    head: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="kernel, linear, mlp, iml_gcn, ...; `imlgcn systems` lists all "
            "(default: auto, the best of these four).",
            rich_help_panel=METHOD,
        ),
    ] = None,
    backbone: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Any timm model, several joined by + (default: efficientnet_lite0).",
            rich_help_panel=METHOD,
        ),
    ] = None,
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
    embedding: Annotated[
        str | None,
        typer.Option(
            metavar="KIND",
            help="Nodes of a graph head: image_pca, image, onehot, random or words "
            "(default: the head's).",
            rich_help_panel=METHOD,
        ),
    ] = None,
    words: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Vectors of the label names, GloVe text or any encoder's (default: GloVe 50-d).",
            rich_help_panel=METHOD,
        ),
    ] = None,
    graph: Annotated[
        str | None,
        typer.Option(
            metavar="KIND",
            help="Edges of a graph head: cooccurrence, identity or adaptive "
            "(default: cooccurrence).",
            rich_help_panel=METHOD,
        ),
    ] = None,
    fine_tune: Annotated[
        bool | None,
        typer.Option(
            "--fine-tune/--freeze",
            help="Train the backbone too, or not (default: only with a CUDA GPU).",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    refit: Annotated[
        bool | None,
        typer.Option(
            "--refit/--no-refit",
            help="Let the final head learn the validation images too, or not, as papers do "
            "(default: refit).",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    unknown_as: Annotated[
        str | None,
        typer.Option(
            metavar="WHAT",
            help="How unknown targets are learnt: ignore, or negative, as absent "
            "(default: ignore).",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    threshold: Annotated[
        str | None,
        typer.Option(
            metavar="POINT",
            help="What thresholds are for: f1, f1-macro, f1-micro, precision=0.9, recall=0.9 "
            "or a number (default: f1).",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="small or paper (default: small below 20,000 training images).",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Epochs of every training stage (default: the preset's).",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(metavar="N", help="Random seed (default: 0).", rich_help_panel=TRAINING),
    ] = None,
    label_table: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A CSV of names, parents, thresholds and what to hide, one row per label "
            "(default: that of the run replaced or continued).",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    start: TrainFrom = None,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Settings in YAML, such as a recipe (default: none).",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="One setting, as seed=1; may be repeated (default: none).",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    device: Device = "auto",
    keep_support: Annotated[
        bool | None,
        typer.Option(
            "--keep-support/--no-support",
            help="Keep names and features of the training images, for explain (default: keep).",
            rich_help_panel=RUN,
        ),
    ] = None,
    keep_thumbnails: Annotated[
        bool | None,
        typer.Option(
            "--keep-thumbnails",
            help="Keep small pictures of those that decide most (default: file names only).",
            rich_help_panel=RUN,
        ),
    ] = None,
    no_export: Annotated[
        bool,
        typer.Option(
            "--no-export",
            help="Leave out the model.onnx, which tags faster (written where onnx is installed).",
            rich_help_panel=RUN,
        ),
    ] = False,
    log: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="tensorboard: write losses and metrics as event files, too (default: none).",
            rich_help_panel=RUN,
        ),
    ] = None,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Refuse an unreadable image.", rich_help_panel=RUN),
    ] = False,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Continue an interrupted run.", rich_help_panel=RUN),
    ] = False,
    checkpoint_minutes: Annotated[
        float,
        typer.Option(
            metavar="N",
            help="Minutes between two saves of the state while the backbone is tuned.",
            rich_help_panel=RUN,
        ),
    ] = 5.0,
    keep_checkpoints: Annotated[
        bool,
        typer.Option(
            "--keep-checkpoints",
            help="Keep the saved states of a finished run.",
            rich_help_panel=RUN,
        ),
    ] = False,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace an earlier run in --out.", rich_help_panel=RUN),
    ] = False,
    processes_per_node: ProcessesPerNode = None,
    nodes: Nodes = None,
    force: Force = False,
    *,
    reading: Reading,
) -> None:
    """Train a tagger on tagged images and write it to a folder.

    Example: imlgcn train photos.csv --out runs/photos
    """
    from imlgcn.pipeline import train as run
    from imlgcn.training.layout import Layout

    first = not Layout.of(processes_per_node, nodes).rank
    arguments = {
        "head": head,
        "backbone": backbone,
        "weights": str(weights) if weights else None,
        "size": size,
        "embedding": embedding,
        "words": str(words) if words else None,
        "graph": graph,
        "fine_tune": fine_tune,
        "refit": refit,
        "unknown_as": unknown_as,
        "threshold": threshold,
        "preset": preset,
        "epochs": epochs,
        "seed": seed,
        "keep_support": keep_support,
        "keep_thumbnails": keep_thumbnails,
        "strict": strict or None,
        "device": None if device == "auto" else device,  # the settings file may name one
    }
    named = {key: value for key, value in arguments.items() if value is not None} | reading
    tagger = run(
        data,
        out,
        config=config,
        start=start,
        resume=resume,
        replace=overwrite,
        checkpoint_minutes=checkpoint_minutes,
        keep_checkpoints=keep_checkpoints,
        export=not no_export,
        log=log,
        force=force,
        label_table=label_table,
        processes_per_node=processes_per_node,
        nodes=nodes,
        progress=terminal() if first else SILENT,
        set=set_,
        **named,
    )
    if not first:
        return
    show.metrics(tagger.folder.metrics)
    show.next_steps(tagger.path, own_data=data != "openclipart")
