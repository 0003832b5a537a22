"""Parents proposed from the data: labels that nearly every image with another label has as well.

Letters: N images, L labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MIN_PROBABILITY = 0.98  # P(parent|child)
MIN_IMAGES = 20  # with the child; after fewer, a rule is often broken by the next image
CHANCE = 0.01  # that any pair of labels looks like this without being related


@dataclass(frozen=True)
class ProposedParent:
    """A label that may be above another one.

    Attributes:
        child, parent: the labels.
        probability: P(parent|child), 0 to 1, over the images where both are known.
        images: with the child.
    """

    child: str
    parent: str
    probability: float
    images: int


def propose_parents(names: Sequence[str], targets: NDArray[np.int8]) -> list[ProposedParent]:
    """Return the pairs that the data suggest, those with most images first.

    Not proposed: a parent that follows from the others, a pair in which each would be above the
    other (they may be one label), and a label on so many images that it is found with any other.

    Args:
        names: L labels.
        targets: ``(N, L)``, 1 present, 0 absent, -1 unknown.

    >>> targets = np.array([[1, 1]] * 30 + [[0, 1]] * 5 + [[0, 0]] * 65, np.int8)
    >>> propose_parents(["dog", "animal"], targets)
    [ProposedParent(child='dog', parent='animal', probability=1.0, images=30)]
    """
    present, known = (targets == 1).astype(np.float32), (targets != -1).astype(np.float32)
    both, images = present.T @ present, present.T @ known  # (L, L) child, parent
    probability = both / np.maximum(images, 1)
    share = present.sum(0) / np.maximum(known.sum(0), 1)  # (L,)
    L = len(names)
    by_chance = share[None, :] ** np.maximum(images, 1) * L * L > CHANCE
    likely = (probability >= MIN_PROBABILITY) & (images >= MIN_IMAGES) & ~by_chance
    np.fill_diagonal(likely, False)
    likely &= ~likely.T & (present.sum(0)[None, :] > present.sum(0)[:, None])
    steps = likely.astype(np.float32)
    likely &= steps @ steps == 0  # one label between is enough: the step over it follows
    found = [
        ProposedParent(names[i], names[j], float(probability[i, j]), int(images[i, j]))
        for i, j in np.argwhere(likely)
    ]
    return sorted(found, key=lambda pair: (-pair.images, pair.child, pair.parent))
