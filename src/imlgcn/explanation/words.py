"""An explanation in words: for the terminal, figures, and screen readers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from imlgcn.activation_maps import MapKind, Region, inside
from imlgcn.explanation.heat_map import HALF, heat, strength
from imlgcn.explanation.support import Ledger, SupportImage
from imlgcn.numbers import percent, plural, signed

if TYPE_CHECKING:
    from imlgcn.explanation.explanation import Explanation, LabelExplanation

FINE = 96  # positions per axis of the map that is described
FEW = 4  # neighbours named in a sentence
LEAST = 0.05  # of the map's score: a smaller part from the margin is not mentioned


def logit_in_words(value: float) -> str:
    """Return a logit, or a part of one, with its sign: two decimals."""
    return signed(value, 2)


def where(explanation: Explanation, label: LabelExplanation) -> str:
    """Return where in the image a label's activation map is strong, in a few words."""
    return where_strong(label.map, explanation.region, explanation.kind)


def where_strong(activation_map: NDArray[np.float32], region: Region, kind: MapKind) -> str:
    """Return where in the image, which is that region of the map ``(h, w)``, it is strong.

    A map that is strong only on the margin says so; one that is weak everywhere has no position.

    >>> where_strong(np.array([[0.0, 9.0]], np.float32), Region(0.0, 0.0, 0.4, 1.0), "score")
    'on the margin, outside the image'
    """
    within = heat(activation_map, (FINE, FINE), region, kind)
    strengths = strength(activation_map, kind)
    strongest_inside = inside(region, *activation_map.shape).flat[strengths.argmax()] >= 0.5
    if within.max() < HALF <= strengths.max() and not strongest_inside:
        return "on the margin, outside the image"
    return position_in_words(within)


POSITIONS = (
    ("upper left", "top", "upper right"),
    ("left", "centre", "right"),
    ("lower left", "bottom", "lower right"),
)


def position_in_words(strengths: NDArray[np.float32]) -> str:
    """Return where in the image a map ``(H, W)`` of strengths 0 to 1 is strong, in a few words.

    >>> strengths = np.zeros((30, 30), np.float32)
    >>> strengths[2:8, 21:29] = 1
    >>> position_in_words(strengths)
    'upper right, 5 % of the image'
    """
    strong = strengths >= 0.5
    if not strong.any():
        return "nowhere in particular"
    H, W = strengths.shape
    weight = np.where(strong, strengths, 0)
    rows, columns = weight.sum(axis=1), weight.sum(axis=0)
    row = float(rows @ (np.arange(H) + 0.5) / rows.sum() / H)
    column = float(columns @ (np.arange(W) + 0.5) / columns.sum() / W)
    position = POSITIONS[min(int(3 * row), 2)][min(int(3 * column), 2)]
    return f"{position}, {percent(strong.mean())} of the image"


def sum_of_score(label: LabelExplanation) -> str:
    """Return the parts of a logit where the head has them; else nothing."""
    if label.support is not None:
        parts = Ledger.of(label.support)
        named = plural(len(parts.shown), "image")
        return (
            f"score {logit_in_words(parts.score)} = bias {logit_in_words(parts.bias)}, {named} "
            f"{logit_in_words(sum(parts.shown))}, {plural(label.support.others, 'other')} "
            f"{logit_in_words(parts.rest)}"
        )
    if label.bias is None:
        if label.linear is None:
            return ""
        return (
            f"logit {logit_in_words(label.logit)}; the linear path alone "
            f"{logit_in_words(label.linear)}"
        )
    seen = label.logit - label.bias
    return (
        f"logit {logit_in_words(label.logit)} = map {logit_in_words(seen)}, bias "
        f"{logit_in_words(label.bias)}"
    )


def margin_in_words(label: LabelExplanation) -> str:
    """Return the contribution of the padding where it matters."""
    seen = 0.0 if label.bias is None else label.logit - label.bias
    if label.margin is None or abs(label.margin) < LEAST * abs(seen):
        return ""
    return f"of the map, {logit_in_words(label.margin)} is from the white margin"


def graph_in_words(label: LabelExplanation) -> str:
    """Return the labels that contributed through the graph; nothing for other heads."""
    graph = label.graph
    if graph is None:
        return ""
    named = ", ".join(f"{n.label} {logit_in_words(n.effect)}" for n in graph.neighbours[:FEW])
    more = len(graph.neighbours) - FEW
    others = f" and {more} more" if more > 0 else ""
    own = "" if graph.own is None else f"own node {logit_in_words(graph.own)}; "
    brought = f"neighbours {named}{others}" if named else "no neighbours"
    return f"{own}{brought}; without the graph {percent(graph.probability)}"


def support_in_words(label: LabelExplanation) -> list[tuple[str, list[str]]]:
    """Return the sides, for and against, each with its training images and what these add."""
    support = label.support
    if support is None:
        return []
    sides = (
        ("training images for it", support.speaks_for, True),
        ("training images against it", support.speaks_against, False),
    )
    return [
        (side, [_vote(image, expected) for image in images])
        for side, images, expected in sides
        if images
    ]


def image_name(image: SupportImage) -> str:
    """Return the name of a training image without characters that cannot be printed."""
    if image.name is None:
        return f"row {image.row}"
    return "".join(letter if letter.isprintable() else " " for letter in image.name)


def _vote(image: SupportImage, expected: bool) -> str:
    """Return an image with its effect; what is unexpected about its own label is said."""
    odd = image.present is not None and image.present != expected
    note = (" (without the label)" if expected else " (with the label)") if odd else ""
    return f"{logit_in_words(image.effect)} {image_name(image)}{note}"


def describe(explanation: Explanation, label: LabelExplanation) -> str:
    """Return the explanation of one label as a sentence: the text alternative of its figure."""
    verdict = "a tag" if label.is_tag else "no tag"
    looks = {"attention": "attention", "occlusion": "fall"}.get(explanation.kind, "score")
    parts = (
        f"{label.label}: {percent(label.probability)}, threshold {percent(label.threshold)}, "
        f"{verdict}",
        f"strongest {looks}: {where(explanation, label)}",
        sum_of_score(label),
        margin_in_words(label),
        graph_in_words(label),
        *(f"{side}: {', '.join(votes)}" for side, votes in support_in_words(label)),
    )
    return "; ".join(part for part in parts if part) + "."
