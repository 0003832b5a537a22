"""The command that writes a tagger as one file for other runtimes: export."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from imlgcn.cli import show
from imlgcn.progress import TerminalProgress


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(export)


def export(
    tagger: Annotated[Path, typer.Argument(help="Folder that `imlgcn train` wrote.")],
    format_: Annotated[
        str, typer.Option("--format", "-f", help="onnx, openvino or torch.")
    ] = "onnx",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="The file to write: .onnx, .openvino or .pt2 (default: into TAGGER).",
        ),
    ] = None,
    size: Annotated[
        int | None, typer.Option(help="Side of the images in pixels (default: the tagger's).")
    ] = None,
    calibration: Annotated[
        str | None,
        typer.Option(
            help="Data whose images the file is compared on (default: what the tagger was trained "
            "on, or openclipart)."
        ),
    ] = None,
) -> None:
    """Write a tagger as one file that needs no imlgcn. Exit code 4 when the file is not equal.

    It is kept only if its logits and tags are those of the tagger. Without --out, `imlgcn predict`
    and `imlgcn serve` use it from then on.

    Example: imlgcn export runs/demo --format onnx --out demo.onnx
    """
    from imlgcn.export import ExportRefused
    from imlgcn.export import export as run

    try:
        done = run(
            tagger, format_, out, size=size, calibration=calibration, progress=TerminalProgress()
        )
    except ExportRefused as refused:
        sys.stderr.write(f"imlgcn: {refused}\n")
        raise typer.Exit(4) from None
    show.exported(done)
