"""The search for a head's learning rate and weight decay: from its preset, in steps of three."""

from __future__ import annotations

from collections.abc import Callable

STEP = 3.0
NEIGHBOURS = ((-1, 0), (1, 0), (0, -1), (0, 1))


def search(
    value_of: Callable[[float, float], float], trials: int
) -> tuple[float, tuple[float, float]]:
    """Return the best value and its factors of learning rate and weight decay.

    The four neighbours of the best point so far are tried until none is better: then the choice
    lies within what was tried, not on its edge. Of equal points the first is kept.

    Args:
        value_of: from factors of both to what is to be large; NaN is worse than anything.
        trials: how often it is called, at most, 1 or more.

    >>> search(lambda rate, decay: -abs(rate - 9) - abs(decay - 1), 20)[1]
    (9.0, 1.0)
    """
    best, tried = (0, 0), {(0, 0): _number(value_of(1.0, 1.0))}
    while True:
        near = [(best[0] + rate, best[1] + decay) for rate, decay in NEIGHBOURS]
        for point in near:
            if point not in tried and len(tried) < trials:
                tried[point] = _number(value_of(STEP ** point[0], STEP ** point[1]))
        better = max(tried, key=lambda point: tried[point])  # the first of equals
        if tried[better] <= tried[best]:
            return tried[best], (STEP ** best[0], STEP ** best[1])
        best = better


def _number(value: float) -> float:
    return value if value == value else float("-inf")
