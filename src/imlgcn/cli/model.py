"""Commands about taggers: evaluate, predict, params, systems."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from imlgcn.cli import show
from imlgcn.cli.data import Data, Delimiter, Reader, Variant
from imlgcn.config import InputError
from imlgcn.files import write_atomic
from imlgcn.progress import TerminalProgress
from imlgcn.systems import COCO_LABELS, SYSTEMS

TaggerFolder = Annotated[Path, typer.Argument(help="Folder that `imlgcn train` wrote.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    for command in (evaluate, predict, params, systems):
        app.command()(command)


def evaluate(
    tagger: TaggerFolder,
    data: Data,
    split: Annotated[str, typer.Option(help="train, val, test, or all.")] = "test",
    protocol: Annotated[
        str,
        typer.Option(
            help="How mAP is computed: default, rank, voc07, voc12 or sklearn. Or score as a "
            "paper does: ml_gcn, asl, csra, ssgrl, query2label, c_tran or srn."
        ),
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
    known: Annotated[
        str | None, typer.Option(help="Labels already known, c_tran only: dog=1,cat=0.")
    ] = None,
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


def _parse_known(text: str | None) -> dict[str, int] | None:
    if text is None:
        return None
    pairs = [pair.rpartition("=") for pair in text.split(",")]
    if any(not name or value not in ("0", "1") for name, _, value in pairs):
        raise InputError(f"--known takes name=1 or name=0, separated by commas; got {text!r}")
    return {name.strip(): int(value) for name, _, value in pairs}
