"""Explanations that need the trained network, not only an exported file.

The contributions of other labels through the label graph and of training images, and the part of a
score from the linear layer that some attention heads have. Shapes: L labels, S input size, N images
that a head was fitted on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from imlgcn.explanation.explanation import GraphEffect, Neighbour
from imlgcn.explanation.support import SupportEffect, SupportNames, support_effect
from imlgcn.extras import installed
from imlgcn.labels.context import LabelContext
from imlgcn.labels.on_demand import stored
from imlgcn.labels.pairs import column_of
from imlgcn.tagger import Tagger, load_classifier

if TYPE_CHECKING:
    from imlgcn.models import Head, MultiLabelClassifier
    from imlgcn.models.scorer import Features

NO_PYTORCH = (
    "what other labels or training images contribute is computed by PyTorch, which is not "
    "installed: pip install 'imlgcn[train]'"
)
NO_EFFECT = 1e-6  # of the strongest one: below, there is no edge


@dataclass(frozen=True, eq=False)
class Insight:
    """The findings; empty where the network has neither graph, linear layer nor support.

    Attributes:
        linear: logits (L,) of the plain linear layer on the mean of the map.
        without_graph: probabilities (L,) without the label graph.
        effects: of the graph, by label index.
        support: the sums over training images, by label index.
        note: why these have no names; empty if they have, or if there are none.
    """

    linear: NDArray[np.float64] | None = None
    without_graph: NDArray[np.float64] | None = None
    effects: Mapping[int, GraphEffect] = field(default_factory=dict)
    support: Mapping[int, SupportEffect] = field(default_factory=dict)
    note: str = ""


def look_inside(tagger: Tagger, pixels: NDArray[np.uint8], labels: Sequence[int]) -> Insight:
    """Run one image ``(1, S, S, 3)`` through the trained network, not folded.

    Without PyTorch nothing is found, and the note says so.
    """
    if not installed("torch"):
        return Insight(note=NO_PYTORCH)
    import torch

    from imlgcn.models import HEADS, PixelInput
    from imlgcn.models import Head as Base

    kind = HEADS[tagger.info.head.name]
    linear_path = kind.linear_path is not Base.linear_path
    if not (kind.neighbour_effect or linear_path or kind.has_support):
        return Insight()
    if tagger.info.growth is not None and not kind.has_support:
        return Insight()  # the graph is one between the labels it was trained with
    classifier, context = load_classifier(tagger.path, tagger.info)
    head = _trained_head(classifier)
    with torch.inference_mode():
        images = PixelInput(tagger.info.image)(torch.from_numpy(pixels))
        features = classifier.features(images)
        if head.has_support:
            names = SupportNames(tagger, len(head.support_weights()))
            columns = _columns(tagger, labels)
            return Insight(support=_support(head, features, columns, names), note=names.note)
        path = head.linear_path(features)
        linear = None if path is None else path[0].double().numpy()  # (L,)
        if head.neighbour_effect is None:
            return Insight(linear)
        alone = head.without_graph(features).double().numpy()  # (1, L)
        brought = {label: head.neighbours(features, label).double().numpy() for label in labels}
    scores = tagger.calibration.apply(alone)[0]
    effects = {
        label: _effect(head, context, label, parts, float(alone[0, label]), float(scores[label]))
        for label, parts in brought.items()
    }
    return Insight(linear, scores, effects)


class SupportNetwork:
    """The network of a tagger whose head scores by its training images, kept for many questions.

    ``note`` says why the images have no names; empty if they have. Any thread may call it.
    """

    def __init__(self, tagger: Tagger) -> None:
        from imlgcn.models import PixelInput

        classifier, _ = load_classifier(tagger.path, tagger.info)
        head = _trained_head(classifier)
        assert head.has_support
        self._tagger = tagger
        self._classifier, self._head = classifier, head
        self._input = PixelInput(tagger.info.image)
        self._names = SupportNames(tagger, len(head.support_weights()))
        self.note = self._names.note

    def __call__(
        self, pixels: NDArray[np.uint8], labels: Sequence[int]
    ) -> dict[int, SupportEffect]:
        """Return the sums over training images for one image ``(1, S, S, 3)``, by label index."""
        import torch

        with torch.inference_mode():
            images = self._input(torch.from_numpy(pixels))
            features = self._classifier.features(images)
            columns = _columns(self._tagger, labels)
            return _support(self._head, features, columns, self._names)


def _trained_head(classifier: MultiLabelClassifier) -> Head:
    """Return the head as it was trained, without labels that were added since."""
    from imlgcn.models import Head
    from imlgcn.models.grown import GrownHead

    head = classifier.eval().head
    if isinstance(head, GrownHead):
        head = head.head
    assert isinstance(head, Head)
    return head


def _columns(tagger: Tagger, labels: Sequence[int]) -> dict[int, int]:
    """Return which score of the head each label is; one that was added or merged is none."""
    growth = tagger.info.growth
    if growth is None:
        return {label: label for label in labels}
    found = {label: growth.outputs[label] for label in labels}
    own = len(growth.head_labels)
    return {label: c[0] for label, c in found.items() if len(c) == 1 and c[0] < own}


def _support(
    head: Head, features: Features, columns: Mapping[int, int], names: SupportNames
) -> dict[int, SupportEffect]:
    """Return what the training images add to the score of each label: label -> column of scores."""
    scores = head(features)[0].double().numpy()  # (L,)
    effects = {}
    for label, column in columns.items():
        parts = head.support_contributions(features, column).double().numpy()  # (N,)
        effects[label] = support_effect(parts, float(scores[column]), names.describer(label))
    return effects


def _effect(
    head: Head,
    context: LabelContext,
    label: int,
    parts: NDArray[np.float64],
    logit: float,
    probability: float,
) -> GraphEffect:
    """Return the contributions (L,) of labels to the logit of one, with names."""
    assert head.neighbour_effect is not None
    together = column_of(stored(context, "pair_counts"), label)  # (L,)
    conditional = np.where(
        np.arange(len(together)) == label, 0.0, together / np.maximum(context.occurrences, 1)
    )
    order = [int(index) for index in np.argsort(-np.abs(parts), kind="stable") if index != label]
    floor = NO_EFFECT * max(np.abs(parts).max(), 1.0)
    return GraphEffect(
        kind=head.neighbour_effect,
        own=float(parts[label]) if head.neighbour_effect == "parts" else None,
        neighbours=tuple(
            Neighbour(
                label=context.names[index],
                effect=float(parts[index]),
                probability=float(conditional[index]) if context.num_images else None,
            )
            for index in order
            if abs(parts[index]) > floor
        ),
        logit=logit,
        probability=probability,
    )
