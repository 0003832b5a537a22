"""What the terminal shows of several systems: published ones, and a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from imlgcn.metrics.verdict import NEEDED, Verdict
from imlgcn.numbers import number, plural
from imlgcn.official.systems import System
from imlgcn.tagger.folder import REPORT

if TYPE_CHECKING:
    from imlgcn.comparison import Row


def systems(rows: Sequence[tuple[System, int]], labels: int) -> None:
    """Print the comparison: ours counted here, the rest as published."""
    console = Console(highlight=False)
    title = (
        f"Systems with {plural(labels, 'label')}; published: COCO 2014, 80 labels, not measured "
        "here"
    )
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("system", overflow="fold")
    table.add_column("built as", overflow="fold")
    for name in ("ours", "published\nM", "published\nmAP", ""):
        table.add_column(name, justify="right", no_wrap=True)
    notes = list(dict.fromkeys(system.note for system, _ in rows if system.note))
    for system, total in rows:
        built = " ".join([f"{system.head} on {system.backbone}", *_options(system)])
        published = (system.published_params, system.published_map)
        cells = [number(value) for value in published]
        mark = f"{notes.index(system.note) + 1}" if system.note else ""
        table.add_row(system.name, built, number(total, 0), *cells, mark)
    console.print(table)
    for index, note in enumerate(notes, start=1):
        console.print(f"{index}  {note}")
    console.print("Training settings: recipes/ in the repository; --json names the file.")


def _options(system: System) -> list[str]:
    return [f"{key}={value}" for key, value in system.options.items()]


def comparison(rows: Sequence[Row], split: str, seeds: int, out: Path) -> None:
    """Print the table of a comparison."""
    from imlgcn.comparison.table import difference

    console = Console(highlight=False)
    title = f"{split} split, protocol default, mean of {plural(seeds, 'seed')}"
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("head", overflow="fold")
    for column in ("mAP", "difference", "OF1", "parameters", "train s"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            row.entry,
            f"{number(row.mAP)} ± {number(row.mAP_std)}",
            difference(row),
            number(row.of1),
            number(row.folded, 0),
            number(row.seconds),
        )
    console.print(table)
    console.print("In brackets: 95 % interval, bootstrap over images. Beside the control:")
    for row in rows:
        if row.verdict is not None:
            console.print(f"  {row.entry}: {row.verdict}")
    if any(row.verdict == Verdict.FEW for row in rows):
        console.print(f"  {NEEDED}")
    console.print(f"Report: {out / REPORT}; as text: compare.md, compare.csv")
