from __future__ import annotations

import math

import torch

from imlgcn.models.graph_layers import GatedGraphUnit, SemanticAttention


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


@torch.no_grad()
def test_semantic_attention_equals_its_formula_in_loops():
    layer = SemanticAttention(4, 3, 6).double()
    positions, labels = torch.randn(2, 7, 4).double(), torch.randn(5, 3).double()
    result = layer(positions, labels)
    assert result.shape == (2, 5, 4)
    for image in range(2):
        for label in range(5):
            scores = []
            for x in positions[image]:
                pair = torch.tanh((layer.image.weight @ x) * (layer.label.weight @ labels[label]))
                mixed = layer.mix.weight @ pair + layer.mix.bias
                scores.append(float(layer.score.weight[0] @ mixed + layer.score.bias[0]))
            total = sum(math.exp(score) for score in scores)
            expected = sum(
                math.exp(score) / total * x
                for score, x in zip(scores, positions[image], strict=True)
            )
            torch.testing.assert_close(result[image, label], expected)


@torch.no_grad()
def test_semantic_attention_does_not_care_where_a_position_stands():
    layer = SemanticAttention(4, 3, 6)
    positions, labels = torch.randn(2, 7, 4), torch.randn(5, 3)
    moved = positions[:, torch.randperm(7)]
    torch.testing.assert_close(layer(moved, labels), layer(positions, labels))


@torch.no_grad()
def test_one_position_is_what_every_label_sees():
    positions = torch.randn(2, 1, 4)
    seen = SemanticAttention(4, 3, 6)(positions, torch.randn(5, 3))
    torch.testing.assert_close(seen, positions.expand(2, 5, 4))


@torch.no_grad()
def test_a_gated_step_by_hand():
    layer = GatedGraphUnit(1)
    for name, parameter in layer.named_parameters():
        parameter.fill_(0.1 if name.endswith("bias") else 0.0)
    layer.update_message.weight.copy_(torch.tensor([[2.0, 0.5]]))  # what comes in, what goes out
    layer.update_state.weight.fill_(-1.0)
    layer.reset_message.weight.copy_(torch.tensor([[0.3, -0.7]]))
    layer.reset_state.weight.fill_(0.9)
    layer.candidate_message.weight.copy_(torch.tensor([[-0.4, 1.5]]))
    layer.candidate_state.weight.fill_(0.6)
    adjacency = torch.tensor([[0.0, 0.25], [0.5, 0.0]])
    s = (3.0, -2.0)
    result = layer(torch.tensor(s)[:, None], adjacency)
    for own, other, incoming, outgoing in [(0, 1, 0.25, 0.5), (1, 0, 0.5, 0.25)]:
        first, second = incoming * s[other], outgoing * s[other]
        z = sigmoid(2.0 * first + 0.5 * second + 0.1 - s[own] + 0.1)
        r = sigmoid(0.3 * first - 0.7 * second + 0.1 + 0.9 * s[own] + 0.1)
        c = math.tanh(-0.4 * first + 1.5 * second + 0.1 + 0.6 * r * s[own] + 0.1)
        torch.testing.assert_close(result[own].item(), (1 - z) * s[own] + z * c, rtol=1e-5, atol=0)


@torch.no_grad()
def test_a_shared_reset_gate_takes_the_matrix_and_bias_of_the_update_gate():
    shared, own = GatedGraphUnit(3, shared_reset=True), GatedGraphUnit(3)
    own.load_state_dict(shared.state_dict())
    state, adjacency = torch.randn(2, 4, 3), torch.rand(4, 4)
    assert not torch.allclose(own(state, adjacency), shared(state, adjacency))
    own.reset_state.load_state_dict(shared.update_state.state_dict())
    torch.testing.assert_close(own(state, adjacency), shared(state, adjacency))


@torch.no_grad()
def test_without_edges_labels_do_not_hear_of_each_other():
    layer = GatedGraphUnit(3)
    state = torch.randn(2, 4, 3)
    changed = state.clone()
    changed[:, 0] += 1
    for edges, reached in [(torch.zeros(4, 4), {0}), (torch.eye(4)[[1, 0, 2, 3]], {0, 1})]:
        difference = (layer(changed, edges) - layer(state, edges)).abs().amax((0, 2))
        assert set(difference.nonzero().flatten().tolist()) == reached
