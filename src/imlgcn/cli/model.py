"""Commands about taggers: demo, train, evaluate, predict, params."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from imlgcn.cli import show
from imlgcn.cli.data import Data, Delimiter, Reader, Variant
from imlgcn.config import (
    InputError,
    TrainSettings,
    merge_settings,
    parse_setting,
    unknown_name,
)
from imlgcn.files import write_atomic
from imlgcn.progress import TerminalProgress
from imlgcn.systems import COCO_LABELS, SYSTEMS

Out = Annotated[Path, typer.Option("--out", "-o", help="Folder to write; empty or new.")]
TaggerFolder = Annotated[Path, typer.Argument(help="Folder that `imlgcn train` wrote.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    for command in (demo, train, evaluate, predict, params, systems):
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
    show.metrics(_read_metrics(out))
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
    graph: Annotated[str | None, typer.Option(help="cooccurrence, identity or adaptive.")] = None,
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
    show.metrics(_read_metrics(tagger.path))
    show.next_steps(tagger.path, own_data=data != "openclipart")


def evaluate(
    tagger: TaggerFolder,
    data: Data,
    split: Annotated[str, typer.Option(help="train, val, test, or all.")] = "test",
    protocol: Annotated[
        str, typer.Option(help="How mAP is computed: default, rank, voc07, voc12 or sklearn.")
    ] = "default",
    json_file: Annotated[Path | None, typer.Option("--json", help="Write all metrics.")] = None,
    delimiter: Delimiter = None,
    reader: Reader = None,
    variant: Variant = None,
) -> None:
    """Score a split with a tagger and print its metrics.

    Example: imlgcn evaluate runs/demo openclipart --split test --json metrics.json
    """
    from imlgcn.data.dataset import load_dataset
    from imlgcn.evaluate import evaluate as run
    from imlgcn.tagger import Tagger

    progress = TerminalProgress()
    opened = Tagger.load(tagger)  # before the data: a wrong path is the likelier mistake
    dataset = load_dataset(
        data, reader=reader, variant=variant, delimiter=delimiter, progress=progress
    )
    chosen = None if split == "all" else split
    metrics = run(opened, dataset, split=chosen, protocol=protocol, progress=progress)
    if json_file is not None:
        write_atomic(json_file, json.dumps(metrics, indent=1) + "\n")
    show.metrics(metrics)


def predict(
    tagger: TaggerFolder,
    paths: Annotated[list[str], typer.Argument(help="Files, folders, globs; - reads a list.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="A .jsonl, .csv or .parquet file.")
    ] = None,
    threshold: Annotated[
        str | None, typer.Option(help="f1, 0.5, precision=0.9 or recall=0.9.")
    ] = None,
    known: Annotated[str | None, typer.Option(help="Labels already known: dog=1,cat=0.")] = None,
    all_labels: Annotated[bool, typer.Option("--all", help="Every label, not only tags.")] = False,
) -> None:
    """Tag images; one row per image and label. Exit code 3 when a file could not be read.

    Example: imlgcn predict runs/demo photos/ --out tags.csv
    """
    from imlgcn.predict import expand_paths
    from imlgcn.predict import predict as run
    from imlgcn.tagger import Tagger

    _refuse_to_overwrite(out)
    progress = TerminalProgress()
    summary = run(
        Tagger.load(tagger),
        expand_paths(paths),
        out=out or sys.stdout,
        threshold=threshold,
        known=_parse_known(known),
        all_labels=all_labels,
        progress=progress,
    )
    read = summary.images - summary.failed
    progress.say(
        f"{read} images read, {summary.tags} tags"
        f"{f'; {summary.untagged} without any' if summary.untagged else ''}"
    )
    for error in summary.errors:
        progress.say(f"not read: {error}")
    if summary.failed:
        progress.say(f"{summary.failed} of {summary.images} files could not be read")
        raise typer.Exit(3)


def params(
    head: Annotated[
        str, typer.Option(help="iml_gcn, linear, mlp, csra, ...: the README lists all.")
    ] = "iml_gcn",
    backbone: Annotated[str, typer.Option(help="Any timm model.")] = "tresnet_m",
    labels: Annotated[int, typer.Option(help="Number of labels.")] = 80,
    embedding: Annotated[
        str | None, typer.Option(help="image_pca, image, onehot, random or words.")
    ] = None,
    preset: Annotated[str, typer.Option(help="paper or small.")] = "paper",
    folded: Annotated[bool, typer.Option("--folded", help="As deployed, head folded.")] = False,
) -> None:
    """Print how many parameters a system has.

    Example: imlgcn params --head iml_gcn --backbone tresnet_m --labels 80
    """
    from imlgcn.models.counting import count_system

    counts = count_system(head, backbone, labels, embedding=embedding, preset=preset, folded=folded)
    show.parameters(head, backbone, labels, counts)


def systems(
    labels: Annotated[int, typer.Option(help="Number of labels; COCO has 80.")] = COCO_LABELS,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Print every system of the comparison: our parameter count beside the published numbers.

    Example: imlgcn systems
    """
    from imlgcn.models.counting import count_system

    rows = []
    for system in SYSTEMS:
        counts = count_system(system.head, system.backbone, labels, options=system.options)
        rows.append((system, counts["total"]))
    if as_json:
        content = [{**asdict(system), "our_params": total} for system, total in rows]
        typer.echo(json.dumps(content, indent=1))
    else:
        show.systems(rows, labels)


def _refuse_to_overwrite(out: Path | None) -> None:
    """Earlier predictions may be replaced; a table of somebody's labels may not."""
    if out is None or out.suffix.lower() != ".csv" or not out.is_file():
        return
    with out.open(encoding="utf-8", errors="replace") as file:
        if file.readline().strip() not in ("", "image,label,probability,threshold,error"):
            raise InputError(f"{out} exists and holds no predictions; give another --out")


def _read_metrics(folder: Path) -> dict[str, Any]:
    metrics: dict[str, Any] = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    return metrics


def _read_config(path: Path | None) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return what a run's ``config.yaml`` says about its data, and its settings as a layer."""
    from imlgcn.training.run_folder import ORIGIN, read_config

    content = {} if path is None else read_config(path)
    origin = {key: content.pop(key) for key in ORIGIN if key in content}
    return origin, [content]


def _device_defaults() -> dict[str, Any]:
    import torch

    return {"fine_tune": True} if torch.cuda.is_available() else {}


def _parse_known(text: str | None) -> dict[str, int] | None:
    if text is None:
        return None
    pairs = [pair.rpartition("=") for pair in text.split(",")]
    if any(not name or value not in ("0", "1") for name, _, value in pairs):
        raise InputError(f"--known takes name=1 or name=0, separated by commas; got {text!r}")
    return {name.strip(): int(value) for name, _, value in pairs}
