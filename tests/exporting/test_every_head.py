"""Every head in a whole network: folded, exported and run by other runtimes it scores alike."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from imlgcn.engines.onnxruntime import OnnxEngine
from imlgcn.engines.openvino import OpenVinoEngine
from imlgcn.exporting.formats import FORMATS
from imlgcn.exporting.network import ExportedNetwork
from imlgcn.image_settings import ImageSettings
from imlgcn.labels.context import LabelContext
from imlgcn.metrics.calibration import Calibration, sigmoid
from imlgcn.models import HEADS, Backbone, MultiLabelClassifier, create_head
from imlgcn.models.folding import fold_classifier, scale_logits
from thorough import thorough_but

pytest.importorskip("onnxscript")
pytest.importorskip("openvino")
SIDE, L = 16, 5
SETTINGS = ImageSettings(size=SIDE, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.5))
QUICK = {"cnn_rnn": {"max_labels": 2, "beams": 2}}  # its steps are unrolled: seconds to export
over_all_heads = pytest.mark.parametrize("name", HEADS)


class TinyTrunk(nn.Module):
    """Two stages of convolution, batch norm and ReLU, as a timm model would show them."""

    num_features = 12

    def __init__(self) -> None:
        super().__init__()
        self.feature_info = [{"num_chs": 8}, {"num_chs": 12}]
        self.stages = nn.ModuleList(
            nn.Sequential(nn.Conv2d(a, b, 3, 2, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU())
            for a, b in ((3, 8), (8, 12))
        )

    def forward_intermediates(self, images, indices, stop_early):
        maps = [self.stages[0](images)]
        maps.append(self.stages[1](maps[0]))
        return maps[1], [maps[index] for index in indices]

    def forward_head(self, last):
        return last

    def forward(self, images):
        return self.stages[1](self.stages[0](images))


@pytest.fixture(scope="module")
def labels() -> LabelContext:
    rng = np.random.default_rng(0)
    targets = (rng.random((60, L)) < 0.4).astype(np.int8)
    kinds = {"words": 7, "image": 12, "image_pca": 4}
    embeddings = {
        kind: rng.standard_normal((L, width)).astype(np.float32) for kind, width in kinds.items()
    }
    return LabelContext.from_targets(list("abcde"), targets, embeddings)


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(1).integers(0, 256, (7, SIDE, SIDE, 3), np.uint8)


@pytest.fixture(scope="module")
def build(labels):
    """Return a function that makes a network with random numbers everywhere."""
    made: dict[str, MultiLabelClassifier] = {}

    def network(name: str) -> MultiLabelClassifier:
        if name not in made:
            torch.manual_seed(0)
            backbone = Backbone("tiny", TinyTrunk(), image_settings=SETTINGS, weights_id="random")
            channels = HEADS[name].channels_of(backbone, {})
            head = create_head(name, channels, labels, **QUICK.get(name, {}))
            if head.closed_form:
                targets = torch.randint(-1, 2, (20, L))
                means = tuple(torch.randn(20, width, 1, 1) for width in channels)
                means[0][:, :L, 0, 0] += 3 * targets  # the stage is worth using
                head.fit(means, targets)
                assert head.feature_levels == 2
            classifier = MultiLabelClassifier(backbone, head).eval()
            with torch.no_grad():
                for key, value in classifier.named_parameters():
                    std = 0.3 if key.startswith("backbone") else 0.1
                    value.normal_(std=std).add_(0.5 * ("weight" in key and value.ndim == 1))
                for key, value in classifier.named_buffers():
                    if key.endswith("running_var"):
                        value.uniform_(0.5, 2.0)
                    elif key.endswith("running_mean"):
                        value.normal_(std=0.3)
            made[name] = classifier
        return made[name]

    return network


CALIBRATION = Calibration(np.linspace(0.5, 2.0, L), np.linspace(-1.0, 0.3, L), np.ones(L, int))


def scores(network: ExportedNetwork, pixels, known=None):
    given = () if known is None else (torch.from_numpy(known),)
    with torch.no_grad():
        return [out.numpy() for out in network(torch.from_numpy(pixels), *given)]


def assert_alike(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())


@over_all_heads
def test_a_folded_network_scores_alike_and_has_no_batch_norm(name, build, pixels):
    network = build(name)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    folded = fold_classifier(network)
    expected, _ = scores(ExportedNetwork(network, CALIBRATION, size=SIDE), pixels)
    found, _ = scores(ExportedNetwork(folded, CALIBRATION, size=SIDE), pixels)
    assert_alike(found, expected)
    assert not any(isinstance(part, nn.BatchNorm2d) for part in folded.modules())
    torch.testing.assert_close(dict(network.state_dict()), before, rtol=0, atol=0)


@over_all_heads
def test_calibration_in_the_last_layer_gives_the_calibrated_probabilities(name, build, pixels):
    folded = fold_classifier(build(name))
    logits, probabilities = scores(ExportedNetwork(folded, CALIBRATION, size=SIDE), pixels)
    np.testing.assert_allclose(probabilities, CALIBRATION.apply(logits), atol=1e-6)
    pair = (torch.tensor(CALIBRATION.slope).float(), torch.tensor(CALIBRATION.intercept).float())
    scaled = MultiLabelClassifier(folded.backbone, scale_logits(folded.head, *pair))
    scaled_logits, _ = scores(ExportedNetwork(scaled, CALIBRATION, size=SIDE), pixels)
    np.testing.assert_allclose(sigmoid(scaled_logits), probabilities, atol=1e-6)


@pytest.mark.parametrize("name", thorough_but(("linear", "iml_gcn", "kernel"), HEADS))
def test_exported_files_score_alike_in_every_runtime_at_any_batch(name, build, pixels, tmp_path):
    network = ExportedNetwork(fold_classifier(build(name)), CALIBRATION, size=SIDE)
    trained = ExportedNetwork(build(name), CALIBRATION, size=SIDE)
    given = [None]
    if network.takes_known:
        given.append(np.random.default_rng(2).integers(-1, 2, (len(pixels), L), np.int8))
    file = tmp_path / "model.onnx"
    FORMATS["onnx"].write(network, file, {"imlgcn": "{}"})
    for opener in (OnnxEngine, OpenVinoEngine):
        engine = opener(file)
        assert engine.takes_known == network.takes_known
        for known in given:
            expected, _ = scores(trained, pixels, known)
            for count in (1, 3, 7):
                some = None if known is None else known[:count]
                assert_alike(engine.logits(pixels[:count], some), expected[:count])
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.onnx"], "no external data"
