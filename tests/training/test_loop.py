"""One epoch of training, worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from imlgcn.losses import create_loss
from imlgcn.models import create_head
from imlgcn.training.loop import DivergedError, score_features, take, train_epoch


class Line(nn.Module):
    """y = w x; its loss is the squared error, summed over the batch."""

    def __init__(self, start: float) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor(start))

    def loss(self, inputs, targets, criterion):
        return criterion(self.w * inputs, targets)


def squared(outputs, targets):
    return (outputs - targets).square().sum()


def run(model, batches, fabric, rate=0.01, factor=1.0, **options):
    """Plain gradient descent: no momentum, a rate that falls by `factor` with each step."""
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)
    scheduler = LambdaLR(optimizer, lambda step: factor**step)
    return train_epoch(model, batches, squared, optimizer, scheduler, fabric=fabric, **options)


BATCHES = [
    (torch.tensor([1.0, 2.0]), torch.tensor([3.0, 1.0])),
    (torch.tensor([3.0]), torch.tensor([-2.0])),
]


def test_two_steps_move_the_weight_as_worked_by_hand(fabric):
    model = Line(0.5)
    mean = run(model, BATCHES, fabric, factor=0.5)
    # step 1: errors -2.5 and 0; gradient 2(-2.5 * 1 + 0 * 2) = -5; w = 0.5 + 0.05 = 0.55
    # step 2: error 1.65 + 2 = 3.65; gradient 2 * 3.65 * 3 = 21.9, alone: the first is forgotten;
    #         rate 0.005: w = 0.55 - 0.1095 = 0.4405
    assert float(model.w.detach()) == pytest.approx(0.4405, abs=1e-6)
    # the mean over three images, not over two batches: (6.25 + 13.3225) / 3
    assert mean == pytest.approx(6.524167, abs=1e-5)


def test_the_gradient_of_an_earlier_batch_is_forgotten(fabric):
    together, apart = Line(0.5), Line(0.5)
    run(together, BATCHES, fabric)
    for batch in BATCHES:
        run(apart, [batch], fabric)
    torch.testing.assert_close(together.w, apart.w, rtol=0, atol=0)


def test_a_gradient_left_over_from_elsewhere_is_forgotten(fabric):
    clean, used = Line(0.5), Line(0.5)
    used.w.grad = torch.tensor(1000.0)
    for model in (clean, used):
        run(model, BATCHES, fabric)
    torch.testing.assert_close(used.w, clean.w, rtol=0, atol=0)


def test_a_long_gradient_is_cut_to_the_given_norm(fabric):
    model = Line(0.5)
    run(model, BATCHES[:1], fabric, clip=0.5)  # -5 becomes -0.5
    assert float(model.w.detach()) == pytest.approx(0.505, abs=1e-6)


def test_a_short_gradient_is_not_stretched(fabric):
    model = Line(0.5)
    run(model, BATCHES[:1], fabric, clip=50.0)
    assert float(model.w.detach()) == pytest.approx(0.55, abs=1e-6)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_stops_before_the_weights_move(fabric, value):
    model = Line(0.5)
    said = f"the loss became {value} at step 1 with a learning rate of 0.01: the inputs .* images"
    with pytest.raises(DivergedError, match=said):
        run(model, [(torch.tensor([value]), torch.tensor([1.0]))], fabric)
    assert float(model.w.detach()) == 0.5


def test_a_loss_that_is_not_finite_is_explained_by_what_is_found(fabric):
    fine = (torch.tensor([1.0]), torch.tensor([3.0]))
    with pytest.raises(DivergedError, match="weights that it starts from are not finite"):
        run(Line(float("nan")), [fine], fabric)
    with pytest.raises(DivergedError, match=r"step 2 .* the step before left weights"):
        run(Line(0.5), [fine, fine], fabric, rate=float("inf"))
    with pytest.raises(DivergedError, match=r"step 1 .* the learning rate is too high; lower it"):
        run(Line(1e30), [(torch.tensor([1e20]), torch.tensor([1.0]))], fabric)


def test_the_hook_hears_of_each_step_with_its_number_of_images_after_the_step(fabric):
    model, seen = Line(0.5), []
    run(model, BATCHES, fabric, after_step=lambda n: seen.append((n, float(model.w.detach()))))
    assert [count for count, _ in seen] == [2, 1]
    assert seen[0][1] == pytest.approx(0.55, abs=1e-6)


def test_an_epoch_without_batches_is_no_division_by_zero(fabric):
    assert run(Line(0.5), [], fabric) == 0


def test_a_head_learns_one_batch_by_heart(fabric, context):
    torch.manual_seed(0)
    head = create_head("mlp", 6, context, dropout=0.0)
    features, targets = torch.randn(5, 6, 1, 1), (torch.rand(5, 3) < 0.5).to(torch.int8)
    optimizer = torch.optim.Adam(head.parameters(), lr=0.02)
    scheduler = LambdaLR(optimizer, lambda step: 1.0)
    loss = create_loss("bce")
    first, *_, last = (
        train_epoch(head, [(features, targets)], loss, optimizer, scheduler, fabric=fabric)
        for _ in range(60)
    )
    assert last < 0.05 * first


def test_scores_do_not_depend_on_the_batch_nor_on_the_mode(context):
    head = create_head("linear", 6, context, dropout=0.5).train()
    nn.init.normal_(head.linear.weight)
    features = torch.randn(7, 6, 1, 1)
    whole = score_features(head, features)
    parts = [score_features(head.train(), features[i : i + 3]) for i in range(0, 7, 3)]
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-6)
    assert whole.shape == (7, 3)
    assert whole.dtype == np.float32
    assert score_features(head, features[:0]).shape == (0, 3)


def test_maps_are_scored_batch_by_batch_as_if_at_once():
    """300 maps of two levels, stored in half precision: more than one batch of maps."""

    class Sums(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.tensor([2.0]))

        def forward(self, levels):
            assert all(level.dtype == torch.float32 for level in levels)
            return self.scale * torch.stack([level.sum((1, 2, 3)) for level in levels], 1)

    levels = tuple(torch.randn(300, 2, side, side).half() for side in (4, 2))
    expected = torch.stack([2 * level.float().sum((1, 2, 3)) for level in levels], 1)
    np.testing.assert_allclose(score_features(Sums(), levels), expected, rtol=1e-5, atol=1e-5)


def test_rows_are_taken_alike_from_every_level():
    levels = (torch.arange(6.0).reshape(3, 2).half(), torch.arange(3.0).reshape(3, 1).half())
    a, b = take(levels, torch.tensor([2, 0]), torch.device("cpu"))
    assert a.tolist() == [[4, 5], [0, 1]]
    assert b.tolist() == [[2], [0]]
    assert a.dtype == b.dtype == torch.float32
    assert take(levels[0], slice(1, 2), torch.device("cpu")).tolist() == [[2, 3]]
