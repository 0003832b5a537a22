"""Commands about taggers and systems: evaluate, report, params, systems."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from imlgcn.cli import show, show_known, show_systems
from imlgcn.cli.flags import in_flags
from imlgcn.cli.options import Device, Json, KnownBy, OwnTagger, TaggerFolder, Threshold, terminal
from imlgcn.cli.reading import Data, Reading, reads_data
from imlgcn.data.source import DataSource
from imlgcn.errors import InputError
from imlgcn.official.systems import COCO_LABELS, SYSTEMS


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    for command in (evaluate, report, params, systems):
        app.command()(command)


@reads_data
def evaluate(
    tagger: TaggerFolder,
    data: Data,
    split: Annotated[str, typer.Option(metavar="NAME", help="train, val, test, or all.")] = "test",
    protocol: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="How mAP is computed: default, rank, voc07, voc12 or sklearn. Or score as a "
            "paper does: ml_gcn, asl, csra, csra_wider, ssgrl, query2label, c_tran or srn.",
        ),
    ] = "default",
    threshold: Threshold = None,
    reveal: Annotated[
        str | None,
        typer.Option(
            metavar="AMOUNT",
            help="Also measure what known labels are worth: 1 (a true label of each image is "
            "known) or 25% (of all values; default: not measured).",
        ),
    ] = None,
    known_by: KnownBy = None,
    anyway: Annotated[
        bool,
        typer.Option(
            "--anyway", help="Evaluate also images that the tagger has learnt: no test of it."
        ),
    ] = False,
    json_file: Annotated[
        Path | None,
        typer.Option(
            "--json", metavar="FILE", help="Also write all metrics as JSON (default: no file)."
        ),
    ] = None,
    report_file: Annotated[
        Path | None,
        typer.Option(
            "--report", metavar="FILE", help="Also write a report, .html (default: no file)."
        ),
    ] = None,
    device: Device = "auto",
    *,
    reading: Reading,
) -> None:
    """Score a split with a tagger and print its metrics.

    Example: imlgcn evaluate runs/demo openclipart --json metrics.json --report test.html
    """
    from imlgcn import evaluation
    from imlgcn.report import write_evaluation_report
    from imlgcn.tagger import Tagger

    _refuse_other_than_html(report_file)
    progress = terminal()
    # before the data: a wrong path is the likelier mistake
    opened = Tagger.load(tagger, device=device).with_known_by(known_by)
    dataset = DataSource.of(data, **reading).load(progress)
    try:
        found = evaluation.evaluate(
            opened,
            dataset,
            split=split,
            protocol=protocol,
            threshold=threshold,
            reveal=reveal,
            anyway=anyway,
            json=json_file,
            progress=progress,
        )
    except evaluation.LearntImagesError as error:
        typer.echo(f"imlgcn: {in_flags(str(error))}", err=True)
        raise typer.Exit(1) from None
    if report_file is not None:
        write_evaluation_report(opened, found, report_file, data=data, progress=progress)
    show.metrics(found)
    if reveal is not None:
        show_known.revealed(found["reveal"])
    if report_file is not None:
        progress.say(f"report: {report_file}")


def report(tagger: OwnTagger) -> None:
    """Write a tagger's report.html again, from its folder.

    Example: imlgcn report runs/demo
    """
    from imlgcn.report import write_report
    from imlgcn.tagger import Tagger

    progress = terminal()
    progress.say(f"report: {write_report(Tagger.load(tagger), progress=progress)}")


def params(
    head: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="iml_gcn, linear, mlp, csra, ...; `imlgcn systems` lists all."
        ),
    ] = "iml_gcn",
    backbone: Annotated[str, typer.Option(metavar="NAME", help="Any timm model.")] = "tresnet_m",
    labels: Annotated[
        int, typer.Option(metavar="N", help="Number of labels; COCO has 80.")
    ] = COCO_LABELS,
    embedding: Annotated[
        str | None,
        typer.Option(
            metavar="KIND",
            help="Nodes of a graph head: image_pca, image, onehot, random or words "
            "(default: the head's).",
        ),
    ] = None,
    preset: Annotated[str, typer.Option(metavar="NAME", help="paper or small.")] = "paper",
    support: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Images that the head kernel is fitted on (default: 1,000)."
        ),
    ] = None,
    folded: Annotated[
        bool, typer.Option("--folded", help="Count the head as deployed: folded.")
    ] = False,
) -> None:
    """Print how many parameters a system has.

    Example: imlgcn params --head iml_gcn --backbone tresnet_m --labels 80
    """
    from imlgcn.models.counting import count_system

    options = {} if support is None else {"support": support}
    counts = count_system(
        head,
        backbone,
        labels,
        embedding=embedding,
        preset=preset,
        folded=folded,
        options=options,
    )
    show.parameters(head, backbone, labels, counts)


def systems(
    labels: Annotated[
        int, typer.Option(metavar="N", help="Number of labels; COCO has 80.")
    ] = COCO_LABELS,
    as_json: Json = False,
) -> None:
    """Print systems' parameters beside their published numbers.

    Example: imlgcn systems
    """
    from imlgcn.models.counting import count_system

    rows = []
    for system in SYSTEMS:
        counts = count_system(system.head, system.backbone, labels, options=system.options)
        rows.append((system, counts["total"]))
    if as_json:
        content = [{**asdict(system), "our_params": total} for system, total in rows]
        typer.echo(json.dumps(content, indent=1))
    else:
        show_systems.systems(rows, labels)


def _refuse_other_than_html(file: Path | None) -> None:
    """Refuse a file that is not a page: a mistyped name must not cost somebody's table."""
    if file is not None and file.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"--report writes a page: give a file that ends in .html; got {file}")
