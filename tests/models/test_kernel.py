"""The kernel head: its solution against slow loops, and what must not break it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from imlgcn.errors import InputError
from imlgcn.labels.context import LabelContext
from imlgcn.models import kernel_inverse, kernel_regression, kernel_stages
from imlgcn.models.classifier import count_parameters
from imlgcn.models.heads import create_head
from imlgcn.models.kernel_regression import (
    gaussian_,
    kernel_scale,
    median,
    plan,
    solve,
    squared_distances,
    unit_roots,
)
from imlgcn.models.kernel_rows import Kept, keep
from imlgcn.models.kernel_stages import _fewest_clearly_better as clearly_better

N, C, RIDGE = 23, 12, 0.1


@pytest.fixture
def features():
    return torch.randn(N, C, dtype=torch.float64)


@pytest.fixture
def targets():
    """Five labels: two know every row, two know the same others, one knows few."""
    found = (torch.rand(N, 5) < 0.4).to(torch.int8)
    found[[1, 4, 5], 2:4] = -1
    found[:15, 4] = -1
    return found


@pytest.fixture
def kernel(features):
    units = unit_roots(features)
    distances = squared_distances(units, units)
    return gaussian_(distances, 2.0, kernel_scale(distances))


def without(kernel, targets, left_out):
    """Return the scores of the rows in ``left_out`` by a solution that has never seen them."""
    found = torch.full(targets.shape, torch.nan, dtype=torch.float64)
    for label, column in enumerate(targets.T):
        known = [row for row in range(N) if column[row] >= 0]
        mean = sum(float(column[row]) for row in known) / len(known)
        kept = [row for row in known if row not in left_out]
        system = kernel[kept][:, kept] + RIDGE * torch.eye(len(kept), dtype=torch.float64)
        weights = torch.linalg.inv(system) @ (column[kept].double() - mean)
        for row in left_out:
            if row in known:
                found[row, label] = kernel[row, kept] @ weights + mean
    return found


def test_a_score_is_a_sum_over_the_images_and_labels_are_solved_on_their_known_rows(
    features, targets
):
    head = create_head("kernel", C, LabelContext.placeholder(5), gamma=1.5, ridge=0.3).eval()
    head.fit(features.float()[:, :, None, None], targets)
    units = head.support.double()
    distances = [[float(((u - v) ** 2).sum()) for v in units] for u in units]
    middle = float(np.median(distances))
    query = torch.randn(C)
    root = (query.sign() * query.abs().sqrt()).double()
    root /= root.norm()
    near = [math.exp(-1.5 * float(((root - v) ** 2).sum()) / middle) for v in units]
    for label, column in enumerate(targets.T):
        rows = [row for row in range(N) if column[row] >= 0]
        mean = float(column[rows].double().mean())
        K = np.exp(-1.5 * np.array(distances)[np.ix_(rows, rows)] / middle)
        A = np.linalg.inv(K + 0.3 * np.eye(len(rows))) @ (column[rows].double().numpy() - mean)
        expected = sum(near[row] * a for row, a in zip(rows, A, strict=True)) + mean
        assert float(head(query[None, :, None, None])[0, label]) == pytest.approx(
            expected, abs=1e-5
        )


def test_an_image_adds_what_the_score_loses_without_its_weight(features, targets):
    head = fitted(features, targets)
    one = torch.randn(1, C, 1, 1)
    before = head(one)[0]
    for label, row in ((0, 3), (2, 7), (4, 20)):
        added = head.support_contributions(one, label)[row]
        kept = head.weights.clone()
        head.weights[row, label] = 0
        torch.testing.assert_close(added, before[label] - head(one)[0, label], atol=1e-5, rtol=0)
        head.weights.copy_(kept)
    unknown = targets[:, 4] < 0
    assert not head.support_contributions(one, 4)[unknown].any(), "they had no vote"


def test_leave_one_out_equals_solving_again_without_the_row(kernel, targets):
    found = solve(kernel.clone(), targets, RIDGE, torch.arange(N)).held_out[0]
    for row in range(N):
        expected = without(kernel, targets, [row])[row]
        torch.testing.assert_close(found[row], expected, equal_nan=True)


@pytest.mark.parametrize("at_once", [1, 5, 1024])
def test_leave_group_out_equals_solving_again_without_the_group(
    kernel, targets, at_once, monkeypatch
):
    monkeypatch.setattr(kernel_regression, "AT_ONCE", at_once)
    groups = torch.tensor([row // 3 if row < 12 else 7 + row % 5 for row in range(N)])
    found = solve(kernel.clone(), targets, RIDGE, groups).held_out[0]
    for group in groups.unique():
        rows = (groups == group).nonzero()[:, 0].tolist()
        expected = without(kernel, targets, rows)[rows]
        torch.testing.assert_close(found[rows], expected, equal_nan=True)


def test_labels_that_each_lack_other_targets_share_one_inverse(kernel):
    """And solve as if each had a factor of its own, held out in groups as well."""
    targets = (torch.rand(N, 12) < 0.4).to(torch.int8)
    targets[torch.arange(11), torch.arange(11)] = -1  # the last label knows all rows
    targets[torch.arange(11) + 9, torch.arange(11)] = -1
    targets[4:, 3] = -1  # this one knows few: a factor of its own is less work
    groups = torch.tensor([row // 3 if row < 12 else 7 + row % 5 for row in range(N)])
    assert plan(targets).shared.tolist() == [False] + [True] * 11
    found = solve(kernel.clone(), targets, RIDGE, groups, torch.arange(N))
    for label in range(12):
        alone = targets[:, [label]]
        assert not plan(alone).shared.any()
        expected = solve(kernel.clone(), alone, RIDGE, groups, torch.arange(N))
        for one, other in zip(found.held_out, expected.held_out, strict=True):
            torch.testing.assert_close(one[:, [label]], other, equal_nan=True)
        torch.testing.assert_close(found.weights[:, [label]], expected.weights)
        torch.testing.assert_close(found.mean[[label]], expected.mean)
    for group in groups.unique():
        rows = (groups == group).nonzero()[:, 0].tolist()
        expected = without(kernel, targets, rows)[rows]
        torch.testing.assert_close(found.held_out[0][rows], expected, equal_nan=True)


def test_the_work_of_a_plan_is_that_of_its_factors():
    targets = torch.zeros(30, 3, dtype=torch.int8)
    assert plan(targets).work == pytest.approx(2 / 3 * 30**3)
    targets[:10, 1] = -1
    assert plan(targets).work == pytest.approx(2 / 3 * (30**3 + 20**3))
    targets[:, 2] = -1
    assert plan(targets).which.tolist() == [1, 0, -1]
    many = torch.zeros(30, 9, dtype=torch.int8)
    many[torch.arange(9), torch.arange(9)] = -1
    assert plan(many).work == pytest.approx(30**3 + 9 * 30)


def test_without_any_other_image_the_mean_is_left(kernel, targets):
    found = solve(kernel, targets, RIDGE, torch.zeros(N)).held_out[0]
    for column, known in zip(found.T, targets.T, strict=True):
        rows = known >= 0
        torch.testing.assert_close(column[rows], known[rows].double().mean().expand(rows.sum()))


@pytest.mark.parametrize("size", [1, 3, 64, 100])
def test_a_triangle_is_inverted_by_halves_as_at_once(size, monkeypatch):
    monkeypatch.setattr(kernel_inverse, "SMALL", 8)
    lower = torch.randn(size, size, dtype=torch.float64).tril() + 9 * torch.eye(size)
    expected = torch.linalg.inv(lower)
    torch.testing.assert_close(kernel_inverse.invert_lower_(lower), expected)


@pytest.mark.parametrize("count", [1, 2, 3, 10, 11, 400])
@pytest.mark.parametrize("ties", [False, True])
def test_the_median_is_exact_block_by_block(count, ties, monkeypatch):
    monkeypatch.setattr(kernel_regression, "BLOCK", 150)
    values = torch.rand(count, dtype=torch.float64) * 4
    if ties:
        values = (values * 2).floor() / 4
    assert median(values) == np.median(values.numpy())


def test_the_median_of_close_values_is_exact():
    """All but the last bits are alike: three passes are needed."""
    values = 1 + torch.arange(999, dtype=torch.float64) * 2.0**-52
    assert median(values[torch.randperm(999)]) == float(values[499])


def test_the_solution_leaves_the_kernel_to_labels_that_come_later(kernel, targets):
    """Whatever the order of labels: those that know every row destroy it."""
    order = torch.tensor([4, 0, 3, 1, 2])
    one = solve(kernel.clone(), targets, RIDGE).weights
    other = solve(kernel.clone(), targets[:, order], RIDGE).weights
    torch.testing.assert_close(other, one[:, order])


def fitted(features, targets, **options):
    head = create_head("kernel", features.shape[1], LabelContext.placeholder(targets.shape[1]))
    head.fit(features.float()[:, :, None, None], targets)
    return head.eval()


def scores(head, features):
    return head(features.float()[:, :, None, None])


def test_it_is_the_mean_before_it_is_fitted():
    head = create_head("kernel", C, LabelContext.placeholder(3))
    assert torch.equal(scores(head, torch.randn(2, C)), torch.zeros(2, 3))


@pytest.mark.parametrize("count", [1, 2, 9])
def test_identical_images_give_the_mean(count):
    targets = torch.tensor([[1, 0, 0]] + [[0, 0, 1]] * (count - 1), dtype=torch.int8)
    head = fitted(torch.ones(count, C), targets)
    found = scores(head, torch.cat([torch.ones(1, C), torch.randn(1, C)]))
    torch.testing.assert_close(found[0], targets.float().mean(0), atol=1e-3, rtol=0)
    assert found.isfinite().all()


def test_copies_of_one_image_do_not_take_the_distance_from_the_others(features):
    """More than half of all pairs are copies, so their median is 0: all the same others differ."""
    features[:18] = features[0]
    targets = (torch.arange(N) >= 20).to(torch.int8)[:, None]
    found = scores(fitted(features, targets), features)[:, 0]
    assert found[20:].min() > found[:20].max() + 0.3


def test_labels_without_positives_negatives_or_known_rows_keep_their_mean(features):
    targets = torch.tensor([0, 1, -1], dtype=torch.int8).repeat(N, 1)
    found = scores(fitted(features, targets), torch.randn(4, C))
    torch.testing.assert_close(found, torch.tensor([0.0, 1.0, 0.0]).repeat(4, 1))


def test_a_grey_image_without_features_is_scored_and_fitted(features, targets):
    features[3] = 0
    head = fitted(features, targets)
    assert scores(head, features[2:5]).isfinite().all()
    torch.testing.assert_close(scores(head.fold(), features[2:5]), scores(head, features[2:5]))


def test_folded_it_keeps_its_images_in_half_precision(features, targets):
    head = fitted(features, targets)
    folded = head.fold()
    for module in (head, folded):
        assert module.support.dtype == torch.float16
        assert module.weights.dtype == torch.float32
    assert count_parameters(head) == N * (C + 5) + 5
    assert count_parameters(folded) == N * (C + 5 + 1) + 5


def test_fitting_again_forgets_what_was_fitted_before(features, targets):
    head = fitted(features, targets)
    head.fit(features.float()[:9, :, None, None], targets[:9])
    expected = fitted(features[:9], targets[:9])
    assert head.fitted_options() == {"support": 9, "stages": 0}
    torch.testing.assert_close(dict(head.state_dict()), dict(expected.state_dict()))


def test_impossible_values_are_refused(features, targets):
    for options in ({"gamma": 0}, {"ridge": -1.0}, {"support": -1}, {"stages": 3}):
        with pytest.raises(InputError, match=f"{next(iter(options.values()))}.* given"):
            create_head("kernel", C, LabelContext.placeholder(2), **options)
    features[0, 0] = torch.inf
    with pytest.raises(InputError, match="features to fit are not finite"):
        fitted(features, targets)


def test_a_head_of_gradient_steps_has_nothing_to_fit():
    head = create_head("linear", C, LabelContext.placeholder(2))
    with pytest.raises(InputError, match="LinearHead is trained by gradient steps"):
        head.fit(torch.zeros(1, C, 1, 1), torch.zeros(1, 2))


def levelled(head_features, *earlier):
    """Return levels as maps of one position, in float32."""
    return tuple(level.float()[:, :, None, None] for level in (*earlier, head_features))


def test_stages_are_standardised_on_the_fitted_images_and_joined_with_their_weight(
    features, targets, monkeypatch
):
    monkeypatch.setattr("imlgcn.models.heads.kernel.choose_stages", lambda *_, **__: 2)
    stages = [3 + 2 * torch.randn(N, 4), -1 + torch.randn(N, 5)]
    stages[0][:, 2] = 7.0  # constant: it says nothing
    channels = (4, 5, C)
    head = create_head("kernel", channels, LabelContext.placeholder(5), stage_weight=0.4).eval()
    head.fit(levelled(features, *stages), targets)
    assert head.fitted_options() == {"support": N, "stages": 2}
    parts = []
    for stage in stages:
        standard = (stage - stage.mean(0)) / stage.std(0, correction=0)
        standard[:, stage.std(0) < 1e-6] = 0
        parts.append(0.4 * standard / standard.norm(dim=1, keepdim=True))
    parts.append(unit_roots(features).float())
    joined = torch.cat(parts, 1) / math.sqrt(1 + 2 * 0.4**2)
    kept = Kept(head.support, head.stage_support, head.stage_step).units(torch.float32)
    torch.testing.assert_close(kept, joined, atol=2e-3, rtol=0)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([[0.5, 0.6, 0.7], [0.5, 0.6, 0.7], [0.5, 0.6, 0.7]], 2),  # nothing to choose: all
        ([[0.5, 0.6, 0.7], [0.7, 0.7, 0.8], [0.5, 0.6, 0.6]], 1),  # the best
        ([[0.7, 0.7, 0.8], [0.6, 0.7, 0.7], [0.5, 0.6, 0.6]], 0),
        ([[0.5, 0.6, 0.7], [0.9, 0.6, 0.5], [0.5, 0.6, 0.7]], 2),  # better within the error
        ([[math.nan, 0.6, 0.7], [math.nan, 0.8, 0.8], [math.nan, 0.6, 0.6]], 1),
        ([[math.nan, 0.9], [math.nan, 0.8], [math.nan, 0.1]], 2),  # one label is not evidence
    ],
)
def test_all_stages_are_used_unless_fewer_are_better_by_more_than_the_standard_error(
    values, expected
):
    assert clearly_better(np.array(values)) == expected


@pytest.fixture
def told():
    """Ten labels of 200 images, seen dimly by one map and not at all by the other."""
    targets = (torch.rand(200, 10) < 0.4).to(torch.int8)
    return targets, targets + 0.6 * torch.randn(200, 10), torch.randn(200, 10)


def chosen(deepest, stage, targets, groups=None):
    widths = (stage.shape[1], deepest.shape[1])
    head = create_head("kernel", widths, LabelContext.placeholder(10), stage_weight=2.0)
    head.fit(levelled(deepest, stage), targets, groups)
    stages = head.fitted_options()["stages"]
    assert head.support.shape[1] == widths[1]
    assert head.stage_support.shape[1] == stages * widths[0]
    return head.fitted_options()["stages"]


def test_a_stage_that_does_harm_is_not_used(told):
    targets, seen, noise = told
    assert chosen(seen, noise, targets) == 0
    assert chosen(noise, seen, targets) == 1


def test_a_target_that_is_unknown_does_not_stop_the_choice(told):
    targets, seen, noise = told
    targets[torch.rand(targets.shape) < 0.3] = -1
    assert chosen(noise, seen, targets) == 1


def test_stages_are_chosen_on_images_whose_whole_group_is_held_out(told):
    """Noise that copies share looks like knowledge as long as a copy is left in."""
    targets, seen, noise = (part.repeat_interleave(2, 0) for part in told)
    seen = seen + 0.2 * torch.randn(seen.shape)
    assert chosen(seen, noise, targets) == 1
    assert chosen(seen, noise, targets, torch.arange(200).repeat_interleave(2)) == 0


def test_more_images_than_are_enough_to_choose_by_are_no_hindrance(told, monkeypatch):
    targets, seen, noise = told
    monkeypatch.setattr(kernel_stages, "ROWS", 120)
    assert chosen(seen, noise, targets) == 0


def test_a_loaded_head_with_stages_scores_as_the_fitted_one(features, targets):
    levels = levelled(features, torch.randn(N, 4), torch.randn(N, 5))
    context = LabelContext.placeholder(5)
    head = create_head("kernel", (4, 5, C), context).eval()
    head.fit(levels, targets)
    stages = head.fitted_options()["stages"]
    again = create_head("kernel", (4, 5, C)[2 - stages :], context, **head.fitted_options()).eval()
    again.load_state_dict(head.state_dict())
    given = levels[2 - stages :] if stages else levels[-1]
    torch.testing.assert_close(again(given), head(given), rtol=0, atol=0)
    torch.testing.assert_close(again.fold()(given), head(given), rtol=1e-4, atol=1e-5)


def test_another_number_of_maps_is_refused(features, targets):
    head = create_head("kernel", (4, C), LabelContext.placeholder(5))
    with pytest.raises(InputError, match="takes 2 feature maps; got 3"):
        head(levelled(features, torch.randn(N, 4), torch.randn(N, 4)))
    with pytest.raises(InputError, match="takes 2 feature maps; got 1"):
        head(features.float()[:, :, None, None])


def test_stages_in_eight_bits_are_off_by_half_a_step_at_most():
    units = torch.nn.functional.normalize(torch.randn(20, 12, dtype=torch.float64), dim=1)
    kept = keep(units, 5)
    assert kept.stages.dtype == torch.int8
    off = (kept.units(torch.float64) - units).abs()
    assert off[:, :5].max() <= 0.5 * float(kept.step) + 1e-9
    assert off[:, 5:].max() < 5e-4
    assert keep(units, 0).units(torch.float64).shape == units.shape
    assert torch.isfinite(keep(0 * units, 5).units(torch.float32)).all()
