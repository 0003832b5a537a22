"""What of a tagger folder is sent to the hub, and what stays here, with the reason."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from imlgcn.exporting.layouts.base import MARKER
from imlgcn.exporting.layouts.public_files import NAMING
from imlgcn.tagger.folder import (
    CHECKPOINTS,
    HISTORY,
    LEARNT,
    LOG,
    REPLACED,
    REPLACED_TABLE,
    REPORT,
    SCORES,
    SPLIT,
    SUPPORT,
)

REASONS = {
    SCORES: "it names the images that the tagger was evaluated on",
    SUPPORT: "it names the images that it learnt, with their features and perhaps small pictures",
    LEARNT: "it has hashes of the images that it learnt",
    REPORT: "it has names of images, and may show them",
    SPLIT: "it names images",
    LOG: "nobody needs it to tag",
    REPLACED_TABLE: "it is of another run",
    CHECKPOINTS: "they are of an unfinished training",
    HISTORY: "they are earlier states",
    REPLACED: "it is an earlier run",
}
SUFFIXES = {
    ".openvino": "it can be exported again",
    ".pt2": "reading it may run code",
}
OTHER = "it is not a file of a tagger"


class SentFile(NamedTuple):
    """A file to send: its name in the repository, where it is, and its size in bytes."""

    name: str
    path: Path
    size: int


def sent_files(folder: Path) -> list[SentFile]:
    """Return the files of a written layout, by name."""
    return [
        SentFile(path.relative_to(folder).as_posix(), path, path.stat().st_size)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != MARKER
    ]


def left_out(tagger: Path, sent: set[str]) -> dict[str, str]:
    """Return what a tagger folder holds besides what is ``sent``: name -> reason."""
    names = sorted(path.name for path in tagger.iterdir())
    return {
        name: REASONS.get(name) or SUFFIXES.get(Path(name).suffix) or OTHER
        for name in names
        if name not in sent
    }


def is_stale(name: str, sent: set[str]) -> bool:
    """Return whether a file there names images, and this push does not send it."""
    return name in NAMING and name not in sent
