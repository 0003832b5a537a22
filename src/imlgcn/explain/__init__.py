"""Why a label: where in the image its score comes from, and which labels shaped it."""

from imlgcn.explain.explanation import Explanation, GraphEffect, LabelExplanation, Neighbour
from imlgcn.explain.overlay import heat, overlay, overlay_png, strength
from imlgcn.explain.why import explain

__all__ = [
    "Explanation",
    "GraphEffect",
    "LabelExplanation",
    "Neighbour",
    "explain",
    "heat",
    "overlay",
    "overlay_png",
    "strength",
]
