"""Losses: golden numbers, hand-worked ones, plain loops, extremes, and unknown targets."""

import inspect
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from imlgcn.errors import InputError
from imlgcn.losses import (
    LOSSES,
    AsymmetricLoss,
    BinaryCrossEntropy,
    Criterion,
    FocalLoss,
    asymmetric_loss,
    create_loss,
    focal_loss,
)

with np.load(Path(__file__).parent / "golden" / "asl.npz", allow_pickle=False) as file:
    GOLDEN = dict(file)
CASES = range(len(GOLDEN["gamma_neg"]))

# (computed in, stored in) -> absolute per entry, absolute of the gradient, relative of the sum
TOLERANCES = {
    ("float32", "float32"): (1e-5, 1e-5, 1e-5),
    ("float32", "float64"): (1e-4, 1e-5, 1e-5),
    ("float64", "float64"): (1e-10, 1e-10, 1e-10),
}


def logit(p):
    return math.log(p / (1 - p))


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(5, 7, generator=generator, dtype=torch.float64) * 3
    targets = torch.randint(-1, 2, (5, 7), generator=generator)
    return logits, targets


def asymmetric_by_loops(logits, targets, gamma_neg, gamma_pos, clip):
    loss = torch.zeros(logits.shape, dtype=torch.float64)
    for image in range(logits.shape[0]):
        for label in range(logits.shape[1]):
            p = 1 / (1 + math.exp(-logits[image, label].item()))
            if targets[image, label] == 1:
                loss[image, label] = -((1 - p) ** gamma_pos) * math.log(p)
            elif targets[image, label] == 0:
                shifted = max(p - clip, 0)
                loss[image, label] = -(shifted**gamma_neg) * math.log(1 - shifted)
    return loss


def focal_by_loops(logits, targets, gamma, alpha):
    loss = torch.zeros(logits.shape, dtype=torch.float64)
    for image in range(logits.shape[0]):
        for label in range(logits.shape[1]):
            p = 1 / (1 + math.exp(-logits[image, label].item()))
            if targets[image, label] == 1:
                loss[image, label] = -alpha * (1 - p) ** gamma * math.log(p)
            elif targets[image, label] == 0:
                loss[image, label] = -(1 - alpha) * p**gamma * math.log(1 - p)
    return loss


@pytest.mark.parametrize(
    ("criterion", "present", "absent"),
    [
        # p = 0.7: 0.3^1 * -ln 0.7, and (0.7 - 0.1)^2 * -ln 0.4
        (AsymmetricLoss(gamma_neg=2, gamma_pos=1, clip=0.1), 0.1070024832, 0.3298646635),
        # 0.25 * 0.3^3 * -ln 0.7, and 0.75 * 0.7^3 * -ln 0.3
        (FocalLoss(gamma=3, alpha=0.25), 0.0024075559, 0.3097220039),
        (BinaryCrossEntropy(), 0.3566749439, 1.2039728043),
    ],
)
def test_one_present_and_one_absent_label_worked_by_hand(criterion, present, absent):
    logits = torch.full((1, 1), logit(0.7), dtype=torch.float64)
    for target, expected in [(1, present), (0, absent)]:
        assert criterion(logits, torch.tensor([[target]])).item() == pytest.approx(
            expected, abs=1e-9
        )


@pytest.mark.parametrize(
    ("gamma_neg", "gamma_pos", "clip"), [(4, 0, 0.05), (3, 1, 0.2), (1.5, 0.5, 0)]
)
def test_asymmetric_equals_a_plain_loop(batch, gamma_neg, gamma_pos, clip):
    found = AsymmetricLoss(gamma_neg, gamma_pos, clip, reduction="none")(*batch)
    expected = asymmetric_by_loops(*batch, gamma_neg, gamma_pos, clip)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("gamma", "alpha"), [(2.0, 0.25), (0.5, 0.9)])
def test_focal_equals_a_plain_loop(batch, gamma, alpha):
    found = FocalLoss(gamma, alpha, reduction="none")(*batch)
    torch.testing.assert_close(found, focal_by_loops(*batch, gamma, alpha), rtol=1e-9, atol=1e-12)


def test_focal_without_alpha_weighs_present_and_absent_the_same(batch):
    expected = 2 * focal_by_loops(*batch, gamma=2, alpha=0.5)
    torch.testing.assert_close(FocalLoss(reduction="none")(*batch), expected)


@pytest.mark.parametrize("criterion", [AsymmetricLoss(0, 0, 0), FocalLoss(gamma=0)])
def test_without_focusing_and_clipping_a_loss_is_binary_cross_entropy(batch, criterion):
    torch.testing.assert_close(criterion(*batch), BinaryCrossEntropy()(*batch))


def test_asymmetric_of_equal_gammas_is_focal(batch):
    found = AsymmetricLoss(gamma_neg=2, gamma_pos=2, clip=0, detach_weight=False)(*batch)
    torch.testing.assert_close(found, FocalLoss(gamma=2)(*batch))


def test_a_negative_below_the_clip_costs_nothing():
    logits = torch.tensor([[logit(0.049), logit(0.06)]], requires_grad=True)
    loss = AsymmetricLoss(clip=0.05, reduction="none")(logits, torch.zeros(1, 2))
    loss.sum().backward()
    assert loss[0, 0] == 0 < loss[0, 1]
    assert logits.grad[0, 0] == 0 < logits.grad[0, 1]


def test_no_entry_costs_more_than_the_bound_and_pulls_no_more():
    logits = torch.tensor([[-30.0, 30.0]], requires_grad=True)
    loss = AsymmetricLoss(gamma_neg=0, clip=0, reduction="none")(logits, torch.tensor([[1, 0]]))
    loss.sum().backward()
    torch.testing.assert_close(loss.detach(), torch.full((1, 2), -math.log(1e-8)))
    assert logits.grad.tolist() == [[0, 0]]
    lower = AsymmetricLoss(gamma_neg=0, clip=0, eps=0.1)(logits, torch.tensor([[1, 0]]))
    assert lower.item() == pytest.approx(-2 * math.log(0.1))


def test_a_detached_weight_changes_the_gradient_alone():
    logits = torch.tensor([[logit(0.7)]], dtype=torch.float64, requires_grad=True)
    gradients = []
    for detach in (True, False):
        loss = AsymmetricLoss(gamma_neg=2, clip=0, detach_weight=detach)(logits, torch.zeros(1, 1))
        gradients.append(torch.autograd.grad(loss, logits)[0].item())
        assert loss.item() == pytest.approx(-(0.7**2) * math.log(0.3))
    detached = 0.7**3  # p^2 * p: the slope of -log(1 - p) is p
    assert gradients[0] == pytest.approx(detached)
    assert gradients[1] == pytest.approx(detached - 2 * 0.7**2 * 0.3 * math.log(0.3))


@pytest.mark.parametrize("detach_weight", [True, False])
@pytest.mark.parametrize("gammas", [(4, 0), (0.5, 0.5), (1, 1)])
def test_asymmetric_stays_finite_at_extreme_logits(gammas, detach_weight):
    criterion = AsymmetricLoss(*gammas, detach_weight=detach_weight)
    _assert_finite(criterion)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("reduction", ["sum", "batch", "mean", "none"])
def test_every_loss_stays_finite_at_extreme_logits(name, reduction):
    _assert_finite(create_loss(name, reduction=reduction))


def test_focal_below_one_stays_finite_at_extreme_logits():
    _assert_finite(FocalLoss(gamma=0.5))


def _assert_finite(criterion):
    logits = torch.tensor([[-100.0, -30, 0, 30, 100]]).repeat(3, 1).requires_grad_()
    loss = criterion(logits, torch.tensor([[1], [0], [-1]]).expand(3, 5))
    loss.sum().backward()
    assert loss.isfinite().all()
    assert logits.grad.isfinite().all()
    assert (loss >= 0).all()


@pytest.mark.parametrize("name", LOSSES)
def test_the_gradient_lowers_the_loss_of_present_and_absent(name):
    logits = torch.tensor([[0.3, 0.3]], requires_grad=True)
    create_loss(name)(logits, torch.tensor([[1, 0]])).backward()
    assert logits.grad[0, 0] < 0 < logits.grad[0, 1]


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_unknown_targets_weigh_nothing(name, reduction, batch):
    logits, targets = batch
    logits.requires_grad_()
    criterion = create_loss(name, reduction=reduction)
    known = targets != -1
    whole = criterion(logits, targets)
    torch.testing.assert_close(whole, criterion(logits[known][None], targets[known][None]))
    whole.backward()
    assert (logits.grad[~known] == 0).all()
    assert (logits.grad[known] != 0).any()


@pytest.mark.parametrize("name", LOSSES)
def test_reductions_agree_with_each_other(name, batch):
    logits, targets = batch
    each = create_loss(name, reduction="none")(logits, targets)
    assert each.shape == targets.shape
    for reduction, divisor in [("sum", 1), ("batch", 5), ("mean", (targets >= 0).sum())]:
        found = create_loss(name, reduction=reduction)(logits, targets)
        torch.testing.assert_close(found, each.sum() / divisor)


def test_the_defaults_are_those_of_the_published_training(batch):
    expected = asymmetric_by_loops(*batch, gamma_neg=4, gamma_pos=0, clip=0.05)
    torch.testing.assert_close(AsymmetricLoss()(*batch), expected.sum())
    assert AsymmetricLoss().detach_weight


@pytest.mark.parametrize(
    ("function", "module"), [(asymmetric_loss, AsymmetricLoss), (focal_loss, FocalLoss)]
)
def test_a_function_has_the_defaults_of_its_module(function, module):
    of_module = inspect.signature(module).parameters
    for name, option in inspect.signature(function).parameters.items():
        if option.kind == option.KEYWORD_ONLY:
            assert option.default == of_module[name].default


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("reduction", ["sum", "batch", "mean"])
def test_of_one_known_entry_every_reduction_is_its_loss(name, reduction):
    logits, targets = torch.tensor([[0.3, 2.0]]), torch.tensor([[1, -1]])
    found = create_loss(name, reduction=reduction)(logits, targets)
    assert found == create_loss(name, reduction="none")(logits, targets)[0, 0]


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("reduction", ["sum", "batch", "mean"])
def test_nothing_known_costs_nothing(name, reduction):
    criterion = create_loss(name, reduction=reduction)
    assert criterion(torch.zeros(0, 4), torch.zeros(0, 4)).item() == 0
    assert criterion(torch.zeros(2, 4), torch.full((2, 4), -1)).item() == 0


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_losses_are_computed_in_float32_at_least(name, dtype):
    logits = torch.tensor([[8.0, -8.0, 2.0]], dtype=dtype, requires_grad=True)
    loss = create_loss(name)(logits, torch.tensor([[0, 1, 1]]))
    expected = create_loss(name)(logits.detach().double(), torch.tensor([[0, 1, 1]]))
    loss.backward()
    assert loss.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert logits.grad.dtype == dtype
    torch.testing.assert_close(loss.double(), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("dtype", [torch.int8, torch.int64, torch.float32])
def test_any_number_type_of_targets_gives_the_same(name, dtype, batch):
    logits, targets = batch
    torch.testing.assert_close(
        create_loss(name)(logits, targets.to(dtype)), create_loss(name)(logits, targets)
    )


def test_the_pure_function_is_what_the_module_sums(batch):
    logits, targets = batch
    found = asymmetric_loss(logits, targets, gamma_pos=1)[targets >= 0].sum()
    torch.testing.assert_close(found, AsymmetricLoss(gamma_pos=1)(logits, targets))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: create_loss("asymetric"), "did you mean 'asymmetric'"),
        (lambda: create_loss("bce", gamma=2), "unknown option of loss bce 'gamma'"),
        (lambda: create_loss("focal", reduction="avg"), "unknown reduction 'avg'"),
        (lambda: AsymmetricLoss(gamma_neg=-1), "^gamma_neg of .* at least 0; got -1$"),
        (lambda: AsymmetricLoss(gamma_pos=-1), "^gamma_pos of .* at least 0; got -1$"),
        (lambda: AsymmetricLoss(clip=1), "^clip of .* must be at least 0 and below 1; got 1$"),
        (lambda: AsymmetricLoss(eps=0), "^eps of .* above 0 and below 1; got 0$"),
        (lambda: AsymmetricLoss(eps=1), "^eps of .* above 0 and below 1; got 1$"),
        (lambda: FocalLoss(gamma=-2), "^gamma of .* at least 0; got -2$"),
        (lambda: FocalLoss(alpha=1.5), "^alpha of .* 0 to 1, or None; got 1.5$"),
        (lambda: FocalLoss()(torch.zeros(2, 3), torch.zeros(3)), r"got \(2, 3\) and \(3,\)"),
    ],
)
def test_input_that_makes_no_sense_is_refused(call, message):
    with pytest.raises(InputError, match=message):
        call()


@pytest.mark.parametrize(("alpha", "present", "absent"), [(0.0, 0, 1), (1.0, 1, 0)])
def test_focal_may_weigh_one_side_only(alpha, present, absent):
    each = FocalLoss(alpha=alpha, reduction="none")(torch.zeros(1, 2), torch.tensor([[1, 0]]))
    assert (each > 0).tolist() == [[present, absent]]


def test_a_loss_must_say_what_an_entry_costs():
    with pytest.raises(NotImplementedError):
        Criterion()(torch.zeros(1, 1), torch.zeros(1, 1))


def test_binary_cross_entropy_equals_torch_when_all_is_known(batch):
    logits, targets = batch
    present = (targets == 1).double()
    found = BinaryCrossEntropy(reduction="mean")(logits, present)
    torch.testing.assert_close(found, F.binary_cross_entropy_with_logits(logits, present))


def published(case, reduction):
    return AsymmetricLoss(
        gamma_neg=float(GOLDEN["gamma_neg"][case]),
        gamma_pos=float(GOLDEN["gamma_pos"][case]),
        clip=float(GOLDEN["clip"][case]),
        eps=float(GOLDEN["eps"]),
        detach_weight=bool(GOLDEN["detach_weight"][case]),
        reduction=reduction,
    )


@pytest.mark.parametrize(("computed", "stored"), TOLERANCES)
@pytest.mark.parametrize("case", CASES)
def test_golden_loss_and_gradient(case, computed, stored):
    per_entry, per_gradient, of_sum = TOLERANCES[computed, stored]
    logits = torch.from_numpy(GOLDEN["logits"].astype(computed)).requires_grad_()
    targets = torch.from_numpy(GOLDEN["targets"])

    each = published(case, "none")(logits, targets).detach().numpy()
    expected = GOLDEN[f"loss_elementwise_{stored}"][case]
    np.testing.assert_allclose(each, expected, rtol=0, atol=per_entry)

    total = published(case, "sum")(logits, targets)
    total.backward()
    np.testing.assert_allclose(total.item(), GOLDEN[f"loss_{stored}"][case], rtol=of_sum)
    expected = GOLDEN[f"grad_{stored}"][case]
    np.testing.assert_allclose(logits.grad.numpy(), expected, rtol=0, atol=per_gradient)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("value", [0.3, 0.999, float("nan"), -0.5])
def test_a_soft_target_is_refused_and_not_taken_for_present(name, value):
    loss = create_loss(name)
    targets = torch.tensor([[1.0, 0.0, -1.0]])
    for kind in (torch.float32, torch.float16, torch.int8):
        hard = loss(torch.zeros(1, 3), targets.to(kind))
        assert torch.equal(hard, loss(torch.zeros(1, 3), targets))
    targets[0, 1] = value
    with pytest.raises(InputError, match=r"got values between them. Soft targets are not"):
        loss(torch.zeros(1, 3), targets)
