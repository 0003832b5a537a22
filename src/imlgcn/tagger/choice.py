"""Which labels of an image become tags: thresholds, label table, bounds on their number.

Letters: L labels, K tags.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imlgcn.errors import InputError
from imlgcn.labels.label_table import Decision, LabelTable


@dataclass(frozen=True)
class TagBounds:
    """Bounds on the tags of an image.

    Attributes:
        top_k: exactly the K most probable labels are its tags, whatever their thresholds.
        at_least: so many tags; the most probable labels fill up those above their thresholds.
        at_most: so many; of those above their thresholds the most probable ones.

    Labels that the label table hides are never tags.

    Raises:
        InputError: a number below 1 (``at_least``: below 0), or bounds that exclude each other.
    """

    top_k: int | None = None
    at_least: int | None = None
    at_most: int | None = None

    def __post_init__(self) -> None:
        for name, least in (("top_k", 1), ("at_least", 0), ("at_most", 1)):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not _is_whole(value, least)):
                raise InputError(f"{name}= takes a whole number from {least} on; got {value!r}")
        if self.top_k is not None and (self.at_least, self.at_most) != (None, None):
            raise InputError(
                "top_k= gives the most probable labels whatever their thresholds: leave at_least= "
                "and at_most= out, or give them without top_k="
            )
        if self.at_most is not None and (self.at_least or 0) > self.at_most:
            raise InputError(f"at_least={self.at_least} is more than at_most={self.at_most}")

    @property
    def are_set(self) -> bool:
        """Whether there is any bound."""
        return (self.top_k, self.at_least, self.at_most) != (None, None, None)


@dataclass(frozen=True, eq=False)
class TagRule:
    """Decides about the tags of one image at a time.

    Attributes:
        table: the label table.
        thresholds: of each label ``(L,)``.
        bounds: on the number of tags.
    """

    table: LabelTable
    thresholds: NDArray[np.float64]
    bounds: TagBounds = TagBounds()

    @property
    def decides(self) -> bool:
        """Whether tags may be others than the labels with p >= t."""
        return self.table.decides or self.bounds.are_set

    def decide(self, probabilities: NDArray[np.float64]) -> Decision:
        """Return the probabilities and tags, both (L,), from calibrated probabilities (L,)."""
        scores, given = self.table.decide(probabilities, self.thresholds)
        bounds = self.bounds
        if not bounds.are_set:
            return Decision(scores, given)
        order = self._most_probable(scores, given)
        shown = order[self.table.shown[order]]
        chosen = shown if bounds.top_k is not None else order[given[order]]
        most = bounds.at_most if bounds.top_k is None else bounds.top_k
        chosen = chosen[:most]
        if (missing := (bounds.at_least or 0) - len(chosen)) > 0:
            others = shown[~np.isin(shown, chosen)]
            chosen = np.concatenate([chosen, others[:missing]])
        tagged = np.zeros(len(scores), bool)
        tagged[chosen] = True
        return Decision(scores, tagged)

    def _most_probable(
        self, scores: NDArray[np.float64], given: NDArray[np.bool_]
    ) -> NDArray[np.intp]:
        """Return the labels that bounds may ask for, the most probable first.

        Of thousands of labels only a few are put in order.
        """
        bounds, hidden = self.bounds, int((~self.table.shown).sum())
        wanted = max(bounds.top_k or 0, bounds.at_least or 0, 1) + hidden
        near = np.arange(len(scores))
        if wanted < len(scores):
            near = np.flatnonzero(
                given | (scores >= -np.partition(-scores, wanted - 1)[wanted - 1])
            )
        ordered: NDArray[np.intp] = near[np.argsort(-scores[near], kind="stable")]
        return ordered


def _is_whole(value: object, least: int) -> bool:
    return isinstance(value, int) and value >= least
