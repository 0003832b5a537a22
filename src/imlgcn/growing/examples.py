"""Images of new labels as the closed forms take them, and what the tagger knows.

Shapes: N images the head was fitted on, M of them that the kernel knows, Q images of new labels, C
channels, V length of a kernel vector, L labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from imlgcn.data.dataset import Dataset
from imlgcn.data.formats.base import Record
from imlgcn.errors import InputError
from imlgcn.growing.state import State
from imlgcn.models import Backbone
from imlgcn.models.grown import kernel_vectors
from imlgcn.models.image_space import GAMMA
from imlgcn.models.kernel_regression import kernel_scale, squared_distances, unit_roots
from imlgcn.models.kernel_scorer import KernelScorer
from imlgcn.models.new_label.ground import Ground
from imlgcn.progress import SILENT, Progress
from imlgcn.training.extract import (
    ImageFeatures,
    extract_features,
    features_of_rows,
    pooling_extractor,
)
from imlgcn.training.levels import in_memory

AT_ONCE = 16  # decoded images in the network, which bounds the memory of its maps
MOST = 4000  # images of the ground: a new label takes seconds, however many there are


@dataclass(frozen=True, eq=False)
class DecodedFile:
    """An image that was decoded elsewhere: network input ``(S, S, 3)``, and the file's number.

    ``content`` is :func:`imlgcn.files.content_number` of the file.
    """

    pixels: NDArray[np.uint8]
    content: int


NOTHING: Mapping[Path, DecodedFile] = {}


@dataclass(frozen=True, eq=False)
class Features:
    """Q images: means of the deepest map and of those before, and the vectors of the kernel."""

    pooled: NDArray[np.float32]  # (Q, C)
    stages: NDArray[np.float32]  # (Q, S)
    vectors: Tensor  # (Q, V), float64

    @property
    def units(self) -> Tensor:
        """Square-root vectors of the deepest map ``(Q, C)``, float64."""
        return unit_roots(torch.from_numpy(self.pooled).double())


def features_of(
    state: State,
    paths: Sequence[Path],
    progress: Progress = SILENT,
    decoded: Mapping[Path, DecodedFile] = NOTHING,
) -> Features:
    """Return the features of images, from the cache where they are known.

    Those that are ``decoded`` are not files: their paths only name them.

    Raises:
        InputError: one cannot be read.
    """
    if not paths:  # answers alone
        return _none(state)
    records = tuple(Record(str(path), path) for path in paths)
    dataset = Dataset((), records, np.zeros((len(paths), 0), np.int8), "", "")
    backbone = state.classifier.backbone
    if decoded:
        found = _features_of_pixels(backbone, dataset, [decoded[path].pixels for path in paths])
    else:
        found = extract_features(backbone, dataset, strict=True, progress=progress)
    pooled = found.means()
    stages = np.concatenate([pooled[:, :0], *found.stages], 1)
    head = state.head.cpu().eval()
    inputs = in_memory(
        found.inputs(head) if isinstance(head, KernelScorer) else found.pooled("avg")
    )
    with torch.no_grad():
        return Features(pooled, stages, kernel_vectors(head, inputs).double())


def _features_of_pixels(
    backbone: Backbone, dataset: Dataset, pixels: Sequence[NDArray[np.uint8]]
) -> ImageFeatures:
    extract = pooling_extractor(backbone)
    parts = [extract(np.stack(pixels[at : at + AT_ONCE])) for at in range(0, len(pixels), AT_ONCE)]
    return features_of_rows(backbone, dataset, np.concatenate(parts))


def _none(state: State) -> Features:
    head, support = state.head, state.support
    C = 0 if support is None or support.features is None else support.features.shape[1]
    V = head.support.shape[1] + head.stage_support.shape[1] if isinstance(head, KernelScorer) else C
    S = 0 if support is None or support.stages is None else support.stages.shape[1]
    empty = np.zeros((0, C), np.float32), np.zeros((0, S), np.float32)
    return Features(*empty, torch.zeros(0, V, dtype=torch.float64))


@dataclass(frozen=True, eq=False)
class Known:
    """The ground of a tagger: which of its N images, and which of its labels, take part."""

    ground: Ground
    rows: NDArray[np.int64]  # of the N images
    labels: list[int]  # of the tagger's labels, in the order of the ground's


def ground_of(state: State) -> Known | None:
    """Return what the tagger knows; None where it keeps no features of its images."""
    support, head = state.support, state.head
    if support is None or support.features is None:
        return None
    kernel = isinstance(head, KernelScorer)
    count = len(head.support) if isinstance(head, KernelScorer) else state.fitted
    rows = np.sort(np.random.default_rng(0).permutation(count)[:MOST])
    units = unit_roots(torch.from_numpy(support.features[rows].astype(np.float64)))
    vectors, rate = units, 0.0
    if isinstance(head, KernelScorer):
        vectors, rate = head.fitted_vectors(torch.float64)[rows], head.kernel_rate()
    if not kernel:
        rate = GAMMA / kernel_scale(squared_distances(units, units).fill_diagonal_(0))
    labels = [at for at in range(len(state.info.labels)) if state.growth.is_trained(at)]
    groups = np.arange(count) if support.groups is None else support.groups
    ground = Ground(
        units=units,
        kernel_units=vectors,
        rate=rate,
        targets=torch.from_numpy(support.targets[rows][:, labels].copy()),
        groups=torch.from_numpy(np.asarray(groups)[rows].copy()),
    )
    return Known(ground, rows, labels)


def bare_ground(state: State, others: Tensor) -> Ground:
    """Return a ground without labels, for a tagger that keeps no features of its images.

    Its images are those in the kernel head's own vectors; without such a head the ``others``, the
    images that a person has given as showing no new label.

    Raises:
        InputError: there is neither.
    """
    head = state.head
    if isinstance(head, KernelScorer):
        rows = head.fitted_vectors(torch.float64)[:MOST]
        units = torch.nn.functional.normalize(rows[:, -head.support.shape[1] :], dim=-1)
    elif len(others):
        units = others
    else:
        raise InputError(
            "the tagger keeps no features of its training images (keep_support=False), so images "
            "that do not show the label are needed: give some with absent="
        )
    targets = torch.zeros(len(units), 0, dtype=torch.int8)
    return Ground(units, units, GAMMA, targets, torch.arange(len(units)))
