"""Commands that train: demo and train."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from imlgcn.cli import show
from imlgcn.cli.data import Data, Delimiter, Reader, Variant
from imlgcn.cli.options import Device, terminal
from imlgcn.config import merge_settings, parse_setting

Out = Annotated[Path, typer.Option("--out", "-o", help="Folder to write; empty or new.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    for command in (demo, train):
        app.command()(command)


def demo(
    out: Out = Path("runs/demo"),
    seed: Annotated[int, typer.Option(help="Random seed.")] = 0,
) -> None:
    """Train, evaluate and try a tagger on the embedded clip art; takes a minute or two.

    Example: imlgcn demo
    """
    from imlgcn.pipeline import demo as run

    result = run(out, seed=seed, progress=terminal())
    show.metrics(result.tagger.folder.metrics)
    show.examples(result.examples)
    show.next_steps(out)


def train(
    data: Data,
    out: Out,
    head: Annotated[
        str | None, typer.Option(help="iml_gcn, linear, mlp, csra, ...: the README lists all.")
    ] = None,
    backbone: Annotated[str | None, typer.Option(help="Any timm model.")] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Pretrained weights in a local file.")
    ] = None,
    size: Annotated[int | None, typer.Option(help="Side of the input in pixels.")] = None,
    embedding: Annotated[
        str | None, typer.Option(help="image_pca, image, onehot, random or words.")
    ] = None,
    words: Annotated[
        Path | None, typer.Option(help="Vectors of the label names: GloVe text, or any encoder's.")
    ] = None,
    graph: Annotated[
        str | None,
        typer.Option("--graph", "--adjacency", help="cooccurrence, identity or adaptive."),
    ] = None,
    fine_tune: Annotated[
        bool | None,
        typer.Option(
            "--fine-tune/--freeze", help="Train the backbone too (default: only with a GPU)."
        ),
    ] = None,
    preset: Annotated[
        str | None, typer.Option(help="small or paper; chosen by the amount of data.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Epochs of every training stage.")] = None,
    seed: Annotated[int | None, typer.Option(help="Random seed.")] = None,
    start: Annotated[
        Path | None, typer.Option("--from", help="Go on from this tagger; labels match by name.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Settings in a YAML file.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="One setting, as linear_training.epochs=20.")
    ] = None,
    delimiter: Delimiter = None,
    reader: Reader = None,
    variant: Variant = None,
    strict: Annotated[bool, typer.Option(help="Refuse data with an unreadable image.")] = False,
    device: Device = "auto",
    resume: Annotated[bool, typer.Option(help="Go on with an interrupted run.")] = False,
    overwrite: Annotated[bool, typer.Option(help="Replace an earlier run in --out.")] = False,
) -> None:
    """Train a tagger on tagged images and write it to a folder.

    Example: imlgcn train photos.csv --out runs/photos
    """
    from imlgcn.pipeline import train as run

    arguments = {
        "head": head,
        "backbone": backbone,
        "weights": str(weights) if weights else None,
        "size": size,
        "embedding": embedding,
        "words": str(words) if words else None,
        "graph": graph,
        "fine_tune": fine_tune,
        "preset": preset,
        "epochs": epochs,
        "seed": seed,
        "strict": strict or None,
        "delimiter": delimiter,
        "reader": reader,
        "variant": variant,
        "device": None if device == "auto" else device,  # the settings file may name one
    }
    named = {key: value for key, value in arguments.items() if value is not None}
    tagger = run(
        data,
        out,
        config=config,
        start=start,
        resume=resume,
        replace=overwrite,
        progress=terminal(),
        **merge_settings(named, *(_parse(text) for text in set_ or [])),
    )
    show.metrics(tagger.folder.metrics)
    show.next_steps(tagger.path, own_data=data != "openclipart")


def _parse(text: str) -> dict[str, Any]:
    from imlgcn.training.resolve import spell_out

    setting = parse_setting(text)
    spell_out(setting)  # refuses a name that is no setting, such as one of an argument
    return setting
