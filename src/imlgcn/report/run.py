"""What a report is made from: a tagger folder, read without torch; what is missing is empty."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from imlgcn.config import InputError
from imlgcn.data.source import DataSource
from imlgcn.labels.context import LabelContext
from imlgcn.tagger.folder import Curves, TaggerFolder
from imlgcn.tagger.scores import ScoredSplit

if TYPE_CHECKING:
    from imlgcn.evaluation import Evaluation
    from imlgcn.tagger import Tagger, TaggerInfo

VECTORS = {  # kind -> what to call it
    "image_pca": "principal components of image-based label embeddings (F_PCA)",
    "image": "image-based label embeddings (F_I)",
    "words": "word vectors of the label names",
}


class LabelVectors(NamedTuple):
    """One vector per label (L, D), and what to call them."""

    what: str
    values: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class RunFolder:
    """A tagger and the scores it is judged by, as the report sees them."""

    name: str
    info: TaggerInfo
    metrics: dict[str, Any]
    config: str  # the text of config.yaml
    settings: dict[str, Any]  # its content; empty where it cannot be read
    curves: Curves
    scored: ScoredSplit | None  # the split that `metrics` judges
    context: LabelContext | None
    vectors: LabelVectors | None
    graph: NDArray[np.float32] | None = None  # (L, L) that the head was built on
    images: Mapping[str, Path] = field(default_factory=dict)  # name in `scored` -> file
    data: str | None = None  # what was judged, where that is not the data of the training

    @property
    def imported(self) -> bool:
        """A published checkpoint: nothing of it was trained, fitted or calibrated here."""
        return bool(self.info.origin)

    @property
    def paper(self) -> bool:
        """Judged by a paper's own protocol: raw scores at its threshold, not calibrated ones."""
        return "paper" in self.metrics


def read_run_folder(tagger: Tagger) -> RunFolder:
    """Read everything but the images.

    A piece that is missing or damaged costs its section, never the report.
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
        scored=folder.scored(metrics.get("split")),
        context=folder.context,
        vectors=_vectors(folder, tagger.info),
        graph=folder.graph,
    )


def find_images(run: RunFolder) -> dict[str, Path]:
    """Return the files of the images a run was judged by; empty where its data is not at hand."""
    source = DataSource.from_config(run.settings)
    if run.scored is None or source is None:
        return {}
    try:
        return source.load().files
    except (InputError, OSError):
        return {}


def with_evaluation(run: RunFolder, evaluation: Evaluation, data: str) -> RunFolder:
    """Return the run judged by an evaluation instead of by its own training.

    The control's numbers are kept where the very same images are judged by the same protocol.
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
