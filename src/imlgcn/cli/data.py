"""Commands about data: check, split, graph."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from imlgcn.cli import show
from imlgcn.cli.options import Json, terminal
from imlgcn.cli.reading import Data, Reading, reads_data
from imlgcn.config import InputError
from imlgcn.data.dataset import Dataset
from imlgcn.data.source import DataSource
from imlgcn.numbers import plural
from imlgcn.progress import TerminalProgress

if TYPE_CHECKING:
    from imlgcn.labels.parents import ProposedParent

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
    for command in (check, split, graph):
        app.command()(command)


@reads_data
def check(
    data: Data,
    as_json: Json = False,
    label_table: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Check this label table as well, a CSV (default: none).",
            rich_help_panel=TABLE,
        ),
    ] = None,
    propose_parents: Annotated[
        bool,
        typer.Option(
            "--propose-parents",
            help="List labels that 98 % of another label's images have.",
            rich_help_panel=TABLE,
        ),
    ] = False,
    save_table: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write a label table, with the proposed parents, to this new CSV "
            "(default: not written).",
            rich_help_panel=TABLE,
        ),
    ] = None,
    *,
    reading: Reading,
) -> None:
    """Look for what would harm training.

    Exit code 1 when something does.

    Example: imlgcn check photos.csv
    """
    from imlgcn.data.check import check_dataset

    if save_table is not None and save_table.exists():
        raise InputError(f"{save_table} exists; give another name")
    progress = terminal()
    dataset = _load(DataSource.of(data, **reading), progress)
    report = check_dataset(dataset, label_table=label_table, progress=progress)
    proposed = _proposed(dataset) if propose_parents else []
    if as_json:
        more = {"parents": [asdict(pair) for pair in proposed]} if propose_parents else {}
        typer.echo(json.dumps(report.to_dict() | more, indent=1))
    else:
        show.check(report)
        if propose_parents:
            show.proposed_parents(proposed)
    if save_table is not None:
        _save_table(save_table, dataset, label_table, proposed)
        progress.say(f"written to {save_table}: look through it, then train with label_table=")
    if report.harmful:
        raise typer.Exit(1)


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
    from imlgcn.data.split import split_around_test, split_dataset, write_split_csv

    if out.suffix.lower() != ".csv":
        raise InputError(f"--out takes the name of a .csv file; got {out}")
    if out.exists() and Path(data).exists() and out.samefile(data):
        raise InputError(f"--out {out} is the data itself; give another name")
    progress = terminal()
    dataset = _load(DataSource.of(data, **reading), progress)
    if keep_test:
        splits, table = split_around_test(dataset, val=val, seed=seed, progress=progress)
    else:
        splits, table = split_dataset(
            dataset,
            train=train,
            val=val,
            test=test,
            seed=seed,
            progress=progress,
        )
    write_split_csv(dataset, splits, out)
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
    """Print the label graph: edges, isolated labels, strongest rules.

    It is counted on the training split if there is one, as in `imlgcn train`.

    Example: imlgcn graph openclipart
    """
    from imlgcn.labels.context import LabelContext
    from imlgcn.labels.graph import isolated_labels, strongest_rules

    dataset = _load(DataSource.of(data, **reading), terminal())
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


def _proposed(dataset: Dataset) -> list[ProposedParent]:
    from imlgcn.labels.parents import propose_parents

    part = dataset.split("train") if "train" in dataset.splits else dataset
    return propose_parents(part.names, part.targets)


def _save_table(
    out: Path, dataset: Dataset, base: Path | None, proposed: list[ProposedParent]
) -> None:
    from imlgcn.data.label_table_file import read_label_table, write_label_table
    from imlgcn.labels.label_table import LabelTable

    table = LabelTable.of(dataset.names) if base is None else read_label_table(base, dataset.names)
    write_label_table(out, table.with_parents((pair.child, pair.parent) for pair in proposed))


def _load(source: DataSource, progress: TerminalProgress) -> Dataset:
    dataset = source.load(progress)
    progress.say(
        f"{plural(len(dataset), 'image')}, {plural(len(dataset.names), 'label')}; {dataset.reason}"
    )
    return dataset
