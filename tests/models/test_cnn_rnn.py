"""CNN-RNN: the model as loops, the sets of labels it spreads its probability over, the search."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits as bce

from imlgcn.errors import InputError
from imlgcn.labels.context import LabelContext
from imlgcn.models.heads import create_head
from imlgcn.models.heads.cnn_rnn import CNNRNNHead

IN_CHANNELS = 6
OPTIONS = {"width": 3, "hidden": 2, "beams": 8}
OCCURRENCES = [2, 7, 7, 4]  # of d, c, b, a: so b, c, a, d is the order of sequences
ORDER = [2, 1, 3, 0]


@pytest.fixture
def four() -> LabelContext:
    targets = np.array([np.arange(10) < count for count in OCCURRENCES], np.int8).T
    return LabelContext.from_targets(["d", "c", "b", "a"], targets)


def build(labels: LabelContext, **options) -> CNNRNNHead:
    head = create_head("cnn_rnn", IN_CHANNELS, labels, **{**OPTIONS, **options}).eval()
    assert isinstance(head, CNNRNNHead)
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.normal_()
    return head


def image() -> torch.Tensor:
    return torch.randn(1, IN_CHANNELS, 2, 3)


def log_probability(head: CNNRNNHead, features: torch.Tensor, *labels: int) -> float:
    """Return the head's log P of an image having exactly these labels."""
    targets = torch.zeros(1, head.num_labels)
    targets[0, list(labels)] = 1
    return -head.loss(features, targets, bce).item()


def test_sequences_run_from_frequent_to_rare_and_ties_by_name(four):
    assert build(four).order.tolist() == ORDER


@torch.no_grad()
def test_the_probability_of_a_set_equals_loops_over_its_sequence(four):
    head, features = build(four), image()
    p = {name: value.numpy().astype(np.float64) for name, value in head.named_parameters()}

    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    vector = features[0].numpy().astype(np.float64).mean((1, 2))
    vector *= np.sqrt(IN_CHANNELS / (vector**2).sum())
    hidden, memory, last = np.zeros(2), np.zeros(2), p["start"]
    total, left = 0.0, list(ORDER)
    for label in [1, 0, None]:  # c, then d, then the end
        gates = p["lstm.weight_ih"] @ last + p["lstm.bias_ih"]
        gates += p["lstm.weight_hh"] @ hidden + p["lstm.bias_hh"]
        enter, forget, new, leave = gates.reshape(4, 2)
        memory = sigmoid(forget) * memory + sigmoid(enter) * np.tanh(new)
        hidden = sigmoid(leave) * np.tanh(memory)
        joint = p["from_output.weight"] @ hidden + p["from_output.bias"]
        joint = np.maximum(joint + p["from_image.weight"] @ vector, 0)
        scores = {other: p["embedding"][other] @ joint + p["bias"][other] for other in left}
        scores[None] = p["end"] @ joint
        total += scores[label] - np.log(sum(np.exp(list(scores.values()))))
        if label is not None:
            left = left[left.index(label) + 1 :]
            last = p["embedding"][label]
    assert log_probability(head, features, 0, 1) == pytest.approx(total, abs=1e-5)


@torch.no_grad()
def test_with_beams_for_all_the_score_is_the_exact_probability_of_the_label(four):
    head, features = build(four), image()
    sets = [[i for i in range(4) if has[i]] for has in product([False, True], repeat=4)]
    probability = {tuple(s): np.exp(log_probability(head, features, *s)) for s in sets}
    assert sum(probability.values()) == pytest.approx(1, abs=1e-5)  # a set is one sequence
    expected = [sum(p for s, p in probability.items() if label in s) for label in range(4)]
    np.testing.assert_allclose(head(features).sigmoid()[0].numpy(), expected, atol=1e-5)


@torch.no_grad()
def test_more_beams_and_more_steps_only_add_probability(four):
    widest, features = build(four), torch.randn(20, IN_CHANNELS, 2, 2)
    previous = torch.zeros(())
    for options in [{"beams": 1, "max_labels": 1}, {"beams": 1}, {"beams": 2}, {}]:
        head = build(four, **options)
        head.load_state_dict(widest.state_dict())
        q = head(features).sigmoid()
        assert (q >= previous - 1e-6).all()
        assert (q > previous + 1e-3).any()
        previous = q


@torch.no_grad()
def test_one_step_scores_the_first_label_named(four):
    head, features = build(four, max_labels=1), image()
    q = head(features).sigmoid()
    nothing_named = np.exp(log_probability(head, features))
    assert q.sum().item() == pytest.approx(1 - nothing_named, abs=1e-5)


def test_an_unknown_label_weighs_nothing(four):
    head, features = build(four), image()
    targets = torch.tensor([[1.0, -1.0, 1.0, 0.0]])
    loss = head.loss(features, targets, bce)
    loss.backward()
    assert head.embedding.grad[1].abs().sum() == 0
    assert head.bias.grad[1] == 0
    assert head.embedding.grad[3].abs().sum() > 0  # an absent label does
    others = four.reordered(["d", "b", "a"])
    without = build(others)
    state = head.state_dict()
    kept = {key: state[key][[0, 2, 3]] for key in ("embedding", "bias")}
    without.load_state_dict({**state, **kept, "order": without.order})
    torch.testing.assert_close(without.loss(features, targets[:, [0, 2, 3]], bce), loss)


def test_the_loss_is_the_mean_over_images_of_unlike_lengths(four):
    head, features = build(four), torch.randn(3, IN_CHANNELS, 1, 1)
    targets = torch.tensor([[0.0, 0, 0, 0], [1, 1, 1, 1], [0, 0, 1, 0]])
    alone = [head.loss(features[i : i + 1], targets[i : i + 1], bce) for i in range(3)]
    torch.testing.assert_close(head.loss(features, targets, bce), torch.stack(alone).mean())
    assert head.loss(features[:0], targets[:0], bce) == 0


@torch.no_grad()
@pytest.mark.parametrize("certainty", [100.0, -100.0])
def test_a_label_that_is_certain_has_a_finite_logit(four, certainty):
    head = build(four)
    head.bias[2] = certainty  # the most frequent label
    logits = head(image())[0]
    assert logits.isfinite().all()
    assert logits.argsort()[3 if certainty > 0 else 0] == 2


def test_labels_that_go_together_are_learnt_together(four):
    torch.manual_seed(0)
    head = create_head("cnn_rnn", IN_CHANNELS, four, **OPTIONS | {"dropout": 0.0}).train()
    features = torch.randn(8, IN_CHANNELS, 1, 1)
    targets = (torch.rand(8, 4) < 0.5).float()
    optimizer = torch.optim.Adam(head.parameters(), 0.05)
    for _ in range(150):
        optimizer.zero_grad()
        head.loss(features, targets, bce).backward()
        optimizer.step()
    assert ((head.eval()(features) > 0) == (targets == 1)).all()


def test_no_beam_and_no_step_are_refused(four):
    for options in ({"beams": 0}, {"max_labels": 0}):
        with pytest.raises(InputError, match="beams and max_labels are 1 or more"):
            build(four, **options)
