"""A backbone of one convolution and eight drawn images: enough to train, in milliseconds."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from imlgcn.data.dataset import load_dataset
from imlgcn.image_settings import ImageSettings
from imlgcn.labels.context import LabelContext
from imlgcn.models import Backbone, MultiLabelClassifier, create_head
from imlgcn.training.loop import create_fabric

COLOURS = {"blue": (30, 40, 220), "green": (40, 200, 60), "red": (220, 40, 30)}


class Trunk(nn.Module):
    """One convolution, one batch norm."""

    num_features = 6

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3, stride=4)
        self.norm = nn.BatchNorm2d(6)

    def forward(self, images):
        return torch.relu(self.norm(self.conv(images)))


@pytest.fixture
def backbone():
    torch.manual_seed(0)
    image = ImageSettings(size=16, fit="squash")
    return Backbone("trunk", Trunk(), image_settings=image, weights_id="random")


@pytest.fixture(scope="session")
def colours(tmp_path_factory):
    """Sixteen images of two halves, each of a colour; its labels are the colours."""
    folder = tmp_path_factory.mktemp("colours")
    generator = np.random.default_rng(3)
    lines = ["image,labels,split"]
    for number in range(16):
        left, right = (list(COLOURS)[i] for i in generator.integers(0, 3, 2))
        image = Image.new("RGB", (20, 20), COLOURS[left])
        image.paste(COLOURS[right], (generator.integers(6, 14), 0, 20, 20))
        image.putpixel((0, 0), (number, 0, 0))  # no two files are alike
        image.save(folder / f"{number}.png")
        labels = ";".join(sorted({left, right}))
        lines.append(f"{number}.png,{labels},{'val' if number % 3 == 2 else 'train'}")
    (folder / "data.csv").write_text("\n".join(lines))
    return load_dataset(folder / "data.csv")


@pytest.fixture
def context(colours):
    train = colours.split("train")
    return LabelContext.from_targets(train.names, train.targets)


@pytest.fixture
def classifier(backbone, context):
    return MultiLabelClassifier(backbone, create_head("linear", 6, context))


@pytest.fixture(scope="session")
def fabric():
    return create_fabric("cpu")  # test_cuda.py trains on a GPU
