"""The commands push and pull: a tagger to the hub, and from it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from imlgcn.cli.options import OutFolder, terminal


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(pull)


def pull(
    address: Annotated[
        str,
        typer.Argument(
            metavar="ADDRESS", help="user/name, or user/name@revision: a branch, tag or commit."
        ),
    ],
    out: OutFolder,
) -> None:
    """Copy a tagger of the hub into a folder of your own.

    To use one, no copy is needed: other commands take hf-hub:user/name.

    Example: imlgcn pull user/name --out runs/theirs
    """
    from imlgcn.hub.address import snapshot_of
    from imlgcn.publishing import pull as run

    terminal().say(f"{out}: {snapshot_of(run(address, out))}")
