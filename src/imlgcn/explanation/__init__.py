"""Why a label: where in the image its score comes from, and which labels shaped it."""

from imlgcn.explanation.explanation import Explanation, GraphEffect, LabelExplanation, Neighbour
from imlgcn.explanation.heat_map import heat, overlay, overlay_png, strength
from imlgcn.explanation.why import explain

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
