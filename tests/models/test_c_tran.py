"""C-Tran: what is known of the labels, and what is revealed in training."""

from __future__ import annotations

import math

import pytest
import torch

from imlgcn.errors import InputError
from imlgcn.losses import create_loss
from imlgcn.models.heads import create_head
from imlgcn.models.heads.c_tran import reveal

IN_CHANNELS = 12


def head_of(labels, **options):
    return create_head("c_tran", IN_CHANNELS, labels, **options).eval()


@torch.no_grad()
@pytest.mark.parametrize("preset", ["small", "paper"])
def test_nothing_given_is_the_same_as_all_unknown(preset, labels):
    head = head_of(labels, preset=preset)
    features = torch.randn(2, IN_CHANNELS, 3, 4)
    for dtype in (torch.float32, torch.int8, torch.int64):
        unknown = torch.full((2, 5), -1, dtype=dtype)
        torch.testing.assert_close(head(features, unknown), head(features), rtol=0, atol=0)


@torch.no_grad()
def test_revealing_a_label_changes_every_logit_and_present_is_not_absent(labels):
    head = head_of(labels)
    features = torch.randn(1, IN_CHANNELS, 3, 4)
    logits = []
    for state in (-1, 0, 1):
        known = torch.full((1, 5), -1)
        known[0, 2] = state
        logits.append(head(features, known))
    for one, other in [(0, 1), (0, 2), (1, 2)]:
        assert (logits[one] - logits[other]).abs().min() > 1e-5


@torch.no_grad()
def test_what_is_known_of_one_image_is_not_known_of_another(labels):
    head = head_of(labels)
    features = torch.randn(2, IN_CHANNELS, 3, 4)
    known = torch.tensor([[1, -1, 0, -1, -1], [-1, -1, -1, -1, -1]])
    torch.testing.assert_close(head(features, known)[1:], head(features[1:]))
    torch.testing.assert_close(head(features, known)[:1], head(features[:1], known[:1]))


@torch.no_grad()
def test_the_states_are_unknown_absent_present_in_this_order(labels):
    head = head_of(labels)
    features = torch.randn(1, IN_CHANNELS, 3, 4)
    known = torch.tensor([[0, 0, 0, 0, 0]])
    given = head(features, known)
    head.states[0] = head.states[1]  # as if all were absent without saying so
    torch.testing.assert_close(head(features), given)
    assert not torch.allclose(head(features, known + 1), given)
    assert not torch.allclose(head_of(labels).states[0], torch.zeros(()))  # unknown is not zero


@torch.no_grad()
def test_positions_can_change_places(labels):
    head = head_of(labels, map_pooling=1)
    features = torch.randn(2, IN_CHANNELS, 3, 4)
    turned = features.flip(2).transpose(2, 3)
    torch.testing.assert_close(head(turned), head(features))


def test_up_to_a_share_of_the_labels_is_revealed_each_number_as_often():
    targets = (torch.rand(8000, 10) < 0.3).to(torch.int8)
    known = reveal(targets, 0.75)
    assert known.dtype == targets.dtype
    shown = known >= 0
    assert torch.equal(known[shown], targets[shown])
    assert (known[~shown] == -1).all()
    share = torch.bincount(shown.sum(1), minlength=11) / 8000
    assert share[8:].sum() == 0  # 0.75 * 10, rounded down
    torch.testing.assert_close(share[:8], torch.full((8,), 1 / 8), rtol=0, atol=0.02)
    per_label = shown.float().mean(0)
    torch.testing.assert_close(per_label, torch.full((10,), 0.35), rtol=0, atol=0.03)


def test_unknown_targets_are_never_revealed_and_do_not_count():
    targets = torch.tensor([[-1, 1, -1, 0, 1, 0, -1, -1]]).repeat(4000, 1)
    shown = reveal(targets, 0.75) >= 0
    assert not shown[targets == -1].any()
    share = torch.bincount(shown.sum(1)) / 4000  # none to three of four, each as often
    torch.testing.assert_close(share, torch.full((4,), 1 / 4), rtol=0, atol=0.03)
    per_label = shown[:, targets[0] >= 0].float().mean(0)
    torch.testing.assert_close(per_label, torch.full((4,), 1.5 / 4), rtol=0, atol=0.03)
    assert (reveal(torch.full((3, 4), -1), 0.75) == -1).all()


def test_nothing_is_revealed_of_a_single_label_or_with_a_share_of_zero():
    assert (reveal(torch.ones(50, 1), 0.75) == -1).all()
    assert (reveal(torch.ones(50, 6), 0.0) == -1).all()
    assert reveal(torch.ones(0, 6), 0.75).shape == (0, 6)


def test_the_loss_is_taken_over_hidden_and_known_targets_with_the_rest_given(labels):
    seen = []

    class Spy(torch.nn.Module):
        def forward(self, logits, targets):
            seen.append((logits, targets))
            return logits.sum()

    head = head_of(labels)
    features = torch.randn(64, IN_CHANNELS, 2, 2)
    targets = torch.randint(-1, 2, (64, 5))
    torch.manual_seed(3)
    head.loss(features, targets, Spy())
    torch.manual_seed(3)
    known = reveal(targets, 0.75)
    logits, hidden = seen[0]
    torch.testing.assert_close(logits, head(features, known))
    assert (known >= 0).any()
    assert torch.equal(known >= 0, (hidden < 0) & (targets >= 0))  # either given or asked for
    assert torch.equal(hidden[hidden >= 0], targets[hidden >= 0])


def test_without_revealed_labels_the_loss_is_that_of_the_logits(labels):
    head, criterion = head_of(labels, max_known=0.0), create_loss("bce", reduction="mean")
    features, targets = torch.randn(4, IN_CHANNELS, 2, 2), torch.randint(-1, 2, (4, 5))
    torch.testing.assert_close(
        head.loss(features, targets, criterion), criterion(head(features), targets)
    )


def test_the_same_seed_reveals_the_same_labels():
    targets = torch.ones(20, 9)
    drawn = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        drawn.append(reveal(targets, 0.75))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_it_learns_to_use_a_label_that_tells_another(labels):
    """The second label is the first one: only what is given can say it, the maps are noise."""
    head = head_of(labels, hidden_dim=16, layers=1, dropout=0.0, feature_dropout=0.0)
    criterion = create_loss("bce", reduction="mean")
    optimizer = torch.optim.AdamW(head.parameters(), 0.01)
    targets = torch.zeros(64, 5)
    for _ in range(150):
        targets[:, :2] = (torch.rand(64, 1) < 0.5).float()
        loss = head.loss(torch.randn(64, IN_CHANNELS, 1, 1), targets, criterion)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    known = torch.full((2, 5), -1)
    known[:, 0] = torch.tensor([1, 0])
    present, absent = head(torch.randn(1, IN_CHANNELS, 1, 1).expand(2, -1, -1, -1), known)[:, 1]
    assert present > math.log(9)  # 0.9 and 0.1
    assert absent < -math.log(9)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers": 0}, "layers is 1 or more; got 0"),
        ({"max_known": 1.0}, "max_known is a fraction, 0 to below 1"),
        ({"num_heads": 3}, "64 is not divisible by 3; change num_heads"),
    ],
)
def test_impossible_values_are_refused(options, message, labels):
    with pytest.raises(InputError, match=message):
        head_of(labels, **options)
