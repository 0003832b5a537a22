"""The images that labels were added from: those of earlier changes, and those of this one.

Shapes: Q images, C channels, V length of a kernel vector, L labels of the tagger with the new ones,
N images the head was fitted on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from imlgcn.errors import InputError
from imlgcn.growing.edit import checked_name
from imlgcn.growing.examples import Features
from imlgcn.growing.state import State
from imlgcn.models.kernel_regression import unit_roots
from imlgcn.tagger.support import Support


@dataclass(frozen=True)
class NewLabel:
    """A label and what a person has said of images.

    Attributes:
        name: of the label; one that was added before learns from these images too.
        images: files that show it.
        absent: files that do not.
        answers: names of images that the tagger was fitted on, as it knows them: 1 or 0.
    """

    name: str
    images: tuple[Path, ...] = ()
    absent: tuple[Path, ...] = ()
    answers: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Pool:
    """Q images and what is known of them.

    Attributes:
        labels: L, those of the tagger and then new ones.
        images: Q names.
        pooled: means of the deepest map ``(Q, C)``.
        stages: means of the blocks before it, joined ``(Q, S)``.
        vectors: what the kernel takes ``(Q, V)``, float64.
        targets: ``(Q, L)``: 1, 0, -1 unknown.
        answers: the same of the fitted images ``(N, L)``; without these, of none.
    """

    labels: tuple[str, ...]
    images: tuple[str, ...]
    pooled: NDArray[np.float32]
    stages: NDArray[np.float32]
    vectors: Tensor
    targets: NDArray[np.int8]
    answers: NDArray[np.int8]

    @property
    def units(self) -> Tensor:
        """Square-root vectors of the deepest map ``(Q, C)``, float64."""
        return unit_roots(torch.from_numpy(self.pooled).double())


def gather(
    state: State,
    labels: Sequence[NewLabel],
    paths: Sequence[Path],
    features: Features,
    known: Mapping[Path, Mapping[str, int]],
    called: Mapping[Path, str],
) -> Pool:
    """Return the images of earlier changes and the new ones, with all that is known of them.

    Images that are ``called`` nothing else have their paths as names.
    """
    names = list(state.info.labels)
    names += [label.name for label in labels if label.name not in names]
    column = {name: place for place, name in enumerate(names)}
    row = {path: place for place, path in enumerate(paths)}
    targets = np.full((len(paths), len(names)), -1, np.int8)
    for path, others in known.items():
        for name, value in others.items():
            if path in row and name in column:
                targets[row[path], column[name]] = value
    answers = _fitted(state, len(names))
    place = {} if state.support is None else _places(state.support.images[: state.fitted])
    for label in labels:
        at = column[label.name]
        for value, files in ((1, label.images), (0, label.absent)):
            targets[[row[path] for path in files], at] = value
        for image, value in label.answers.items():
            answers[place[image], at] = value
    old = _earlier(state, len(names), features)
    return Pool(
        labels=tuple(names),
        images=(*old.images, *(called.get(path, path.as_posix()) for path in paths)),
        pooled=np.concatenate([old.pooled, features.pooled]),
        stages=np.concatenate([old.stages, features.stages]),
        vectors=torch.cat([old.vectors, features.vectors]),
        targets=np.concatenate([old.targets, targets]),
        answers=answers,
    )


def check_labels(state: State, labels: Sequence[NewLabel]) -> list[NewLabel]:
    """Return the labels with plain names.

    Raises:
        InputError: none, one without an image, one that was trained with the tagger, or an answer
            about an image that the tagger does not know.
    """
    if not labels:
        raise InputError("no label to add was given")
    plain = [NewLabel(checked_name(x.name), x.images, x.absent, x.answers) for x in labels]
    names = [label.name for label in plain]
    if twice := {name for name in names if names.count(name) > 1}:
        raise InputError(f"the label {min(twice)!r} is given twice; give all its images at once")
    kept = set() if state.support is None else set(state.support.images[: state.fitted])
    for label in plain:
        _check(state, label, kept)
    return plain


def _check(state: State, label: NewLabel, kept: set[str]) -> None:
    name, earlier = label.name, was_added(state, label.name)
    if name in state.info.labels and not earlier:
        raise InputError(
            f"the tagger was trained with the label {name!r}; to learn it from more images, "
            f"train with start={str(state.path)!r}"
        )
    if earlier and state.support is None:
        raise InputError(
            f"there is a label {name!r}, and its images were not kept; remove it first"
        )
    if earlier and not (label.images or label.absent or label.answers):
        raise InputError(f"nothing new is said of the label {name!r}; give more images or answers")
    if not (label.images or earlier or 1 in label.answers.values()):
        raise InputError(f"no image shows the new label {name!r}; give at least one")
    if both := set(label.images) & set(label.absent):
        raise InputError(f"{min(both)} is given as showing {name!r} and as not showing it")
    if other := [image for image in label.answers if image not in kept]:
        raise InputError(
            f"the answers name {other[0]!r}, which is none of the tagger's training images"
        )


def was_added(state: State, name: str) -> bool:
    """Return whether a label was added to the tagger, not trained with it."""
    if name not in state.info.labels:
        return False
    return state.growth.is_added(state.place(name))


def _places(images: Sequence[str]) -> dict[str, int]:
    return {image: place for place, image in enumerate(images)}


def _fitted(state: State, labels: int) -> NDArray[np.int8]:
    """Return the targets of the fitted images ``(N, L)``, unknown for new labels."""
    if state.support is None:
        return np.zeros((0, labels), np.int8)
    old = state.support.targets[: state.fitted]
    return np.pad(old, ((0, 0), (0, labels - old.shape[1])), constant_values=-1)


def _earlier(state: State, labels: int, like: Features) -> Pool:
    """Return the images of earlier changes."""
    support, added, start = state.support, state.added, state.fitted
    if support is None or support.features is None or added is None:
        return Pool(
            (),
            (),
            like.pooled[:0],
            like.stages[:0],
            like.vectors[:0],
            np.zeros((0, labels), np.int8),
            np.zeros((0, labels), np.int8),
        )
    targets = support.targets[start:]
    return Pool(
        (),
        support.images[start:],
        support.features[start:].astype(np.float32),
        _stages(support, start, like),
        added.new_rows.double(),
        np.pad(targets, ((0, 0), (0, labels - targets.shape[1])), constant_values=-1),
        targets[:0],
    )


def _stages(support: Support, start: int, like: Features) -> NDArray[np.float32]:
    """Return the stages of the images of earlier changes; zero where they were not kept."""
    if support.stages is not None:
        return support.stages[start:].astype(np.float32)
    return np.zeros((len(support.images) - start, like.stages.shape[1]), np.float32)
