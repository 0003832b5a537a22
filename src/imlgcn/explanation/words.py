"""An explanation in words: for the terminal, figures, and screen readers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from imlgcn.activation_maps import MapKind, Region, inside
from imlgcn.explanation.explanation import Explanation, LabelExplanation, position_in_words
from imlgcn.explanation.heat_map import HALF, heat, strength
from imlgcn.numbers import percent, signed

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


def sum_of_score(label: LabelExplanation) -> str:
    """Return the parts of a logit where the head has them; else nothing."""
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


def describe(explanation: Explanation, label: LabelExplanation) -> str:
    """Return the explanation of one label as a sentence: the text alternative of its figure."""
    verdict = "a tag" if label.is_tag else "no tag"
    looks = "attention" if explanation.kind == "attention" else "score"
    parts = (
        f"{label.label}: {percent(label.probability)}, threshold {percent(label.threshold)}, "
        f"{verdict}",
        f"strongest {looks}: {where(explanation, label)}",
        sum_of_score(label),
        margin_in_words(label),
        graph_in_words(label),
    )
    return "; ".join(part for part in parts if part) + "."
