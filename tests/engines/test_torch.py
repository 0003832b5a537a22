"""The torch engine: the module's own logits, in any batch, on any number of threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import nn

from imlgcn.data.transforms import normalize
from imlgcn.engines.torch import TorchEngine, throughput_threads, torch_threads
from imlgcn.image_settings import ImageSettings
from imlgcn.labels.context import LabelContext
from imlgcn.models import Backbone, MultiLabelClassifier, create_head

SETTINGS = ImageSettings(size=16, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.5))


@pytest.fixture
def module():
    torch.manual_seed(0)
    body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.9))
    body.num_features = 4
    backbone = Backbone("tiny", body, image_settings=SETTINGS, weights_id="")
    head = create_head("linear", 4, LabelContext.placeholder(4))
    nn.init.normal_(head.linear.weight)
    return MultiLabelClassifier(backbone, head)


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3), np.uint8)


def test_logits_are_those_of_the_module_in_evaluation_mode(module, images):
    engine = TorchEngine(module, SETTINGS, device="cpu")
    with torch.no_grad():
        expected = module.eval()(torch.from_numpy(normalize(images, SETTINGS))).numpy()
    np.testing.assert_allclose(engine.logits(images), expected, atol=1e-6)
    assert engine.name == "torch"
    assert engine.logits(images).dtype == np.float32


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_batch_may_have_any_length(module, images, count):
    engine = TorchEngine(module, SETTINGS, device="cpu")
    found = engine.logits(images[:count])
    assert found.shape == (count, 4)
    np.testing.assert_allclose(found, engine.logits(images)[:count], atol=1e-6)


def test_scoring_leaves_the_module_and_its_inputs_as_they_were(module, images):
    engine = TorchEngine(module, SETTINGS, device="cpu")
    state = {key: value.clone() for key, value in module.state_dict().items()}
    given = images.copy()
    engine.logits(images)
    np.testing.assert_array_equal(images, given)
    torch.testing.assert_close(dict(module.state_dict()), state, rtol=0, atol=0)


def test_several_threads_may_score_at_once(module, images):
    engine = TorchEngine(module, SETTINGS, device="cpu")
    alone = engine.logits(images)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: engine.logits(images), range(16)):
            np.testing.assert_array_equal(found, alone)


def test_the_number_of_threads_comes_back_even_after_an_error():
    before = torch.get_num_threads()
    with pytest.raises(KeyError), torch_threads(3):  # noqa: PT012
        assert torch.get_num_threads() == 3
        raise KeyError
    assert torch.get_num_threads() == before


def test_streams_share_the_threads_there_are():
    with torch_threads(6), throughput_threads() as streams:
        assert streams * torch.get_num_threads() <= 6
        assert streams >= 1
