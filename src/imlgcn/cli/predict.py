"""The command predict: tags for many images. It imports little, so that it starts quickly."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from imlgcn.cli.loading import loading
from imlgcn.cli.options import Device, KnownBy, LabelTableFile, TaggerOrFile, Threshold, terminal
from imlgcn.cli.predicted import parse_known, refuse_to_overwrite, say_summary
from imlgcn.errors import InputError, unknown_name
from imlgcn.numbers import number
from imlgcn.progress import TerminalProgress

if TYPE_CHECKING:
    from imlgcn.prediction import PredictSummary
    from imlgcn.tagger import Tagger


MANY = "On many machines"
ALSO, HOW, WATCHING = "Further files", "How it is computed", "Watching folders"
ONE_MACHINE = (
    "shard",
    "known_from",
    "latency",
    "bare",
    "xmp",
    "sidecar_name",
    "label_studio",
)  # not with --cluster
NUMBER = "How many tags"
TopK = Annotated[
    int | None,
    typer.Option(
        "--topk",
        metavar="K",
        help="The K most probable labels, whatever their thresholds (default: by thresholds).",
        rich_help_panel=NUMBER,
    ),
]
AtLeast = Annotated[
    int | None,
    typer.Option(
        metavar="K",
        help="Fill up with the most probable labels to K tags (default: no bound).",
        rich_help_panel=NUMBER,
    ),
]
AtMost = Annotated[
    int | None,
    typer.Option(
        metavar="K",
        help="Keep the K most probable of the tags (default: no bound).",
        rich_help_panel=NUMBER,
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command()(predict)


def predict(
    tagger: TaggerOrFile,
    paths: Annotated[
        list[str],
        typer.Argument(metavar="PATHS", help="Files, folders, globs, a .csv; - reads a list."),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="A .jsonl, .csv or .parquet file (default: JSON lines, printed).",
        ),
    ] = None,
    threshold: Threshold = None,
    top_k: TopK = None,
    at_least: AtLeast = None,
    at_most: AtMost = None,
    label_table: LabelTableFile = None,
    known: Annotated[
        str | None,
        typer.Option(
            metavar="LABELS",
            help="Labels already known of all images: dog=1,cat=0 (default: none).",
        ),
    ] = None,
    known_from: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A CSV with the known labels of each image: image, labels, and absent for those "
            "that are not there (default: none).",
        ),
    ] = None,
    all_labels: Annotated[
        bool, typer.Option("--all", help="Every label, not only the tags.")
    ] = False,
    known_by: KnownBy = None,
    engine: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="onnxruntime, openvino, torch, or auto: the fastest here, measured once "
            "(default: an exported file if there is one).",
            rich_help_panel=HOW,
        ),
    ] = None,
    device: Device = "auto",
    latency: Annotated[
        bool,
        typer.Option(
            "--latency", help="Use all cores on one image at a time.", rich_help_panel=HOW
        ),
    ] = False,
    watch: Annotated[
        bool,
        typer.Option(
            "--watch",
            help="Tag the images in folders, then those that appear or change, until stopped; "
            "each once, also after a restart. Needs --xmp or --out.",
            rich_help_panel=WATCHING,
        ),
    ] = False,
    settle: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help="How long a file must stay the same before it is read (default: 3).",
            rich_help_panel=WATCHING,
        ),
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="ray: on all its machines; --out is a folder, PATHS may be .parquet, .tar and "
            "addresses (default: here).",
            rich_help_panel=HOW,
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue an --out that was interrupted.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an --out that is there already.")
    ] = False,
    bare: Annotated[
        bool,
        typer.Option(
            "--bare",
            help="Write cells of a .csv that a spreadsheet takes for formulas as they are.",
        ),
    ] = False,
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="I/N",
            help="Tag only the I-th of N shards, I from 1 to N, as $SLURM_ARRAY_TASK_ID/8 with "
            "--array=1-8. --out tags.csv then writes tags.3-of-8.csv, and merge-predictions makes "
            "one file of all (default: all images).",
            rich_help_panel=MANY,
        ),
    ] = None,
    xmp: Annotated[
        bool,
        typer.Option(
            "--xmp",
            help="Also write the tags to XMP sidecars beside the images, for photo managers; a "
            "person's keywords stay.",
            rich_help_panel=ALSO,
        ),
    ] = False,
    sidecar_name: Annotated[
        str | None,
        typer.Option(
            metavar="FORM",
            help="photo.jpg.xmp (digiKam, darktable) or photo.xmp (Lightroom) (default: the one "
            "there is, or else photo.jpg.xmp).",
            rich_help_panel=ALSO,
        ),
    ] = None,
    label_studio: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Also write Label Studio pre-annotations, .json (default: no file).",
            rich_help_panel=ALSO,
        ),
    ] = None,
) -> None:
    """Tag images: one row per image and label.

    Exit code 3 when a file could not be read.

    Example: imlgcn predict runs/demo photos/ --out tags.csv
    """
    with loading():
        from imlgcn.prediction import predict as run
        from imlgcn.prediction.paths import GivenPaths
        from imlgcn.tagger import Tagger

    progress = terminal()
    if watch:
        from imlgcn.cli.watching import watch_folders

        watch_folders(locals(), parse_known(known), progress)
    if settle is not None:
        raise InputError("settle= is for watch=True: give that, too")
    if cluster is not None:
        summary = _on_cluster(cluster, progress, locals())
        raise typer.Exit(3 if summary.failed else 0)
    refuse_to_overwrite(out if shard is None else _file_of_shard(shard, out, tagger, engine))
    with loading():
        opened = Tagger.load(
            tagger, engine=engine, latency=latency, device=device, label_table=label_table
        )
    opened = opened.with_known_by(known_by)
    found = GivenPaths(paths)
    if engine == "auto":
        _say_engine(opened, progress)
    summary = run(
        opened,
        found,
        out=out or sys.stdout,
        overwrite=overwrite,
        bare=bare,
        threshold=threshold,
        top_k=top_k,
        at_least=at_least,
        at_most=at_most,
        known=parse_known(known),
        known_from=known_from,
        all_labels=all_labels,
        resume=resume,
        xmp=xmp,
        sidecar_name=sidecar_name,
        label_studio=label_studio,
        shard=shard,
        progress=progress,
    )
    say_summary(summary, xmp, progress)
    if passed_by := found.sentence():
        progress.say(passed_by)
    if summary.failed or summary.sidecars_failed:
        raise typer.Exit(3)


def _on_cluster(name: str, progress: TerminalProgress, given: dict[str, Any]) -> PredictSummary:
    """Tag on a cluster with the options of the command; those of one machine are refused."""
    from imlgcn.batch import predict_on_ray

    if name != "ray":
        raise unknown_name("cluster", name, ("ray",))
    others = [option for option in ONE_MACHINE if given[option]]
    if others or given["device"] not in ("auto", "cpu"):
        raise InputError(f"{(others or ['device'])[0]}= cannot be used with cluster='ray'")
    if given["out"] is None or given["out"].suffix in (".csv", ".jsonl", ".parquet"):
        raise InputError("cluster='ray' writes a folder: give its name with out=")
    options = ("threshold", "top_k", "at_least", "at_most", "known_by", "all_labels")
    more = ("label_table", "engine", "resume", "overwrite")
    summary = predict_on_ray(
        given["tagger"],
        given["paths"],
        given["out"],
        known=parse_known(given["known"]),
        progress=progress,
        **{option: given[option] for option in (*options, *more)},
    )
    say_summary(summary, False, progress)
    return summary


def _file_of_shard(shard: str, out: Path | None, tagger: Path, engine: str | None) -> Path | None:
    """Return the name of a shard's file; refuse its engine before the tagger is opened."""
    from imlgcn.prediction.shards import Shard, ShardImages

    own = ShardImages(Shard.of(shard))
    own.check_engine(tagger, engine)
    return own.shard.name(out)


def _say_engine(tagger: Tagger, progress: TerminalProgress) -> None:
    rates = tagger.engine_rates()
    measured = ", ".join(f"{name} {number(rate, 0)}" for name, rate in rates.items())
    progress.say(f"engine: {tagger.engine.name} (images/s measured here: {measured})")
