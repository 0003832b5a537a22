"""SSGRL and KGGR: which graph, which vectors, what the options do."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from imlgcn.errors import InputError
from imlgcn.labels.context import LabelContext
from imlgcn.models.heads import create_head

IN_CHANNELS = 12
BOTH = pytest.mark.parametrize("name", ["ssgrl", "kggr"])


@BOTH
def test_the_graph_is_the_plain_conditional_probability_row_by_row(name, labels):
    adjacency = create_head(name, IN_CHANNELS, labels).adjacency
    for i in range(labels.num_labels):
        for j in range(labels.num_labels):
            images = labels.occurrences[i]
            share = labels.pair_counts[i, j] / images if images else 0.0
            expected = 0.0 if i == j else share
            assert adjacency[i, j].item() == pytest.approx(expected, abs=1e-7)
    assert adjacency[3, 1] == 1  # never without: the row is the condition
    assert adjacency[1, 3] < 1
    with_self = create_head(name, IN_CHANNELS, labels, zero_diagonal=False).adjacency
    assert with_self.diagonal().tolist() == [1, 1, 1, 1, 0]  # the last never occurs


@BOTH
def test_label_vectors_of_any_kind_and_width_can_be_taken(name, labels):
    plain = create_head(name, IN_CHANNELS, labels, preset="paper")
    assert np.array_equal(plain.vectors.numpy(), labels.embedding("words"))
    for kind, width in {"image": IN_CHANNELS, "onehot": 5}.items():
        assert create_head(name, IN_CHANNELS, labels, embedding=kind).vectors.shape == (5, width)
    with pytest.raises(InputError, match=r"words.*imlgcn\[words\]"):
        create_head(name, IN_CHANNELS, LabelContext.placeholder(3))


@BOTH
def test_random_vectors_follow_their_seed(name, labels):
    first, again, other = (
        create_head(name, IN_CHANNELS, labels, embedding="random", seed=seed).vectors
        for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@BOTH
@pytest.mark.parametrize("unit", [0.01, 30.0])
def test_normalized_inputs_have_no_unit(name, unit, labels):
    other = labels.with_embeddings(words=unit * labels.embedding("words"))
    heads = [create_head(name, IN_CHANNELS, x).eval() for x in (labels, other)]
    torch.testing.assert_close(heads[0].vectors, heads[1].vectors)
    features = torch.randn(2, IN_CHANNELS, 3, 3)
    torch.testing.assert_close(heads[0](unit * features), heads[0](features))


@BOTH
@torch.no_grad()
def test_an_image_reaches_a_label_over_the_graph_as_many_steps_away_as_there_are(name):
    chain = np.eye(4, dtype=np.int8)
    chain = np.concatenate([chain, np.eye(4, 4, 1, dtype=np.int8)[:3] + chain[:3]])  # i with i + 1
    context = LabelContext.from_targets(list("abcd"), chain)
    head = create_head(name, IN_CHANNELS, context, embedding="onehot", time_step=2).eval()
    nodes = torch.randn(1, 4, head.output.in_features // 2)
    changed = nodes.clone()
    changed[:, 0] += 1
    moved = (head.propagate(changed) - head.propagate(nodes)).abs().amax((0, 2))
    assert moved.nonzero().flatten().tolist() == [0, 1, 2]


@torch.no_grad()
def test_without_steps_on_the_graph_nodes_are_what_the_labels_see(labels):
    head = create_head("ssgrl", IN_CHANNELS, labels, time_step=0).eval()
    features = torch.randn(2, IN_CHANNELS, 3, 3)
    seen = head.see(head.input(features))
    joined = head.output(torch.cat([seen, seen], -1)).tanh()
    expected = torch.einsum("blo,lo->bl", joined, head.weight) + head.bias
    torch.testing.assert_close(head(features), expected)


@torch.no_grad()
def test_the_classifiers_of_kggr_pass_the_graph_and_those_of_ssgrl_do_not(labels):
    assert torch.equal(
        (ssgrl := create_head("ssgrl", IN_CHANNELS, labels)).classifiers(), ssgrl.weight
    )
    kggr = create_head("kggr", IN_CHANNELS, labels, time_step=2)
    expected = kggr.weight
    for _ in range(2):
        expected = kggr.classifier_propagation(expected, kggr.adjacency)
    torch.testing.assert_close(kggr.classifiers(), expected)
    features = torch.randn(2, IN_CHANNELS, 3, 3)
    seen = kggr.eval().see(kggr.input(features))
    output = kggr.output(torch.cat([kggr.propagate(seen), seen], -1)).tanh()
    logits = torch.einsum("blo,lo->bl", output, expected) + kggr.bias
    torch.testing.assert_close(kggr(features), logits)
    folded = kggr.fold()
    torch.testing.assert_close(folded(features), logits)
    assert torch.equal(folded.classifiers(), folded.weight)
    assert kggr.classifier_propagation is not None  # folding leaves the head as it was


@torch.no_grad()
def test_the_classifiers_of_kggr_start_almost_as_themselves(labels):
    kggr = create_head("kggr", IN_CHANNELS, labels, preset="paper")
    change = (kggr.classifiers() - kggr.weight).norm() / kggr.weight.norm()
    assert 0 < change < 0.1


def test_what_is_stored_and_not_used_is_named(labels):
    ssgrl = create_head("ssgrl", IN_CHANNELS, labels)
    assert {"propagation.reset_state.weight", "propagation.reset_state.bias"} <= set(
        ssgrl.unused_parameters
    )
    kggr = create_head("kggr", IN_CHANNELS, labels)
    assert set(kggr.unused_parameters) == {"attention.mix.bias", "attention.score.bias"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"time_step": -1}, "time_step is a number of steps, 0 or more; got -1"),
        ({"dropout": 1.0}, "dropout is a fraction, 0 to below 1"),
        ({"embedding": "wrods"}, "unknown embedding 'wrods'; did you mean 'words'"),
    ],
)
def test_impossible_values_are_refused(options, message, labels):
    with pytest.raises(InputError, match=message):
        create_head("ssgrl", IN_CHANNELS, labels, **options)
