"""The contract of heads, over every head and preset and over the example of docs/adding-a-head.md.

One head alone: ``pytest tests/models/test_heads.py -k NAME``.
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits as bce

from imlgcn.errors import InputError
from imlgcn.labels.context import LabelContext
from imlgcn.losses import create_loss
from imlgcn.metrics.ranking import mean_average_precision
from imlgcn.models.heads import HEADS, Head, create_head

IN_CHANNELS = 12
EXAMPLE = "wildcat"  # the head that the page builds
PRESETS = {EXAMPLE: ("small", "paper")} | {name: tuple(h.PRESETS) for name, h in HEADS.items()}
CASES = [(name, preset) for name, presets in PRESETS.items() for preset in presets]
over_all_heads = pytest.mark.parametrize(("name", "preset"), CASES)
over_small_heads = pytest.mark.parametrize("name", PRESETS)
# tests/exporting/test_every_head.py writes all heads of the package, each in a whole network
AS_ONNX = [EXAMPLE, *(pytest.param(name, marks=pytest.mark.slow) for name in HEADS)]
STEPS, IMAGES = 100, 6  # the budget of learning by heart
SUPPORT = 16  # images that a closed form is fitted on
CHANNELS = {"kernel": (IN_CHANNELS, IN_CHANNELS, IN_CHANNELS)}  # its stages are optional


@pytest.fixture(autouse=True)
def _example_of_the_page(request, monkeypatch):
    if "name" in request.fixturenames and request.getfixturevalue("name") not in HEADS:
        monkeypatch.setitem(HEADS, EXAMPLE, request.getfixturevalue("page_head"))


def build(name: str, labels: LabelContext, preset: str = "small", std: float = 0.5) -> Head:
    """Return the head in eval mode with random numbers: parameters drawn, a closed form fitted."""
    head = create_head(name, CHANNELS.get(name, IN_CHANNELS), labels, preset=preset).eval()
    if head.closed_form:
        head.fit(maps(head, SUPPORT, 1, 1), torch.randint(-1, 2, (SUPPORT, labels.num_labels)))
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.normal_(std=std)
    return head


def differentiate(head: Head, loss: torch.Tensor) -> None:
    """Compute the gradients of a head that is trained by them."""
    if not head.closed_form:
        loss.backward()


def maps(head: Head, batch: int = 3, height: int = 4, width: int = 4):
    levels = tuple(
        torch.randn(batch, IN_CHANNELS, height, width) for _ in range(head.feature_levels)
    )
    return levels if head.feature_levels > 1 else levels[0]


def first(features, count: int = 1):
    return tuple(f[:count] for f in features) if isinstance(features, tuple) else features[:count]


@over_all_heads
def test_every_head_gives_one_finite_logit_per_label(name, preset, labels):
    head = build(name, labels, preset)
    logits = head(maps(head))
    assert logits.shape == (3, labels.num_labels)
    assert logits.isfinite().all()


@over_all_heads
def test_every_head_starts_with_finite_logits_near_its_bias(name, preset, labels):
    head = create_head(name, CHANNELS.get(name, IN_CHANNELS), labels, preset=preset).eval()
    assert head(maps(head)).abs().max() < 20


@over_all_heads
def test_gradient_reaches_every_parameter_through_the_loss(name, preset, labels):
    head = build(name, labels, preset)
    differentiate(head, head.loss(maps(head), torch.ones(3, labels.num_labels), bce))
    assert head.closed_form == (not list(head.parameters()))
    silent = {
        name for name, p in head.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0
    }
    assert silent == set(head.unused_parameters)


@over_all_heads
def test_every_head_scores_an_image_the_same_alone_or_in_a_batch(name, preset, labels):
    head = build(name, labels, preset)
    features = maps(head)
    together = head(features)
    atol = 1e-5 * together.abs().max().item()  # wide layers with weights of 0.5: large sums
    torch.testing.assert_close(together[:1], head(first(features)), rtol=1e-5, atol=atol)


@over_all_heads
def test_every_head_takes_maps_of_any_height_and_width(name, preset, labels):
    head = build(name, labels, preset)
    for height, width in [(1, 1), (2, 5), (7, 3)]:
        assert head(maps(head, 2, height, width)).shape == (2, labels.num_labels)


@over_all_heads
def test_a_pooling_head_scores_the_pooled_map_like_the_whole_one(name, preset, labels):
    head = build(name, labels, preset)
    if head.pooling is None:
        pytest.skip("needs the map")
    features = maps(head)

    def pooled(level):
        return level.mean((2, 3), True) if head.pooling == "avg" else level.amax((2, 3), True)

    several = isinstance(features, tuple)
    given = tuple(pooled(level) for level in features) if several else pooled(features)
    torch.testing.assert_close(head(given), head(features))


@over_all_heads
def test_a_head_made_anew_scores_alike_once_the_state_is_loaded(name, preset, labels):
    head = build(name, labels, preset)
    blank = LabelContext.placeholder(5, words=7, image_pca=4)  # graph and nodes come by the state
    other = create_head(
        name, CHANNELS.get(name, IN_CHANNELS), blank, preset=preset, **head.fitted_options()
    ).eval()
    other.load_state_dict(head.state_dict())
    features = maps(head)
    torch.testing.assert_close(other(features), head(features), rtol=0, atol=0)


@over_all_heads
def test_folded_equals_unfolded(name, preset, labels):
    head = build(name, labels, preset)
    features = maps(head)
    expected = head(features)
    folded = head.fold().eval()
    atol = 1e-5 * expected.abs().max().item()
    torch.testing.assert_close(folded(features), expected, rtol=1e-5, atol=atol)


@over_all_heads
def test_permuting_the_labels_permutes_the_logits(name, preset, labels):
    order = [3, 0, 4, 2, 1]
    head = build(name, labels, preset)
    other = labels.reordered([labels.names[i] for i in order])
    moved = build(name, other, preset)
    if head.closed_form:  # fitted to other random numbers, it may have chosen other options
        channels = CHANNELS.get(name, IN_CHANNELS)
        moved = create_head(name, channels, other, preset=preset, **head.fitted_options()).eval()
    again = dict(build(name, labels, preset).named_buffers())
    given = {key for key, value in head.named_buffers() if torch.equal(value, again[key])}
    with torch.no_grad():
        for key, target in moved.state_dict().items():  # only labels are five wide
            value = head.state_dict()[key]
            for axis in (axis for axis, width in enumerate(value.shape) if width == len(order)):
                value = value.index_select(axis, torch.tensor(order))
            if key not in given:  # graph and nodes come from the labels; drawn buffers do not
                target.copy_(value)
    features = maps(head)
    expected = head(features)[:, order]
    atol = 1e-5 * expected.abs().max().item()
    torch.testing.assert_close(moved(features), expected, rtol=1e-5, atol=atol)


@over_all_heads
def test_a_single_label_is_enough(name, preset):
    embeddings = {"words": np.ones((1, 7), np.float32), "image_pca": np.ones((1, 4), np.float32)}
    one = LabelContext.from_targets(["only"], np.array([[1], [0]], np.int8), embeddings)
    head = build(name, one, preset)
    loss = head.loss(maps(head), torch.ones(3, 1), bce)
    differentiate(head, loss)
    assert loss.isfinite()


@over_all_heads
def test_labels_that_never_occur_do_no_harm(name, preset, labels):
    """Nothing divides by a count: neither logits nor gradients become infinite."""
    none = LabelContext.from_targets(labels.names, np.zeros((9, 5), np.int8), labels.embeddings)
    head = build(name, none, preset)
    check_finite(head, maps(head))


@over_all_heads
@pytest.mark.parametrize("factor", [0.0, 1e3])
def test_features_of_zeros_and_large_ones_give_finite_logits_and_gradients(
    name, preset, factor, labels
):
    head = build(name, labels, preset)
    features = maps(head)
    features = tuple(factor * f for f in features) if head.feature_levels > 1 else factor * features
    check_finite(head, features)


def check_finite(head: Head, features) -> None:
    differentiate(head, head.loss(features, torch.ones(3, head.num_labels), bce))
    for tensor in (head(features), *(p.grad for p in head.parameters() if p.grad is not None)):
        assert tensor.isfinite().all()


@over_all_heads
def test_an_empty_batch_is_no_error(name, preset, labels):
    head = build(name, labels, preset)
    nothing = first(maps(head), 0)
    assert head(nothing).shape == (0, labels.num_labels)
    loss = head.loss(nothing, torch.zeros(0, labels.num_labels), create_loss("bce"))
    differentiate(head, loss)
    assert loss == 0


@over_all_heads
def test_the_same_seed_gives_the_same_numbers(name, preset, labels):
    def numbers():
        torch.manual_seed(3)
        head = create_head(
            name, CHANNELS.get(name, IN_CHANNELS), labels, preset=preset
        )  # in training mode: dropout
        if head.closed_form:
            head = build(name, labels, preset)
        loss = head.loss(maps(head), torch.ones(3, labels.num_labels), bce)
        differentiate(head, loss)
        gradients = [p.grad for p in head.parameters() if p.grad is not None]
        return [loss.detach(), *gradients, *head.state_dict().values()]

    for one, other in zip(numbers(), numbers(), strict=True):
        assert torch.equal(one, other)


SUPPORTED = [(name, preset) for name, preset in CASES if name in HEADS and HEADS[name].has_support]
over_heads_with_support = pytest.mark.parametrize(("name", "preset"), SUPPORTED)


@over_heads_with_support
def test_what_the_fitted_images_add_and_the_bias_of_a_label_add_up_to_its_score(
    name, preset, labels
):
    head = build(name, labels, preset).double()
    images = [image[None].double() for image in maps(head)]
    for label in range(labels.num_labels):
        added = [head.support_contributions(image, label) for image in images]
        assert {tuple(parts.shape) for parts in added} == {(SUPPORT,)}
        sums = torch.stack([parts.sum() for parts in added])
        biases = torch.cat([head(image)[:, label] for image in images]) - sums
        torch.testing.assert_close(biases, biases[:1].expand(3))
        assert not torch.allclose(sums, sums[:1].expand(3)), "the images do decide"


@over_heads_with_support
def test_fitted_images_add_in_the_order_in_which_they_were_fitted(name, preset, labels):
    order = torch.randperm(SUPPORT)
    head, moved = (create_head(name, IN_CHANNELS, labels, preset=preset) for _ in range(2))
    features, targets = maps(head, SUPPORT, 1, 1), torch.randint(-1, 2, (SUPPORT, 5))
    head.fit(features, targets)
    moved.fit(features[order], targets[order])
    one = maps(head, 1)
    for label in range(5):
        expected = head.support_contributions(one, label)[order]
        torch.testing.assert_close(moved.support_contributions(one, label), expected)
    torch.testing.assert_close(moved.support_weights(), head.support_weights()[order])


@over_heads_with_support
def test_no_fitted_image_adds_more_than_its_weight(name, preset, labels):
    head = build(name, labels, preset)
    weights = head.support_weights()
    assert weights.shape == (SUPPORT, labels.num_labels)
    for label in range(labels.num_labels):
        added = head.support_contributions(maps(head, 1), label)
        assert (added.abs() <= weights[:, label].abs() * (1 + 1e-5)).all()


@over_small_heads
def test_a_head_that_does_not_score_by_its_images_says_so(name, labels):
    head = build(name, labels)
    if head.has_support:
        assert head.closed_form, "it is fitted on images"
        return
    for ask in (head.support_weights, lambda: head.support_contributions(maps(head, 1), 0)):
        with pytest.raises(InputError, match="does not score by the images it was fitted on"):
            ask()


@over_small_heads
def test_one_batch_is_learnt_by_heart(name, labels):
    """With the head's own loss, without dropout, which is there to prevent it; or in one solve."""
    head = create_head(name, CHANNELS.get(name, IN_CHANNELS), labels).eval()
    features, targets = maps(head, IMAGES, 2, 2), (torch.rand(IMAGES, 5) < 0.4).float()

    def mean_ap():
        with torch.no_grad():
            scores = head(features).numpy()
        return mean_average_precision(scores, targets.numpy().astype(np.int8))[0]

    before = mean_ap()
    if head.closed_form:
        head.fit(features, targets)
    else:
        descend(head, features, targets)
    assert before < 0.9
    assert mean_ap() > 0.95


def descend(head: Head, features, targets) -> None:
    optimizer = torch.optim.AdamW(head.parameters(), 0.02, weight_decay=0.0)
    rate = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, STEPS)
    for _ in range(STEPS):
        optimizer.zero_grad()
        head.loss(features, targets, bce).backward()
        optimizer.step()
        rate.step()


def exported(module, features) -> torch.export.ExportedProgram:
    """Return the program of a module in eval mode, for any batch size."""
    batch = {0: torch.export.Dim("batch", min=1, max=64)}
    shapes = (batch,) * len(features) if isinstance(features, tuple) else batch
    return torch.export.export(module, (features,), dynamic_shapes={"features": shapes})


def assert_exported_equals_eager(head: Head, module: Head) -> None:
    program = exported(module, maps(head, 4)).module()
    for size in (1, 7):
        features = maps(head, size)
        torch.testing.assert_close(program(features), module(features))


@pytest.mark.thorough
@pytest.mark.parametrize("name", [n for n in PRESETS if "paper" in PRESETS[n]])
def test_folded_and_exported_equals_eager_at_any_batch_size(name, labels):
    """As an export has it; for the preset `small`, tests/exporting/test_every_head.py runs it."""
    head = build(name, labels, "paper")
    assert_exported_equals_eager(head, head.fold().eval())


@pytest.mark.slow
@over_all_heads
def test_exported_equals_eager_folded_or_not(name, preset, labels):
    head = build(name, labels, preset)
    for module in {head, head.fold().eval()}:  # one for a head that folds to itself
        assert_exported_equals_eager(head, module)


@pytest.mark.parametrize("name", AS_ONNX)
def test_folded_and_written_as_onnx_it_scores_alike_at_any_batch_size(name, labels):
    pytest.importorskip("onnxscript")
    onnxruntime = pytest.importorskip("onnxruntime")
    head = build(name, labels, std=0.1)  # at 0.5 CNN-RNN is sure of labels: log(1 - p) is rounding
    program = exported(head.fold().eval(), maps(head, 4))
    with warnings.catch_warnings():  # of the exporter about itself
        warnings.simplefilter("ignore")
        file = torch.onnx.export(program, verbose=False).model_proto.SerializeToString()
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    for size in (1, 7):
        features = maps(head, size)
        levels = features if isinstance(features, tuple) else (features,)
        inputs = {i.name: f.numpy() for i, f in zip(session.get_inputs(), levels, strict=True)}
        (logits,) = session.run(None, inputs)
        expected = head(features).detach()
        atol = 1e-5 * expected.abs().max().item()
        torch.testing.assert_close(torch.from_numpy(logits), expected, rtol=1e-5, atol=atol)


@over_all_heads
def test_known_labels_are_never_ignored_in_silence(name, preset, labels):
    head = build(name, labels, preset)
    known = torch.full((3, labels.num_labels), -1.0)
    if head.uses_known:
        features = maps(head)
        assert torch.equal(head(features, known), head(features)), "all unknown = nothing given"
        assert not torch.equal(head(features, known.abs()), head(features))
        with pytest.raises(InputError, match="one column per label, 5 of them; got 1"):
            head(features, known[:, :1])
        return
    for module in (head, head.fold()):
        with pytest.raises(InputError, match="cannot use known labels"):
            module(maps(head), known)
