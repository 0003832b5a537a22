"""The search ends where no neighbour is better, and never lies on the edge of what was tried."""

import pytest

from imlgcn.comparison.search import NEIGHBOURS, STEP, search


def searched(value_of, trials=30):
    tried = {}

    def value(rate, decay):
        assert (rate, decay) not in tried, "nothing is trained twice"
        tried[rate, decay] = value_of(rate, decay)
        return tried[rate, decay]

    return *search(value, trials), tried


@pytest.mark.parametrize("best", [(1, 1), (3, 1), (27, 1 / 3), (1 / 81, 9)])
def test_a_smooth_hill_is_climbed_to_its_top(best):
    from math import log

    def hill(rate, decay):
        return -abs(log(rate / best[0])) - 0.5 * abs(log(decay / best[1]))

    value, factors, tried = searched(hill)
    assert factors == pytest.approx(best)
    assert value == pytest.approx(0)
    for rate, decay in NEIGHBOURS:
        near = (factors[0] * STEP**rate, factors[1] * STEP**decay)
        assert any(point == pytest.approx(near) for point in tried)


def test_trials_are_a_limit():
    value, _, tried = searched(lambda rate, decay: rate, trials=7)
    assert len(tried) == 7
    assert value == max(tried.values())
    assert searched(lambda rate, decay: rate, trials=1)[1] == (1.0, 1.0)


def test_nan_is_worse_than_anything_and_a_tie_keeps_the_first():
    value, factors, _ = searched(lambda rate, decay: float("nan") if rate > 1 else 5.0)
    assert (value, factors) == (5.0, (1.0, 1.0))
