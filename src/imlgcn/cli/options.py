"""Shared by several commands: options, and progress with flags; light imports only."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Annotated

import typer

from imlgcn.cli.flags import in_flags
from imlgcn.progress import TerminalProgress


def on_this_machine(tagger: Path | None) -> Path | None:
    """Return where a TAGGER is; one of the hub is downloaded first, and its commit is said."""
    from imlgcn.hub.address import hub_address, snapshot_of

    if tagger is None or hub_address(tagger) is None:
        return tagger
    from imlgcn.tagger.fetched import local_path

    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_: terminal().say(str(message))
        path = local_path(tagger)
    terminal().say(f"tagger: {snapshot_of(path)}")
    return path


def not_of_the_hub(tagger: Path) -> Path:
    """Return a TAGGER that the command changes: none of the hub."""
    from imlgcn.hub.address import refuse_hub

    refuse_hub(tagger, "this")
    return tagger


TaggerFolder = Annotated[
    Path,
    typer.Argument(
        metavar="TAGGER",
        help="Folder that `imlgcn train` wrote, or hf-hub:user/name.",
        callback=on_this_machine,
    ),
]
TaggerOrFile = Annotated[
    Path,
    typer.Argument(
        metavar="TAGGER",
        help="Folder that `imlgcn train` wrote, an exported file, or hf-hub:user/name.",
        callback=on_this_machine,
    ),
]
OwnTagger = Annotated[
    Path,
    typer.Argument(
        metavar="TAGGER", help="Folder that `imlgcn train` wrote.", callback=not_of_the_hub
    ),
]
TrainFrom = Annotated[
    Path | None,
    typer.Option(
        "--from",
        metavar="TAGGER",
        help="Continue from this tagger; labels match by name (default: none).",
        callback=on_this_machine,
        rich_help_panel="Training",
    ),
]
Threshold = Annotated[
    str | None,
    typer.Option(
        metavar="POINT",
        help="f1, f1-macro, f1-micro, precision=0.9, recall=0.9 or a number such as 0.5 "
        "(default: the tagger's own thresholds).",
    ),
]
LabelTableFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="A CSV of names, parents, thresholds and what to hide (default: the tagger's own).",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Device = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="auto (a CUDA GPU, if there is one), cpu, cuda, cuda:1 or mps. An exported file runs "
        "on a GPU with onnxruntime-gpu.",
    ),
]
KnownBy = Annotated[
    str | None,
    typer.Option(
        metavar="WAY",
        help="What uses known labels: counts (of label pairs, any tagger) or head (one that takes "
        "them, as c_tran does; default: as model.json says).",
        rich_help_panel="How it is computed",
    ),
]


OutFolder = Annotated[
    Path,
    typer.Option("--out", "-o", metavar="FOLDER", help="Folder to write; empty or new."),
]
Force = Annotated[
    bool,
    typer.Option("--force", help="Go on although the labels look misread: they are right."),
]
ProcessesPerNode = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Processes on each node, with a GPU each or a share of the cores (default: 1, or "
        "those of torchrun or SLURM).",
        rich_help_panel="This run",
    ),
]
Nodes = Annotated[
    int | None,
    typer.Option(
        metavar="M",
        help="Machines that run this command (default: 1, or those of torchrun or SLURM).",
        rich_help_panel="This run",
    ),
]


def terminal() -> TerminalProgress:
    """Return the progress of a command: messages of the library, arguments as flags."""
    return TerminalProgress(wording=in_flags)
