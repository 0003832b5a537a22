"""The command predict: tags for many images. It starts quickly: nothing else is imported."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from imlgcn.config import InputError
from imlgcn.progress import TerminalProgress


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command()(predict)


def predict(
    tagger: Annotated[
        Path, typer.Argument(help="Folder that `imlgcn train` wrote, or an exported file.")
    ],
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
