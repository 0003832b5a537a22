"""Rules of a label graph from the pairs that occur: what many labels leave room for.

:func:`imlgcn.labels.graph.strongest_rules` says the same of a matrix of counts. Letters: L labels,
K pairs that occur, R rules.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from imlgcn.errors import InputError
from imlgcn.labels.context import LabelContext
from imlgcn.labels.graph import Edge


class Rules(NamedTuple):
    """P(target | source) of pairs of different labels; each ``(R,)``, the strongest first."""

    sources: NDArray[np.int64]
    targets: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    counts: NDArray[np.int64]

    def edges(self, names: tuple[str, ...], most: int | None = None) -> list[Edge]:
        """Return the first ``most`` rules, or all, by the names of their labels."""
        found = zip(*(column[:most].tolist() for column in self), strict=True)
        return [Edge(names[i], names[j], p, n) for i, j, p, n in found]

    def take(self, rows: NDArray[np.integer] | NDArray[np.bool_]) -> Rules:
        """Return some rules, in that order."""
        sources, targets, probabilities, counts = self
        return Rules(sources[rows], targets[rows], probabilities[rows], counts[rows])

    def among(self, chosen: NDArray[np.bool_]) -> Rules:
        """Return the rules between the chosen labels, of ``(L,)``."""
        return self.take(chosen[self.sources] & chosen[self.targets])


def find_rules(context: LabelContext, threshold: float) -> Rules:
    """Return the edges of the graph, by probability, then by number of images, descending.

    Raises:
        InputError: ``threshold`` is not above 0 and at most 1.
    """
    if not 0 < threshold <= 1:
        raise InputError(f"the graph threshold must be above 0 and at most 1; got {threshold}")
    found = _pairs(context)
    kept = np.flatnonzero(found.probabilities >= threshold)
    order = kept[np.lexsort((-found.counts[kept], -found.probabilities[kept]))]
    return found.take(order)


def rules_around(
    context: LabelContext, label: int, most: int, threshold: float, own_threshold: float
) -> Rules:
    """Return the rules among a label and the ``most`` labels that share most images with it.

    Those to or from the label have at least ``own_threshold``, the others ``threshold``.
    """
    found = _pairs(context)
    own = np.flatnonzero((found.sources == label) | (found.targets == label))
    own = own[found.probabilities[own] >= own_threshold]
    order = own[np.argsort(-found.counts[own], kind="stable")]
    others = found.sources[order] + found.targets[order] - label
    _, firsts = np.unique(others, return_index=True)
    chosen = np.zeros(context.num_labels, bool)
    chosen[others[np.sort(firsts)[:most]]] = chosen[label] = True
    kept = found.among(chosen)
    has_label = (kept.sources == label) | (kept.targets == label)
    strong = kept.probabilities >= np.where(has_label, own_threshold, threshold)
    order = np.flatnonzero(strong)
    order = order[np.lexsort((-kept.counts[order], -kept.probabilities[order]))]
    return kept.take(order)


def linked(rules: Rules, num_labels: int) -> NDArray[np.bool_]:
    """Return which labels have a rule in or out (L,)."""
    found = np.zeros(num_labels, bool)
    found[rules.sources] = found[rules.targets] = True
    return found


def partners(context: LabelContext, most: int) -> Rules:
    """Return the ``most`` strongest rules of each label, however weak; by label, strongest first.

    >>> context = LabelContext.from_targets(["cat", "dog"], np.array([[1, 1], [0, 1]]))
    >>> partners(context, 1).probabilities.tolist()
    [1.0, 0.5]
    """
    found = _pairs(context)
    order = np.lexsort((found.targets, -found.probabilities, found.sources))
    begins = np.searchsorted(found.sources[order], np.arange(context.num_labels))
    rank = np.arange(len(order)) - begins[found.sources[order]]
    return found.take(order[rank < most])


def _pairs(context: LabelContext) -> Rules:
    """Return every pair of different labels that occurs, by source and target."""
    counts = context.sparse_pairs
    sources, targets = counts.rows, counts.columns.astype(np.int64)
    kept = sources != targets
    sources, targets, values = sources[kept], targets[kept], counts.values[kept].astype(np.int64)
    occurred = context.occurrences[sources]
    probabilities = np.divide(values, occurred, out=np.zeros(len(values)), where=occurred > 0)
    return Rules(sources, targets, probabilities, values)
