"""Parents proposed from the data: its own levels, and labels on nearly every image with another.

Letters: N images, L labels.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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
        in_levels: whether the data itself has one below the other, as keywords in levels.
    """

    child: str
    parent: str
    probability: float
    images: int
    in_levels: bool = False


def propose_parents(
    names: Sequence[str],
    targets: NDArray[np.int8],
    levels: Iterable[tuple[str, str]] = (),
) -> list[ProposedParent]:
    """Return the pairs that the data suggest: its levels first, then those with most images.

    Not proposed: a parent that follows from the others, a pair in which each would be above the
    other (they may be one label), and a label on so many images that it is found with any other.
    What the levels say already, or the opposite of it, is not proposed again.

    Args:
        names: L labels.
        targets: ``(N, L)``, 1 present, 0 absent, -1 unknown.
        levels: pairs (child, parent) that the data itself has, without a circle.

    >>> targets = np.array([[1, 1]] * 30 + [[0, 1]] * 5 + [[0, 0]] * 65, np.int8)
    >>> propose_parents(["dog", "animal"], targets)
    [ProposedParent(child='dog', parent='animal', probability=1.0, images=30, in_levels=False)]
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
    index = {name: number for number, name in enumerate(names)}
    said = [(index[c], index[p]) for c, p in levels if c in index and p in index]
    order = [(int(i), int(j)) for i, j in np.argwhere(likely)]
    order.sort(key=lambda pair: (-images[pair], names[pair[0]], names[pair[1]]))
    above: dict[int, list[int]] = {}
    found = []
    for (i, j), in_levels in [*((p, True) for p in said), *((p, False) for p in order)]:
        if said and not in_levels and (_is_above(j, i, above) or _is_above(i, j, above)):
            continue
        above.setdefault(i, []).append(j)
        found.append(
            ProposedParent(
                names[i], names[j], float(probability[i, j]), int(images[i, j]), in_levels
            )
        )
    return found


def _is_above(label: int, other: int, above: Mapping[int, Sequence[int]]) -> bool:
    """Return whether a label is above another one, at any height."""
    seen, left = {other}, [other]
    while left:
        for parent in above.get(left.pop(), ()):
            if parent not in seen:
                seen.add(parent)
                left.append(parent)
    return label in seen - {other}
