"""Commands about taggers and systems: evaluate, params, systems."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from imlgcn.cli import show
from imlgcn.cli.data import Data, Delimiter, Reader, Variant
from imlgcn.files import write_atomic
from imlgcn.progress import TerminalProgress
from imlgcn.systems import COCO_LABELS, SYSTEMS

TaggerFolder = Annotated[Path, typer.Argument(help="Folder that `imlgcn train` wrote.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    for command in (evaluate, params, systems):
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
