"""The choice of a head: the best, or the cheapest that is as good as the best."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from imlgcn.labels.context import LabelContext
from imlgcn.metrics import mean_average_precision
from imlgcn.models import CANDIDATES, create_head
from imlgcn.training.choice import choose, count_multiply_adds, why


def case(noises, images=400, labels=4, held=None):
    """Return scores of heads that see the targets through more or less noise, and a lesson."""
    generator = np.random.default_rng(0)
    targets = (generator.random((images, labels)) < 0.2).astype(np.int8)
    shared = generator.normal(size=targets.shape)
    scores = {
        name: (targets + 0.6 * shared + noise * generator.normal(size=targets.shape)).astype("f")
        for name, noise in noises.items()
    }
    lesson = SimpleNamespace(
        targets=targets,
        groups=np.arange(images),
        held_out=np.ones(images, bool) if held is None else held,
    )
    return scores, lesson


COSTS = {"linear": 1, "mlp": 10, "kernel": 100}
SECONDS = dict.fromkeys(COSTS, 1.0)


def test_a_head_that_is_clearly_better_is_chosen_whatever_it_costs():
    scores, lesson = case({"linear": 1.0, "mlp": 0.9, "kernel": 0.2})
    found = choose(scores, COSTS, SECONDS, lesson)
    assert found[0].head == "kernel"
    assert found[0].chosen
    assert found[0].low > 0
    assert found[0].behind == 0
    assert [each.mAP for each in found] == sorted((each.mAP for each in found), reverse=True)


def test_of_heads_that_are_as_good_the_cheapest_is_chosen():
    scores, lesson = case({"linear": 0.502, "mlp": 0.5, "kernel": 0.5})
    found = choose(scores, COSTS, SECONDS, lesson)
    (chosen,) = [each for each in found if each.chosen]
    near = [each for each in found if each.behind <= each.error]
    assert chosen.head == min(near, key=lambda each: each.multiply_adds).head
    assert len(near) > 1, "the case is made so"


def test_the_difference_is_that_of_the_maps_and_lies_in_its_interval():
    scores, lesson = case({"linear": 0.8, "kernel": 0.4})
    for each in choose(scores, COSTS, SECONDS, lesson):
        value = 100 * mean_average_precision(scores[each.head], lesson.targets)[0]
        control = 100 * mean_average_precision(scores["linear"], lesson.targets)[0]
        assert each.mAP == pytest.approx(value)
        assert each.difference == pytest.approx(value - control)
        assert each.low <= each.difference <= each.high


def test_images_that_are_always_learnt_do_not_count():
    held = np.arange(400) < 200
    scores, lesson = case({"linear": 0.8, "kernel": 0.4}, held=held)
    for each in scores.values():
        each[~held] = np.nan
    found = choose(scores, COSTS, SECONDS, lesson)
    assert all(np.isfinite(each.mAP) for each in found)


def test_without_a_positive_the_first_is_as_good_as_any():
    scores, lesson = case({"linear": 0.8, "kernel": 0.4})
    lesson.targets[:] = 0
    found = choose(scores, COSTS, SECONDS, lesson)
    assert sum(each.chosen for each in found) == 1
    assert all(each.to_json()["mAP"] is None for each in found)


def test_why_a_head_is_chosen_is_said_with_the_numbers_that_chose_it():
    scores, lesson = case({"linear": 1.0, "mlp": 0.9, "kernel": 0.2})
    found = choose(scores, COSTS, SECONDS, lesson)
    second = found[1]
    assert second.behind > second.error
    assert why(found) == (
        f"{second.behind:.1f} above {second.head!r} (standard error {second.error:.1f})"
    )
    scores, lesson = case({"linear": 0.502, "mlp": 0.5, "kernel": 0.5})
    best = choose(scores, COSTS, SECONDS, lesson)[0].head
    near = choose(scores, {**COSTS, best: 0}, SECONDS, lesson)
    assert why(near).endswith("): within the noise, and the cheaper one")
    dear = choose(scores, {**COSTS, best: 1000}, SECONDS, lesson)
    (chosen,) = [each for each in dear if each.chosen]
    behind, error = f"{chosen.behind:.1f}", f"{chosen.error:.1f}"
    assert why(dear) == (
        f"{behind} below {best!r}, within the noise (standard error {error}): the cheaper one"
    )
    lesson.targets[:] = 0
    assert why(choose(scores, COSTS, SECONDS, lesson)).endswith("the cheapest")


@pytest.mark.parametrize("name", CANDIDATES)
def test_multiply_adds_of_a_folded_head_are_counted(name):
    C, L, N = 12, 3, 20
    generator = np.random.default_rng(0)
    targets = (generator.random((N, L)) < 0.5).astype(np.int8)
    vectors = {"image_pca": generator.normal(size=(L, 2)).astype("f")}
    head = create_head(name, C, LabelContext.from_targets(("a", "b", "c"), targets, vectors))
    features = torch.rand(N, C, 1, 1)
    expected = {"linear": C * L, "iml_gcn": C * L, "kernel": N * C + N * L}
    if head.closed_form:
        head.fit(features, torch.from_numpy(targets))
    found = count_multiply_adds(head, features)
    assert found == expected.get(name, found)
    assert found > 0
