"""The figures of the report, each a function of plain numbers, for notebooks as well.

They return a matplotlib ``Figure`` (drawn by Agg or SVG, without pyplot and its global state) in
the light colours of :mod:`imlgcn.palette`.

>>> from imlgcn.views import Difference, difference_figure
>>> difference_figure(Difference(1.2, -0.4, 2.9)).savefig("difference.png")  # doctest: +SKIP
"""

from imlgcn.views.axes import FONT, quiet
from imlgcn.views.context_check import context_figure
from imlgcn.views.cooccurrence import heat_map_figure
from imlgcn.views.curves import (
    Difference,
    curve_figure,
    difference_figure,
    differences_figure,
    reliability_figure,
)
from imlgcn.views.distribution import distribution_figure
from imlgcn.views.label_graph import graph_figure
from imlgcn.views.plane import plane_figure

__all__ = [
    "FONT",
    "Difference",
    "context_figure",
    "curve_figure",
    "difference_figure",
    "differences_figure",
    "distribution_figure",
    "graph_figure",
    "heat_map_figure",
    "plane_figure",
    "quiet",
    "reliability_figure",
]
