"""Where a head looks: what its maps must add up to, over every head that has them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from imlgcn.activation_maps import ADDITIVE, MEANING
from imlgcn.errors import InputError
from imlgcn.models.heads import HEADS, create_head
from imlgcn.models.layers import ImageVector, pool, winners
from imlgcn.models.occlusion import occlusion_maps
from imlgcn.models.scorer import Scorer

IN_CHANNELS = 12
SIZES = [(1, 1), (2, 5), (7, 3), (4, 4)]
POOLED = ("linear", "mlp", "ml_gcn", "iml_gcn")
CASES = [(name, preset, {}) for name, head in HEADS.items() for preset in head.PRESETS]
CASES += [(name, "small", {"pooling": pooling}) for name in POOLED for pooling in ("avg", "max")]
CASES += [
    ("csra", "paper", {"temperatures": (3.0, 99), "lam": 0.7}),
    ("ml_gcn", "small", {"graph": "adaptive", "residual": True}),
    ("ml_decoder", "small", {"num_of_groups": 2}),  # five labels: three and two share a query
    ("query2label", "small", {"dec_layers": 2, "keep_other_self_attn": True}),
    ("c_tran", "small", {"layers": 2}),
]


def build(name, preset, options, labels):
    head = create_head(name, IN_CHANNELS, labels, preset=preset, **options).eval()
    if head.closed_form:
        head.fit(torch.randn(16, IN_CHANNELS, 1, 1), torch.randint(-1, 2, (16, 5)))
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.normal_(std=0.5)
    return head


def features_of(head, height, width, batch=3):
    levels = tuple(
        torch.randn(batch, IN_CHANNELS, height, width) for _ in range(head.feature_levels)
    )
    return levels if head.feature_levels > 1 else levels[0]


ATTENDING = ("srn", "ssgrl", "kggr", "c_tran", "ml_decoder", "query2label")
OCCLUDED = ("kernel",)
BLIND = ("cnn_rnn",)
LOOKING = [case for case in CASES if case[0] not in BLIND]


def over(cases):
    return pytest.mark.parametrize(
        "case", cases, ids=lambda c: f"{c[0]}-{c[1]}-{c[2]}", indirect=True
    )


over_all = over(LOOKING)
over_scores = over([case for case in LOOKING if case[0] not in (*ATTENDING, *OCCLUDED)])
over_attention = over([case for case in LOOKING if case[0] in ATTENDING])
over_occlusion = over([case for case in LOOKING if case[0] in OCCLUDED])


@pytest.fixture
def case(request, labels):
    """The head of a case, all its parameters random."""
    return build(*request.param, labels)


def bias_of(head):
    for layer in (head, getattr(head, "linear2", head), getattr(head, "linear", head)):
        if (bias := getattr(layer, "bias", None)) is not None:
            return bias
    return torch.zeros(head.num_labels)


def close(found, expected):
    atol = 1e-5 * expected.abs().max().item()
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=atol)


def test_every_head_but_the_lstm_says_where_it_looks(labels):
    kinds = {name: build(name, "small", {}, labels).map_kind for name in HEADS}
    assert [name for name, kind in kinds.items() if kind is None] == list(BLIND)
    assert set(kinds.values()) - {None} == set(MEANING)


def test_a_head_without_maps_says_so(labels):
    head = build("cnn_rnn", "small", {}, labels)
    with pytest.raises(InputError, match="CNNRNNHead has no activation maps"):
        head.activation_maps(features_of(head, 2, 2))


@over_all
def test_the_logits_beside_the_maps_are_those_of_forward(case):
    for height, width in SIZES:
        features = features_of(case, height, width)
        close(case.activation_maps(features)[0], case(features))


@over_scores
def test_a_score_map_averages_to_the_logit_without_its_bias(case):
    assert case.map_kind in ADDITIVE
    for height, width in SIZES:
        logits, maps = case.activation_maps(features_of(case, height, width))
        assert maps.shape == (3, case.num_labels, height, width)
        close(maps.mean((2, 3)) + bias_of(case), logits)


@over_attention
def test_attention_is_a_share_of_the_positions(case):
    assert case.map_kind == "attention"
    for height, width in SIZES:
        maps = case.activation_maps(features_of(case, height, width))[1]
        assert maps.min() >= 0
        torch.testing.assert_close(maps.sum((2, 3)), torch.ones(3, case.num_labels))


def without_position(features, row, column):
    """Return features with one position of the deepest map replaced by the map's mean."""
    levels = list(features) if isinstance(features, tuple) else [features]
    levels[-1] = levels[-1].clone()
    levels[-1][:, :, row, column] = levels[-1].mean((2, 3))
    return tuple(levels) if isinstance(features, tuple) else levels[0]


def check_falls(scorer, features):
    logits, maps = scorer.activation_maps(features)
    for row, column in np.ndindex(*maps.shape[2:]):
        fall = logits - scorer(without_position(features, row, column))
        torch.testing.assert_close(maps[:, :, row, column], fall)


@over_occlusion
def test_a_map_by_occlusion_is_the_fall_of_the_score_without_each_position(case):
    assert case.map_kind == "occlusion"
    head = case.double()  # falls are small differences of scores
    for height, width in SIZES:
        features = features_of(head, height, width).double()
        check_falls(head, features)
        assert (head.activation_maps(features)[1].abs().max() > 1e-3) == (height * width > 1)


class TwoLevels(Scorer):
    """Scores the squares of the averages of two maps, so that no position has a part of its own."""

    feature_levels = 2
    pooling = "avg"

    def forward(self, features, known=None):
        shallow, deep = (pool(level, "avg").square() for level in features)
        return torch.stack([deep[:, 0] * shallow[:, 1], deep[:, 1] - 3 * deep[:, 0]], dim=1)

    def activation_maps(self, features, known=None):
        return occlusion_maps(self, features)


def test_of_several_levels_the_deepest_is_occluded_and_the_others_stay():
    features = (
        torch.randn(2, 3, 6, 8, dtype=torch.float64),
        torch.randn(2, 5, 3, 4, dtype=torch.float64),
    )
    assert TwoLevels().activation_maps(features)[1].shape == (2, 2, 3, 4)
    check_falls(TwoLevels(), features)


@over_all
def test_a_folded_head_gives_the_same_maps(case):
    """In float64: a softmax of scores in the hundreds makes float32 rounding visible."""
    head = case.double()
    folded = head.fold().eval().double()  # a folded layer is float32
    assert folded.map_kind == head.map_kind
    features = features_of(head, 3, 5)
    features = (
        tuple(f.double() for f in features) if isinstance(features, tuple) else features.double()
    )
    for found, expected in zip(
        folded.activation_maps(features), head.activation_maps(features), strict=True
    ):
        close(found, expected)


@over_all
def test_maps_of_an_image_are_the_same_alone_or_in_a_batch(case):
    features = features_of(case, 3, 5)
    first = tuple(f[:1] for f in features) if isinstance(features, tuple) else features[:1]
    close(case.activation_maps(first)[1], case.activation_maps(features)[1][:1])


POSITION_FREE = ("linear", "mlp", "ml_gcn", "csra", "ssgrl", "kggr", "c_tran", "ml_decoder")


@pytest.mark.parametrize("name", POSITION_FREE)
def test_a_map_follows_the_image_when_it_is_flipped(name, labels):
    """Catches a map whose rows are taken for columns."""
    head = build(name, "paper", {"map_pooling": 1} if name in POSITION_FREE[4:] else {}, labels)
    features = features_of(head, 2, 5)
    close(head.activation_maps(features.flip(3))[1], head.activation_maps(features)[1].flip(3))


@pytest.mark.parametrize(
    ("name", "options"),
    [("srn", {"size": 7}), ("query2label", {"map_pooling": 1, "enc_layers": 0})],
)
def test_attention_finds_the_one_position_that_differs(name, options, labels):
    """The same for heads that know where a position is, which a flip does not leave alone."""
    head = build(name, "paper", options, labels)
    features = torch.ones(1, IN_CHANNELS, 7, 7)
    features[:, :, 1, 4] = 10 * torch.linspace(-3, 4, IN_CHANNELS)
    given = (features, features) if head.feature_levels > 1 else features
    maps = head.activation_maps(given)[1][0]  # (L, 7, 7)
    odd = (maps - maps.flatten(1).median(1).values[:, None, None]).abs().flatten(1).argmax(1)
    apart = torch.stack([odd // 7 - 1, odd % 7 - 4]).abs().amax(0)
    assert (apart <= 1).float().mean() > 0.5, "of most labels; SRN's convolution sees a step around"


def test_channels_carry_their_maximum_where_they_have_it_and_ties_share():
    vector = ImageVector("max", normalize=False)
    features = torch.tensor([[[[1.0, 5.0, 0.0]], [[2.0, -1.0, 2.0]]]])  # (1, 2, 1, 3)
    expected = torch.tensor([[[[0.0, 15.0, 0.0]], [[3.0, 0.0, 3.0]]]])
    torch.testing.assert_close(vector.spread(features), expected)
    torch.testing.assert_close(vector.spread(features).mean((2, 3)), vector(features))


def test_winners_share_over_the_map_of_each_label_alone():
    scores = torch.tensor([[[1.0, 2.0], [0.0, 2.0]], [[9.0, 0.0], [0.0, 0.0]]])
    assert winners(scores).tolist() == [[[0, 0.5], [0, 0.5]], [[1, 0], [0, 0]]]


def test_known_labels_change_the_maps_of_a_head_that_uses_them(labels):
    head = build("c_tran", "small", {}, labels)
    features, known = features_of(head, 4, 6), torch.full((3, 5), -1)
    known[:, 1] = 1
    logits, maps = head.activation_maps(features, known)
    close(logits, head(features, known))
    assert not torch.equal(maps, head.activation_maps(features)[1])


@pytest.mark.parametrize("name", [name for name in HEADS if name not in ("c_tran", *BLIND)])
def test_known_labels_are_refused_by_the_others(name, labels):
    head = build(name, "small", {}, labels)
    with pytest.raises(InputError, match="cannot use known labels"):
        head.activation_maps(features_of(head, 2, 2), torch.ones(3, 5))


@over_all
def test_a_map_of_zeros_stays_finite(case):
    features = features_of(case, 3, 2)
    zero = tuple(0 * f for f in features) if isinstance(features, tuple) else 0 * features
    for found in case.activation_maps(zero):
        assert found.isfinite().all()
