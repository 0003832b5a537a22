"""The embedded data set: 2,073 drawings of the Open Clip Art Library with 38 labels (CARD.md)."""

from __future__ import annotations

from pathlib import Path

from imlgcn.data import unpack as archives
from imlgcn.progress import SILENT, Progress

ARCHIVE = Path(__file__).with_name("openclipart.zip")


def unpack(*, progress: Progress = SILENT) -> Path:
    """Return the folder with ``labels.csv`` and ``images/``, unpacked to the cache on first use."""
    return archives.unpack(ARCHIVE, progress=progress)
