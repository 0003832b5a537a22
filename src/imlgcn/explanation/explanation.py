"""The explanation of one image's tags, as plain numbers.

Shapes: L labels, h w map over the network input.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imlgcn.activation_maps import MapKind, NeighbourEffect, Region, inside
from imlgcn.explanation.support import SupportEffect


@dataclass(frozen=True)
class Neighbour:
    """The contribution of another label to a label's logit through the graph.

    Attributes:
        label: the other label.
        effect: in logits; `GraphEffect.kind` is its meaning.
        probability: fraction of the training images with the other label that show this one; None
            where the tagger has no counts (an imported checkpoint).
    """

    label: str
    effect: float
    probability: float | None


@dataclass(frozen=True)
class GraphEffect:
    """How the label graph shaped one label's score.

    Attributes:
        kind: ``parts``: own, neighbours and bias add up to the logit; ``edges``: each neighbour's
            effect is how much the logit falls without the edges between the two.
        own: the contribution of the label's own node, in logits; None for ``edges``.
        neighbours: the other labels with an effect, strongest first.
        logit, probability: of the same weights without the graph.
    """

    kind: NeighbourEffect
    own: float | None
    neighbours: tuple[Neighbour, ...]
    logit: float
    probability: float


@dataclass(frozen=True, eq=False)
class LabelExplanation:
    """Why one label is a tag, or not.

    Attributes:
        label: its name.
        wanted: it was asked for.
        probability, threshold: 0 to 1; it is a tag if the first reaches the second.
        logit: the network's score, before calibration.
        map: float32 ``(h, w)`` over the network input, padding included.
        bias: the logit of a map of zeros; None where a map does not add up to the logit.
        margin: the part of the logit that comes from the padding; None as above.
        linear: the part of the logit that an attention head's plain linear layer on the mean of
            the map adds, which the attention does not show; None without such a layer.
        graph: None for a head without a label graph.
        support: the training images that speak for and against it; None for a head that does not
            score by them.
    """

    label: str
    wanted: bool
    probability: float
    threshold: float
    logit: float
    map: NDArray[np.float32]
    bias: float | None
    margin: float | None
    linear: float | None
    graph: GraphEffect | None
    support: SupportEffect | None = None

    @property
    def is_tag(self) -> bool:
        """Whether the probability reaches the threshold."""
        return self.probability >= self.threshold


@dataclass(frozen=True, eq=False)
class Explanation:
    """All labels' scores of one image, and the explanations of some of them.

    Attributes:
        image: name of the file, or "image".
        head: name of the head.
        kind: of the maps, see `imlgcn.activation_maps.MEANING`.
        region: where the maps show the image.
        names, probabilities, thresholds: of all labels (L,), in the tagger's order.
        without_graph: probabilities (L,) without the graph; None for a head without one.
        labels: the explained ones: those asked for, then the most probable.
        note: what could not be named and why, a sentence; empty if nothing is missing.
        picture: a small copy of the image, which a notebook shows; not in :meth:`to_dict`.
    """

    image: str
    head: str
    kind: MapKind
    region: Region
    names: tuple[str, ...]
    probabilities: NDArray[np.float64]
    thresholds: NDArray[np.float64]
    without_graph: NDArray[np.float64] | None
    labels: tuple[LabelExplanation, ...]
    note: str = ""
    picture: Image.Image | None = field(default=None, repr=False)

    def _repr_html_(self) -> str:
        """Return it as a card: the maps over the image, and what adds to each score."""
        from imlgcn.explanation.card import explanation_card

        return explanation_card(self)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON can hold it: maps as lists of rows."""
        scores = zip(self.names, self.probabilities, self.thresholds, strict=True)
        return {
            "image": self.image,
            "head": self.head,
            "map": {"kind": self.kind, "region": list(self.region)},
            "labels": [_label_dict(label) for label in self.labels],
            "note": self.note,
            "scores": [
                {"label": name, "probability": float(p), "threshold": float(t)}
                for name, p, t in scores
            ],
        }


def _label_dict(label: LabelExplanation) -> dict[str, Any]:
    simple = ("label", "wanted", "probability", "threshold", "logit", "bias", "margin", "linear")
    graph = label.graph
    return {
        **{name: getattr(label, name) for name in simple},
        "tag": label.is_tag,
        "map": [[round(float(value), 5) for value in row] for row in label.map],
        "graph": None
        if graph is None
        else {
            "kind": graph.kind,
            "own": graph.own,
            "neighbours": [vars(neighbour) for neighbour in graph.neighbours],
            "without_graph": {"logit": graph.logit, "probability": graph.probability},
        },
        "support": None if label.support is None else _support_dict(label.support),
    }


def _support_dict(support: SupportEffect) -> dict[str, Any]:
    """Return the images without their thumbnails, which are not text."""
    names = ("row", "name", "effect", "present")
    sides = {"for": support.speaks_for, "against": support.speaks_against}
    images = {
        side: [{name: getattr(image, name) for name in names} for image in shown]
        for side, shown in sides.items()
    }
    return {"bias": support.bias, **images, "rest": support.rest, "others": support.others}


def margin_part(activation_map: NDArray[np.float32], region: Region) -> float:
    """Return how much of a score map's mean is outside the image.

    >>> margin_part(np.array([[1.0], [4.0]], np.float32), Region(0.0, 0.5, 1.0, 1.0))
    0.5
    """
    outside = 1 - inside(region, *activation_map.shape)
    return float((activation_map * outside).mean())
