"""The command export: a tagger as one file for other runtimes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from imlgcn.cli.flags import in_flags
from imlgcn.cli.options import TaggerFolder, terminal
from imlgcn.numbers import number, plural

if TYPE_CHECKING:
    from imlgcn.exporting import Exported


INT8 = "Proof and 8-bit integers"
LAYOUT = "For another program"


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(export)


def export(
    tagger: TaggerFolder,
    format_: Annotated[
        str, typer.Option("--format", "-f", metavar="NAME", help="onnx, openvino or torch.")
    ] = "onnx",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="The file to write: .onnx, .openvino or .pt2 (default: into TAGGER); of --layout "
            "the folder.",
        ),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(metavar="PIXELS", help="Side of the network input (default: the tagger's)."),
    ] = None,
    maps: Annotated[
        bool | None,
        typer.Option(
            "--maps/--no-maps",
            help="With activation maps, for explain and serve (default: only into TAGGER).",
        ),
    ] = None,
    int8: Annotated[
        bool,
        typer.Option(
            "--int8",
            help="Compute in 8-bit integers, if that costs little mAP and is faster here.",
            rich_help_panel=INT8,
        ),
    ] = False,
    calibration: Annotated[
        str | None,
        typer.Option(
            metavar="DATA",
            help="Images to compare the file on; --int8 is fitted on its split train and evaluated "
            "on val or test (default: the training data, or openclipart without --int8).",
            rich_help_panel=INT8,
        ),
    ] = None,
    max_drop: Annotated[
        float,
        typer.Option(
            metavar="POINTS",
            help="mAP that --int8 may cost, in points; if it costs more, nothing is written.",
            rich_help_panel=INT8,
        ),
    ] = 0.5,
    layout: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Write the folder --out as another program loads it: photoprism, wd14 or hf "
            "(default: one file).",
            rich_help_panel=LAYOUT,
        ),
    ] = None,
    client_threshold: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBER",
            help="The threshold of that program, on which each label's own falls (default: the "
            "program's usual one); none: leave the probabilities as they are.",
            rich_help_panel=LAYOUT,
        ),
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite",
            help="Replace a folder that --layout wrote.",
            rich_help_panel=LAYOUT,
        ),
    ] = False,
) -> None:
    """Write a tagger as one file that needs no imlgcn.

    It is kept only if its logits and tags are those of the tagger: else exit
    code 4. Without --out, predict and serve use the .onnx or .openvino file
    from then on.

    Example: imlgcn export runs/demo --format onnx --out demo.onnx
    """
    from imlgcn.exporting import ExportRefused
    from imlgcn.exporting import export as run

    try:
        done = run(
            tagger,
            format_,
            out,
            size=size,
            maps=maps,
            int8=int8,
            calibration=calibration,
            max_drop=max_drop,
            layout=layout,
            client_threshold=client_threshold,
            overwrite=overwrite,
            progress=terminal(),
        )
    except ExportRefused as refused:
        sys.stderr.write(f"imlgcn: {in_flags(str(refused))}\n")
        raise typer.Exit(4) from None
    if layout is None:
        _show(done)
    else:
        _show_layout(done)


def _show_layout(done: Exported) -> None:
    """Print what a layout is, how it was verified and what to know of it."""
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"{done.path}: {number(done.size / 1e6)} MB", markup=False)
    for path in sorted(done.path.rglob("*")):
        console.print(f"  {path.relative_to(done.path)}", markup=False)
    agreed = done.agreement
    same = f"; the {plural(agreed.tags, 'tag')} are identical" if agreed.tags else ""
    console.print(
        f"run as that program runs it and compared with the trained network on {done.origin}:\n"
        f"  scores differ by {agreed.difference:.1e} at most{same}",
        markup=False,
    )
    for note in done.notes:
        console.print(note, markup=False)


def _show(done: Exported) -> None:
    """Print what was written and how it was verified."""
    console = Console(highlight=False, soft_wrap=True)
    agreed = done.agreement
    console.print(f"{done.path}: {number(done.size / 1e6)} MB", markup=False)
    console.print(
        f"compared with the trained network on {done.origin}, at batch 1 and 3:", markup=False
    )
    console.print(
        f"  logits differ by {agreed.difference:.1e} at most (the largest is "
        f"{number(agreed.largest)}); the {plural(agreed.tags, 'tag')} are identical"
    )
    if done.maps is not None:
        console.print(
            f"  activation maps: {done.maps}; they differ by {agreed.maps:.1e} of the largest"
        )
    if (int8 := done.int8) is not None:
        console.print(
            f"then in 8-bit integers, ranges from {plural(int8.calibrated, 'training image')}:\n"
            f"  size {number(int8.size_before / 1e6)} to {number(done.size / 1e6)} MB\n"
            f"  speed {number(int8.rate_before)} to {number(int8.rate)} images/s here "
            f"({number(int8.rate / int8.rate_before, 2)} times as fast)\n"
            f"  mAP {number(int8.mAP_before, 2)} to {number(int8.mAP, 2)} on "
            f"{plural(int8.images, 'image')} of {int8.split}"
        )
