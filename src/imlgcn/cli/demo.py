"""The command demo."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from imlgcn.cli import show, show_choice
from imlgcn.cli.options import OutFolder, terminal


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command()(demo)


def demo(
    out: OutFolder = Path("runs/demo"),
    seed: Annotated[int, typer.Option(metavar="N", help="Random seed.")] = 0,
) -> None:
    """Train and try a tagger on clip art, in a minute or two.

    Example: imlgcn demo
    """
    from imlgcn.demonstration import demo as run

    result = run(out, seed=seed, progress=terminal())
    show.metrics(result.tagger.folder.metrics)
    show_choice.side_by_side(result.tagger.folder.metrics)
    show.examples(result.examples)
    show.next_steps(out)
