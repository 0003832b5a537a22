"""The command that checks data."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from imlgcn.cli import show
from imlgcn.cli.data import load
from imlgcn.cli.flags import in_flags
from imlgcn.cli.options import Force, Json, terminal
from imlgcn.cli.reading import Data, Reading, reads_data
from imlgcn.data.dataset import Dataset
from imlgcn.data.source import DataSource
from imlgcn.errors import InputError

if TYPE_CHECKING:
    from imlgcn.labels.parents import ProposedParent

TABLE = "Label table"


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command()(check)


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
            help="List labels that 98 % of another label's images have, and levels of keywords.",
            rich_help_panel=TABLE,
        ),
    ] = False,
    no_images: Annotated[
        bool,
        typer.Option(
            "--no-images", help="See that image files exist, and read none: seconds, not minutes."
        ),
    ] = False,
    force: Force = False,
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
    dataset = load(DataSource.of(data, **reading), progress)
    report = check_dataset(
        dataset, label_table=label_table, no_images=no_images, force=force, progress=progress
    )
    proposed = _proposed(dataset) if propose_parents else []
    if as_json:
        more = {"parents": [asdict(pair) for pair in proposed]} if propose_parents else {}
        content = report.to_dict()
        for problem in content["problems"]:
            problem["message"] = in_flags(problem["message"])
        typer.echo(json.dumps(content | more, indent=1))
    else:
        show.check(report)
        if propose_parents:
            show.proposed_parents(proposed)
    if save_table is not None:
        _save_table(save_table, dataset, label_table, proposed)
        progress.say(f"written to {save_table}: look through it, then train with label_table=")
    if report.harmful:
        raise typer.Exit(1)


def _proposed(dataset: Dataset) -> list[ProposedParent]:
    from imlgcn.labels.parents import propose_parents

    part = dataset.split("train") if "train" in dataset.splits else dataset
    return propose_parents(part.names, part.targets, part.parents)


def _save_table(
    out: Path, dataset: Dataset, base: Path | None, proposed: list[ProposedParent]
) -> None:
    from imlgcn.data.label_table_file import read_label_table, write_label_table
    from imlgcn.labels.label_table import LabelTable

    table = LabelTable.of(dataset.names) if base is None else read_label_table(base, dataset.names)
    write_label_table(out, table.with_parents((pair.child, pair.parent) for pair in proposed))
