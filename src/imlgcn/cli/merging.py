"""The command merge-predictions: the files of all shards become one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from imlgcn.cli.options import terminal
from imlgcn.cli.predicted import refuse_to_overwrite, say_summary


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("merge-predictions")(merge_predictions)


def merge_predictions(
    shards: Annotated[
        list[str], typer.Argument(metavar="SHARDS", help="The files of all shards, or a pattern.")
    ],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="FILE", help="A .jsonl, .csv or .parquet file."),
    ],
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an --out that is there already.")
    ] = False,
) -> None:
    """Join the files of all shards into that of one machine.

    Nothing is written unless all shards are there, whole and of one run.

    Example: imlgcn merge-predictions tags.*-of-8.csv --out tags.csv
    """
    from imlgcn.prediction import merge_predictions as run

    refuse_to_overwrite(out)
    progress = terminal()
    summary = run(shards, out, overwrite=overwrite, progress=progress)
    say_summary(summary, bool(summary.sidecars), progress)
