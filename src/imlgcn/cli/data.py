"""Commands about data: split and graph; and the options that say how data is read."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from imlgcn.cli import show
from imlgcn.cli.options import Json, terminal
from imlgcn.cli.reading import Data, Reading, reads_data
from imlgcn.data.dataset import Dataset
from imlgcn.data.source import DataSource
from imlgcn.errors import InputError
from imlgcn.numbers import plural
from imlgcn.progress import TerminalProgress

TABLE, PARTS = "Label table", "Splits"
GroupBy = Annotated[
    str | None,
    typer.Option(
        "--group-by",
        "--group-column",
        metavar="COLUMN",
        help="Images with the same value stay in one split, as near duplicates do "
        "(default: the column group).",
        rich_help_panel=PARTS,
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    for command in (split, graph):
        app.command()(command)


@reads_data(group_column=GroupBy)
def split(
    data: Data,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="The .csv file to write.")
    ],
    train: Annotated[
        float,
        typer.Option(
            metavar="FRACTION",
            help="For training; the three sum to 1.",
            rich_help_panel=PARTS,
        ),
    ] = 0.8,
    val: Annotated[
        float,
        typer.Option(metavar="FRACTION", help="For validation.", rich_help_panel=PARTS),
    ] = 0.1,
    test: Annotated[
        float, typer.Option(metavar="FRACTION", help="For the test.", rich_help_panel=PARTS)
    ] = 0.1,
    seed: Annotated[int, typer.Option(metavar="N", help="Random seed.", rich_help_panel=PARTS)] = 0,
    keep_test: Annotated[
        bool,
        typer.Option(
            "--keep-test",
            help="Keep the data's own test split; --val is a fraction of the others.",
            rich_help_panel=PARTS,
        ),
    ] = False,
    *,
    reading: Reading,
) -> None:
    """Split images, each label in proportion, and write a CSV.

    `imlgcn train` reads it.

    Example: imlgcn split photos.csv --out photos-split.csv --train 0.8 --val 0.1 --test 0.1
    """
    from imlgcn.data.split import split_dataset

    if out.suffix.lower() != ".csv":
        raise InputError(f"--out takes the name of a .csv file; got {out}")
    if out.exists() and Path(data).exists() and out.samefile(data):
        raise InputError(f"--out {out} is the data itself; give another name")
    progress = terminal()
    dataset = load(DataSource.of(data, **reading), progress)
    _, table = split_dataset(
        dataset,
        train=train,
        val=val,
        test=test,
        seed=seed,
        keep_test=keep_test,
        out=out,
        progress=progress,
    )
    show.split(table)
    typer.echo(f"Written to {out}")


@reads_data
def graph(
    data: Data,
    threshold: Annotated[
        float, typer.Option(metavar="P", help="Smallest P(j|i) of an edge, 0 to 1.")
    ] = 0.4,
    rules: Annotated[int, typer.Option(metavar="N", help="Rules to print.")] = 20,
    as_json: Json = False,
    *,
    reading: Reading,
) -> None:
    """Print the label graph: edges, isolated labels, rules.

    It is counted on the training split if there is one, as in `imlgcn train`.

    Example: imlgcn graph openclipart
    """
    from imlgcn.labels.context import LabelContext
    from imlgcn.labels.graph import isolated_labels, strongest_rules

    dataset = load(DataSource.of(data, **reading), terminal())
    part = dataset.split("train") if "train" in dataset.splits else dataset
    context = LabelContext.from_targets(part.names, part.targets)
    counted = (context.names, context.pair_counts, context.occurrences)
    edges = strongest_rules(*counted, threshold=threshold)
    isolated = isolated_labels(*counted, threshold=threshold)
    if as_json:
        content = {
            "num_images": context.num_images,
            "threshold": threshold,
            "edges": [asdict(edge) for edge in edges],
            "isolated": isolated,
        }
        typer.echo(json.dumps(content, indent=1))
    else:
        show.graph(context, edges[:rules], len(edges), isolated, threshold)


def load(source: DataSource, progress: TerminalProgress) -> Dataset:
    """Read data and say what was read."""
    dataset = source.load(progress)
    progress.say(
        f"{plural(len(dataset), 'image')}, {plural(len(dataset.names), 'label')}; {dataset.reason}"
    )
    return dataset
