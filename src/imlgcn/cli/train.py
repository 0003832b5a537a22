"""Commands that train: demo and train."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from imlgcn.cli import show
from imlgcn.cli.data import Data, Delimiter, Reader, Variant
from imlgcn.config import TrainSettings, merge_settings, parse_setting, unknown_name
from imlgcn.progress import TerminalProgress

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

    result = run(out, seed=seed, progress=TerminalProgress())
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
        list[str] | None, typer.Option("--set", help="One setting, as linear.epochs=20.")
    ] = None,
    delimiter: Delimiter = None,
    reader: Reader = None,
    variant: Variant = None,
    strict: Annotated[bool, typer.Option(help="Refuse data with an unreadable image.")] = False,
    resume: Annotated[bool, typer.Option(help="Go on with an interrupted run.")] = False,
    overwrite: Annotated[bool, typer.Option(help="Replace an earlier run in --out.")] = False,
) -> None:
    """Train a tagger on tagged images and write it to a folder.

    Example: imlgcn train photos.csv --out runs/photos
    """
    from imlgcn.pipeline import train as run

    origin, layers = _read_config(config)
    options = {"embedding": embedding, "graph": graph}
    flags = {
        "head": head,
        "backbone": backbone,
        "weights": str(weights) if weights else None,
        "size": size,
        "fine_tune": fine_tune,
        "seed": seed,
        "strict": strict or None,
        "head_options": {k: v for k, v in options.items() if v is not None} or None,
        "embedding": {"words": str(words)} if words else None,
    }
    if head is not None and layers[0].get("head", head) != head:
        for key in ("head_options", "graph"):  # what another head was given is not for this one
            layers[0].pop(key, None)
    layers.append({key: value for key, value in flags.items() if value is not None})
    if epochs is not None:
        stages = ("linear", "graph", "tuning")
        layers.append({stage: {"epochs": epochs} for stage in stages})
    layers += [parse_setting(text) for text in set_ or []]
    settings = merge_settings(_device_defaults(), *layers)
    preset = preset or settings.pop("preset", None)
    for key in settings:
        if key not in TrainSettings.model_fields:
            raise unknown_name("setting", key, TrainSettings.model_fields)
    tagger = run(
        data,
        out,
        preset=preset,
        start=start or origin.get("from"),
        resume=resume,
        replace=overwrite,
        reader=reader or origin.get("reader"),
        variant=variant or origin.get("variant"),
        delimiter=delimiter or origin.get("delimiter"),
        progress=TerminalProgress(),
        **settings,
    )
    show.metrics(tagger.folder.metrics)
    show.next_steps(tagger.path, own_data=data != "openclipart")


def _read_config(path: Path | None) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return what a run's ``config.yaml`` says about its data, and its settings as a layer."""
    from imlgcn.tagger.folder import ORIGIN, read_config

    content = {} if path is None else read_config(path)
    origin = {key: content.pop(key) for key in ORIGIN if key in content}
    return origin, [content]


def _device_defaults() -> dict[str, Any]:
    import torch

    return {"fine_tune": True} if torch.cuda.is_available() else {}
