"""The command pack: any data set as tars or Parquet."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from imlgcn.cli.options import terminal
from imlgcn.cli.reading import Data, Reading, reads_data
from imlgcn.numbers import number, plural

SMALLER = "Smaller images"


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command()(pack)


@reads_data
def pack(
    data: Data,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="A new folder.")],
    format: Annotated[
        str, typer.Option(metavar="FORMAT", help="webdataset (tars) or parquet.")
    ] = "webdataset",
    max_size: Annotated[
        float, typer.Option("--max-size", metavar="MB", help="Of a shard.")
    ] = 500.0,
    size: Annotated[
        int | None,
        typer.Option(
            metavar="PIXELS",
            help="Make images smaller whose shorter side has more (default: copied as they are).",
            rich_help_panel=SMALLER,
        ),
    ] = None,
    image_format: Annotated[
        str | None,
        typer.Option(
            "--image-format",
            metavar="FORMAT",
            help="jpeg or webp, with --size (default: jpeg).",
            rich_help_panel=SMALLER,
        ),
    ] = None,
    quality: Annotated[
        int | None,
        typer.Option(
            metavar="1-100",
            help="Of the file, with --size (default: 92).",
            rich_help_panel=SMALLER,
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace what an earlier pack wrote.")
    ] = False,
    *,
    reading: Reading,
) -> None:
    """Write a data set as few large files.

    `imlgcn train` and the rest read them in place; labels, unknown marks, splits and groups come
    back as they were. Exit code 3 when an image could not be read: it is left out.

    Example: imlgcn pack photos.csv --out shards --max-size 500 --size 512
    """
    from imlgcn.data.pack import pack as write

    packed = write(
        data,
        out,
        format=format,
        max_size=max_size,
        size=size,
        image_format=image_format,
        quality=quality,
        overwrite=overwrite,
        progress=terminal(),
        **reading,
    )
    bytes_ = sum(shard.stat().st_size for shard in packed.shards)
    typer.echo(
        f"{plural(packed.images, 'image')} in {plural(len(packed.shards), 'shard')}, "
        f"{number(bytes_ / 1e6)} MB. Written to {out}"
    )
    if packed.left_out:
        raise typer.Exit(3)
