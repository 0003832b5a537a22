"""A head that starts where the linear one stands."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from imlgcn.labels.context import LabelContext
from imlgcn.models import create_head
from imlgcn.training.warm_start import warm_start

C, L = 12, 5


@pytest.fixture
def labels():
    generator = np.random.default_rng(0)
    targets = (generator.random((80, L)) < [0.6, 0.5, 0.4, 0.3, 0.2]).astype(np.int8)
    vectors = {
        kind: generator.normal(size=(L, 4)).astype(np.float32) for kind in ("image_pca", "words")
    }
    return LabelContext.from_targets("abcde", targets, vectors)


@pytest.fixture
def linear(labels):
    torch.manual_seed(0)
    head = create_head("linear", C, labels)
    nn.init.normal_(head.linear.weight, std=0.1)
    nn.init.normal_(head.linear.bias)
    return head


def features(count=40):
    return torch.randn(count, C, 1, 1, generator=torch.Generator().manual_seed(1)).abs()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("iml_gcn", {}),
        ("iml_gcn", {"graph": "identity", "embedding": "onehot"}),
        ("ml_gcn", {"pooling": "avg"}),
        ("mlp", {}),
    ],
)
def test_a_head_scores_like_the_linear_one_afterwards(name, options, labels, linear):
    torch.manual_seed(2)
    head = create_head(name, C, labels, **options)
    left = warm_start(head, linear, features())
    assert left < 0.05
    with torch.no_grad():
        found, wanted = head.eval()(features()), linear.eval()(features())
    assert (found - wanted).abs().max() < 0.05 * wanted.abs().max()


def test_generated_classifiers_agree_on_images_never_seen(labels, linear):
    torch.manual_seed(2)
    head = create_head("iml_gcn", C, labels)
    warm_start(head, linear, features(1))
    new = torch.randn(30, C, 1, 1)
    torch.testing.assert_close(head.eval()(new), linear(new), atol=0.02, rtol=0.02)
    torch.testing.assert_close(head.bias, linear.linear.bias, rtol=0, atol=0)


def test_what_is_left_is_the_relative_difference(labels, linear):
    head = create_head("iml_gcn", C, labels)
    left = warm_start(head, linear, features())
    folded, wanted = head.fold().linear.weight, linear.linear.weight
    expected = ((folded - wanted).square().mean() / wanted.square().mean()).sqrt()
    assert left == pytest.approx(float(expected.detach()), rel=1e-3, abs=1e-6)


@pytest.mark.parametrize(
    "options",
    [{}, {"preset": "paper", "embedding": "image_pca"}, {"residual": True}, {"hidden": 5}],
)
def test_rounding_in_the_linear_head_stays_rounding_in_the_other(options, labels, linear):
    """Several processes sum in another order than one: what they fit must not drift apart."""
    found = []
    for part in (0.0, 1e-6):
        torch.manual_seed(2)
        head = create_head("iml_gcn", C, labels, **options)
        with torch.no_grad():
            linear.linear.weight *= 1 + part * torch.randn(L, C)
        warm_start(head, linear, features(1))
        found.append(head.state_dict())
    for key, value in found[0].items():
        assert (found[1][key] - value).norm() <= 1e-4 * value.norm(), key


def test_of_more_labels_than_hidden_units_the_nearest_classifiers_are_taken(labels, linear):
    torch.manual_seed(2)
    head = create_head("iml_gcn", C, labels, hidden=2)
    with torch.no_grad():
        nodes = (head.graph() @ head.hidden(head.graph())).double()
        wanted = linear.linear.weight.double()
        nearest = nodes @ torch.linalg.lstsq(nodes, wanted).solution
    head.take_weight(linear.linear.weight)
    torch.testing.assert_close(head.weight().double(), nearest, rtol=1e-3, atol=1e-3)
    with torch.no_grad():
        before = (head.weight() - linear.linear.weight).norm() / linear.linear.weight.norm()
    assert warm_start(head, linear, features(1)) < 0.9 * before, "the first layer is fitted as well"


def test_the_edges_of_many_labels_take_what_the_matrix_takes(labels, linear, monkeypatch):
    found = []
    for most in (L, L - 1):
        monkeypatch.setattr("imlgcn.models.heads.ml_gcn.MANY_LABELS", most)
        torch.manual_seed(2)
        head = create_head("iml_gcn", C, labels)
        head.take_weight(linear.linear.weight)
        found.append(head.weight())
    torch.testing.assert_close(*found)


def test_the_linear_head_stays_and_no_gradient_is_left(labels, linear):
    before = {key: value.clone() for key, value in linear.state_dict().items()}
    head = create_head("iml_gcn", C, labels)
    warm_start(head, linear, features())
    torch.testing.assert_close(dict(linear.state_dict()), before, rtol=0, atol=0)
    assert all(p.grad is None or not p.grad.any() for p in head.parameters())
    assert all(p.requires_grad for p in linear.parameters())


def test_an_untrained_linear_head_is_no_division_by_zero(labels):
    linear, head = create_head("linear", C, labels), create_head("iml_gcn", C, labels)
    assert np.isfinite(warm_start(head, linear, features()))
    assert all(torch.isfinite(p).all() for p in head.parameters())
