"""The options of `imlgcn.predict` by their types, for type checkers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TextIO, TypedDict

from imlgcn.labels.label_table import LabelTable
from imlgcn.progress import Progress
from imlgcn.tagger.thresholds import Threshold


class PredictOptions(TypedDict, total=False):
    """Options of tags that are iterated over; what each means is said by `predict`."""

    threshold: Threshold | None
    top_k: int | None
    at_least: int | None
    at_most: int | None
    known: Mapping[str, int] | None
    known_from: str | Path | None
    known_by: str | None
    all_labels: bool
    label_table: LabelTable | str | Path | None
    engine: str | None
    device: str
    latency: bool
    shard: str | tuple[int, int] | None
    topk: int | None  # as the command line calls top_k
    all: bool  # and all_labels
    batch_size: int | None
    workers: int | None
    progress: Progress


class FileOptions(PredictOptions, total=False):
    """Options of tags that are written to files."""

    out: str | Path | TextIO | None
    overwrite: bool
    bare: bool
    resume: bool
    xmp: bool
    sidecar_name: str | None
    label_studio: str | Path | None
