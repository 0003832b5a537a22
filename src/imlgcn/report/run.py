"""The input of a report: a tagger folder, read without torch; missing pieces are empty."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from imlgcn.data.source import DataSource
from imlgcn.errors import InputError
from imlgcn.labels.context import LabelContext
from imlgcn.tagger.folder import Curves, TaggerFolder
from imlgcn.tagger.scores import MOST_ENTRIES, ScoredSplit

if TYPE_CHECKING:
    from imlgcn.evaluation import Evaluation
    from imlgcn.tagger import Tagger, TaggerInfo

VECTORS = {  # kind -> description
    "image_pca": "principal components of image-based label embeddings (F_PCA)",
    "image": "image-based label embeddings (F_I)",
    "words": "word vectors of the label names",
}


class LabelVectors(NamedTuple):
    """One vector per label (L, D), and their description."""

    what: str
    values: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class RunFolder:
    """A tagger and the scores it is evaluated on."""

    name: str
    info: TaggerInfo
    metrics: dict[str, Any]
    config: str  # the text of config.yaml
    settings: dict[str, Any]  # its content; empty where it cannot be read
    curves: Curves
    scored: ScoredSplit | None  # the split that `metrics` are of; if it is huge, a sample of it
    context: LabelContext | None
    vectors: LabelVectors | None
    graph: NDArray[np.float32] | None = None  # (L, L) that the head was built on
    images: Mapping[str, Path] = field(default_factory=dict)  # name in `scored` -> file
    data: str | None = None  # the evaluated data, where that is not the training data

    @property
    def imported(self) -> bool:
        """Whether it is a published checkpoint: nothing was trained, fitted or calibrated here."""
        return bool(self.info.origin)

    @property
    def sampled(self) -> int:
        """How many images are drawn and listed, where that is not all of them; else 0."""
        scored = 0 if self.scored is None else len(self.scored.images)
        return scored if scored < (self.metrics.get("num_images") or 0) else 0

    @property
    def paper(self) -> bool:
        """Whether metrics follow a paper's protocol: raw scores at its threshold."""
        return "paper" in self.metrics


def read_run_folder(tagger: Tagger) -> RunFolder:
    """Read everything but the images.

    A missing or damaged piece leaves its section empty.
    """
    folder = tagger.folder
    # model.json keeps the headline numbers: enough where metrics.json is gone
    metrics = folder.metrics or dict(tagger.info.metrics)
    return RunFolder(
        name=folder.path.resolve().name,
        info=tagger.info,
        metrics=metrics,
        config=folder.config_text,
        settings=folder.config,
        curves=folder.curves,
        scored=folder.scored(metrics.get("split"), most=MOST_ENTRIES),
        context=folder.context,
        vectors=_vectors(folder, tagger.info),
        graph=folder.graph,
    )


def find_images(run: RunFolder) -> dict[str, Path]:
    """Return the files of the evaluated images; empty where the data cannot be found."""
    source = DataSource.from_config(run.settings)
    if run.scored is None or source is None:
        return {}
    try:
        return source.load().files
    except (InputError, OSError):
        return {}


def with_evaluation(run: RunFolder, evaluation: Evaluation, data: str) -> RunFolder:
    """Return the run with the metrics of an evaluation instead of its training.

    The control's numbers are kept where the same images are evaluated by the same protocol.
    """
    metrics, scored, own = dict(evaluation), evaluation.scored, run.scored
    metrics.setdefault("head", run.info.head.name)
    if (
        own is not None
        and own.images == scored.images
        and np.array_equal(own.targets, scored.targets)
        and run.metrics.get("protocol") == metrics["protocol"]
    ):
        scored = replace(scored, control=own.control)
        kept = ("control", "difference_to_control")
        metrics |= {key: run.metrics[key] for key in kept if key in run.metrics}
    return replace(run, metrics=metrics, scored=scored, images=evaluation.images, data=data)


def _vectors(folder: TaggerFolder, info: TaggerInfo) -> LabelVectors | None:
    """Return the embedding that the head was built on, or another, or vectors of its weights."""
    stored = {} if folder.context is None else dict(folder.context.embeddings)
    kinds = [str(info.head.options.get("embedding")), *VECTORS]
    for kind in kinds:
        if kind in stored and kind in VECTORS:
            return LabelVectors(VECTORS[kind], stored[kind])
    own = folder.label_vectors
    if own is None or own.ndim != 2 or len(own) != len(info.labels):
        return None
    what = f"classifiers of the {info.head.name} head, one vector per label"
    return LabelVectors(what, own.astype(np.float32))
