"""Features of a frozen backbone: both poolings, from the cache or anew, without the bad images."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from imlgcn.data.dataset import load_dataset
from imlgcn.data.transforms import load_input, normalize
from imlgcn.errors import InputError
from imlgcn.models import HEADS, create_backbone, create_head
from imlgcn.training.extract import extract_features, weights_hash


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("IMLGCN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "features"


@pytest.fixture
def counted(backbone):
    """The backbone, and how many images went through it."""
    seen = []

    def count(module, inputs, out):
        if not out.is_meta:  # folding looks at the network's structure in a run without numbers
            seen.append(len(out))

    backbone.model.conv.register_forward_hook(count)
    return backbone, seen


def test_features_are_mean_and_maximum_of_the_map(backbone, colours):
    found = extract_features(backbone, colours, device="cpu")
    pixels = np.stack([load_input(path, backbone.image_settings) for path in colours.paths])
    with torch.no_grad():
        images = torch.from_numpy(normalize(pixels, backbone.image_settings))
        maps = backbone.eval()(images).numpy()  # (N, C, H, W)
    assert found.values.shape == (16, 2, 6)
    np.testing.assert_allclose(found.pooled("avg")[:, :, 0, 0], maps.mean((2, 3)), atol=1e-5)
    np.testing.assert_allclose(found.pooled("max")[:, :, 0, 0], maps.max((2, 3)), atol=1e-5)
    assert found.failed == {}


def test_a_split_has_its_own_rows(backbone, colours):
    found = extract_features(backbone, colours)
    part, features = found.split("val")
    rows = [i for i, record in enumerate(colours.records) if record.split == "val"]
    assert part.records == tuple(colours.records[i] for i in rows)
    np.testing.assert_array_equal(features.values, found.values[rows])
    assert features.dataset is part


@pytest.fixture
def staged(tmp_path):
    """A real backbone of several blocks."""
    torch.manual_seed(0)
    return create_backbone("test_efficientnet", pretrained=False, size=64)


def test_the_means_of_the_blocks_before_come_in_the_same_pass(staged, colours):
    found = extract_features(staged, colours, device="cpu")
    pixels = np.stack([load_input(path, staged.image_settings) for path in colours.paths])
    with torch.no_grad():
        images = torch.from_numpy(normalize(pixels, staged.image_settings))
        *means, last = staged.eval()(images, 3, means=True)
    assert len(found.stages) == 2
    for stage, mean in zip(found.stages, means, strict=True):
        np.testing.assert_allclose(stage, mean[:, :, 0, 0], atol=1e-5)
    np.testing.assert_allclose(found.pooled("avg"), last.mean((2, 3), True), atol=1e-5)


def test_a_head_gets_as_many_stages_as_it_takes_and_linear_heads_none(staged, colours, context):
    found = extract_features(staged, colours)
    for stages in range(3):
        options = {"stages": stages}
        channels = HEADS["kernel"].channels_of(staged, options)
        inputs = found.inputs(create_head("kernel", channels, context, **options))
        levels = inputs if isinstance(inputs, tuple) else (inputs,)
        assert isinstance(inputs, tuple) == (stages > 0)
        expected = (*found.stages[2 - stages :], found.values[:, 0])
        for level, means in zip(levels, expected, strict=True):
            np.testing.assert_array_equal(level[:, :, 0, 0], means)
    linear = create_head("linear", staged.out_channels, context)
    assert torch.equal(found.inputs(linear), found.pooled("avg"))


def test_some_images_keep_their_rows_in_the_order_asked_for(staged, colours):
    found = extract_features(staged, colours)
    rows = np.array([7, 2, 9])
    part = found.select(rows)
    assert part.dataset.records == tuple(colours.records[row] for row in rows)
    for some, whole in zip((part.values, *part.stages), (found.values, *found.stages), strict=True):
        np.testing.assert_array_equal(some, whole[rows])


def test_the_second_time_nothing_goes_through_the_network(counted, colours):
    backbone, seen = counted
    first = extract_features(backbone, colours)
    assert sum(seen) == 16
    second = extract_features(backbone, colours)
    assert sum(seen) == 16
    np.testing.assert_array_equal(second.values, first.values)


def test_other_weights_or_another_image_size_are_other_features(counted, colours):
    backbone, seen = counted
    extract_features(backbone, colours)
    backbone.image_settings = backbone.image_settings.model_copy(update={"size": 20})
    extract_features(backbone, colours)
    with torch.no_grad():
        backbone.model.norm.running_mean[0] += 0.5  # a buffer counts, too
    extract_features(backbone, colours)
    assert sum(seen) == 3 * 16


def test_without_the_cache_nothing_is_written(counted, colours, cache):
    backbone, seen = counted
    for _ in range(2):
        extract_features(backbone, colours, use_cache=False)
    assert sum(seen) == 2 * 16
    assert not cache.exists()


@pytest.fixture
def damaged(colours, tmp_path):
    lines = [f"{path},{'red' if i else 'blue'},train" for i, path in enumerate(colours.paths[:3])]
    (tmp_path / "bad.png").write_bytes(b"no image")
    lines.insert(1, "bad.png,blue,train")
    (tmp_path / "data.csv").write_text("\n".join(["image,labels,split", *lines]))
    return load_dataset(tmp_path / "data.csv")


def test_an_unreadable_image_is_left_out_with_its_targets_and_its_reason(backbone, damaged):
    found = extract_features(backbone, damaged)
    assert [record.path.name for record in found.dataset.records] == ["0.png", "1.png", "2.png"]
    assert found.dataset.targets.tolist() == [[1, 0], [0, 1], [0, 1]]
    assert len(found.values) == 3
    assert found.failed.keys() == {"bad.png"}
    assert "not an image" in found.failed["bad.png"]


def test_strict_refuses_it_with_the_count_and_the_first_reason(backbone, damaged):
    with pytest.raises(InputError, match=r"1 of 4 images cannot be read; first: .*bad\.png"):
        extract_features(backbone, damaged, strict=True)


def test_data_of_which_nothing_can_be_read_is_refused_in_any_case(backbone, damaged):
    with pytest.raises(InputError, match="1 of 1 image cannot be read"):
        extract_features(backbone, damaged.select([1]))


def test_the_hash_of_weights_sees_names_shapes_and_values(backbone):
    same = copy.deepcopy(backbone)
    assert weights_hash(same) == weights_hash(backbone)
    assert weights_hash(backbone.to(memory_format=torch.channels_last)) == weights_hash(same)
    with torch.no_grad():
        same.model.conv.bias[0] += 1e-6
    assert weights_hash(same) != weights_hash(backbone)
    shaped = torch.nn.Linear(2, 3, bias=False), torch.nn.Linear(3, 2, bias=False)
    with torch.no_grad():
        shaped[1].weight.copy_(shaped[0].weight.reshape(2, 3))
    assert weights_hash(shaped[0]) != weights_hash(shaped[1])
