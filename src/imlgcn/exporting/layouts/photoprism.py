"""The layout of PhotoPrism's custom label models: an ONNX file, ``labels.txt``, ``vision.yml``.

What PhotoPrism assumes, as its developer guide ("Label Models", of the development preview) and the
README of its package ``internal/ai/classify`` of October 2026 say:

- One input ``(1, 3, S, S)`` of fixed size and one output, as wide as ``labels.txt`` has lines.
  Colour order, mean and standard deviation (of values 0 to 255) and resizing are settings, or
  metadata of the file under ``photoprism.``; the settings are preferred.
- Its models give each image *one* class: the output are probabilities that sum to 1 within 1e-4, or
  logits of a softmax. An image gets its five most probable labels, those of 20 % or more; a name
  without a rule of its own (``rules.yml``) needs 10 %, the name ``background`` is ignored.

So the tags of an image share its probability: each has the 20 % that show it, the rest is divided
in proportion to the tags' own probabilities, and without a tag all goes to ``background``. Five
tags, the most probable ones, is all there is room for.
Shapes: B batch, L labels, K shown labels.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from torch import Tensor, nn

from imlgcn.data.transforms import normalize
from imlgcn.errors import InputError
from imlgcn.exporting.layouts.base import Given, Written
from imlgcn.exporting.layouts.client_network import (
    ClientNetwork,
    metadata_for,
    write_client_onnx,
)
from imlgcn.exporting.layouts.proof import prove
from imlgcn.exporting.layouts.readme import write_readme
from imlgcn.exporting.layouts.scores import ClientScores
from imlgcn.files import write_atomic
from imlgcn.image_settings import ImageSettings
from imlgcn.numbers import percent

LABELS, SETTINGS = "labels.txt", "vision.yml"
NOTHING = "background"  # the class of images without a tag; PhotoPrism's rules ignore it
MOST_TAGS = 5
# names of PhotoPrism's own models and settings, which a custom model cannot have
TAKEN = (
    *("efficientformerv2_s1", "efficientformerv2_s2", "efficientnet_b0", "repvit_m1_0"),
    *("auto", "none", "nasnet"),
)
INTERPOLATION = {"bilinear": "linear", "bicubic": "bicubic", "lanczos": "lanczos"}
MODE = {"pad": "pad", "squash": "stretch"}
EVEN = 0.5  # where a label's own threshold falls inside the graph
USUAL = 0.2  # PhotoPrism's threshold, if nobody changes it
LITTLE = 0.01  # of the probability of images without a tag, for all labels together

README = """\
A label model for PhotoPrism, for the versions whose developer guide has the page "Label Models"
(the development preview of October 2026; stable versions until then load no ONNX models):

1. Mount this folder into the container, in `compose.yaml`:
   `- "./{name}:/opt/photoprism/assets/models/{name}"`
2. Add the entry below `Models:` in `vision.yml` to `storage/config/vision.yml`.
3. `docker compose restart photoprism`. `photoprism vision ls` then names the model, and
   `photoprism vision run -m labels --force` labels pictures that are indexed already.

PhotoPrism takes its models for classifiers of one class, whose probabilities sum to 1, and shows a
label from {least} on. So the tags of a picture share its probability: each has {least} of it, the
rest is divided in proportion to the tags' own probabilities. The numbers in PhotoPrism are these
shares, not probabilities; the labels that it shows are the tags of the tagger, each by its own
threshold.

What differs from `imlgcn predict`:

- Five labels of a picture, the most probable ones, are all that PhotoPrism keeps.
- PhotoPrism has rules of its own for common names (`dog`, `cat`, `bird`, ...): such a label is
  shown only from the share on that its rule sets, often 60 %, and may get another name.
- Names are in lower case.
- Pictures come as PhotoPrism crops and resizes them: the centre, from a thumbnail. Of a square
  picture at the size of the network the labels are the same.
- Labels that are known already move no others.
"""


class Shares(nn.Module):
    """Calibrated probabilities ``(B, L)`` to shares ``(B, K + 1)``, the last of ``background``.

    A row sums to 1. The share of a tag is at least ``least``, of any other label 0; without a tag
    it is less than 0.01 for every label.
    """

    def __init__(self, scores: ClientScores, shown: list[int], least: float) -> None:
        super().__init__()
        self.scores, self.least, self.most = scores, least, min(MOST_TAGS, len(shown))
        self.register_buffer("shown", torch.tensor(shown), persistent=False)

    shown: Tensor

    def forward(self, probabilities: Tensor) -> Tensor:
        """Return the shares."""
        closed: Tensor = self.scores.close(probabilities)[:, self.shown]
        given = self.scores(probabilities)[:, self.shown] > EVEN
        weights = torch.where(given, closed.clamp(min=1e-6), torch.zeros_like(closed))
        tags, left = torch.zeros_like(weights), weights
        for _ in range(self.most):  # of equals, such as a parent and its child, the first
            best = torch.arange(len(self.shown)) == left.argmax(1, keepdim=True)
            tags = tags + (best & (left > 0)).to(weights.dtype)
            left = torch.where(best, torch.zeros_like(left), left)
        weights, count = weights * tags, tags.sum(1, keepdim=True)
        spare = (1 - self.least * count).clamp(min=0.0)
        shares = self.least * tags + spare * weights / weights.sum(1, keepdim=True).clamp(min=1e-6)
        none = (count == 0).to(weights.dtype)
        shares = shares + none * (LITTLE / shares.shape[1])
        return torch.cat([shares, none * (1 - LITTLE)], 1)


def write(given: Given, folder: Path) -> Written:
    """Write the model, its labels, the settings and a README; prove the model on the samples."""
    least = given.client_threshold or USUAL
    name = model_name(given.name)
    scores = ClientScores(given.table, given.tagger.thresholds, EVEN)
    finish = Shares(scores, given.shown, least)
    file = folder / f"{name}.onnx"
    network = ClientNetwork(given, "nchw-rgb-normalized", finish)
    described = contract(given.info.image) | metadata_for(given, "photoprism")
    write_client_onnx(network, file, ("input", "probabilities"), described, any_batch=False)
    write_atomic(folder / LABELS, "\n".join([*given.names, NOTHING]) + "\n")
    write_atomic(folder / SETTINGS, settings_text(given.info.image, name, least))

    write_readme(folder, given, README.format(name=name, least=percent(least)), notes(given))

    def tags_of(found: NDArray[np.float32]) -> NDArray[np.bool_]:
        return np.asarray(np.round(100 * found[:, :-1]) >= round(100 * least))

    fed = normalize(given.samples.pixels, given.info.image)
    agreed = prove(given, file, fed, finish, tags_of, batches=(1,), most=MOST_TAGS)
    return Written(agreed, notes(given))


def contract(image: ImageSettings) -> dict[str, str]:
    """Return how PhotoPrism has to prepare images, as metadata of the file."""
    return {
        f"photoprism.{key}": value
        for key, value in {
            "layout": "NCHW",
            "color_order": "RGB",
            "mean": json.dumps(_scaled(image.mean)),
            "std_dev": json.dumps(_scaled(image.std)),
            "resize_mode": MODE[image.fit],
            "interpolation": INTERPOLATION[image.interpolation],
            "outputs_logits": "false",
        }.items()
    }


def settings_text(image: ImageSettings, name: str, least: float) -> str:
    """Return ``vision.yml``: the settings that select the model, and nothing else."""
    model = {
        "Type": "labels",
        "Name": name,
        "Engine": "onnx",
        "Run": "on-index",
        "LabelFile": LABELS,
        "ONNX": {
            "File": f"{name}.onnx",
            "Input": {
                "Width": image.size,
                "Height": image.size,
                "Layout": "NCHW",
                "ColorOrder": "RGB",
                "Normalization": {"Mean": _scaled(image.mean), "StdDev": _scaled(image.std)},
                "Resize": {
                    "Mode": MODE[image.fit],
                    "Interpolation": INTERPOLATION[image.interpolation],
                },
            },
            "Output": {"Logits": False},
        },
    }
    settings: dict[str, object] = {"Models": [model]}
    if least != USUAL:
        settings["Thresholds"] = {"Confidence": round(100 * least)}
    text: str = yaml.safe_dump(settings, sort_keys=False, default_flow_style=None, width=100)
    return text


def notes(given: Given) -> tuple[str, ...]:
    """Return what to know of this tagger in PhotoPrism, a sentence each."""
    found = list(given.notes)
    lower = [name.lower().strip() for name in given.names]
    if NOTHING in lower:
        found.append(f"PhotoPrism ignores labels called {NOTHING!r}: rename that one in the table.")
    if len(set(lower)) < len(lower):
        twice = next(name for name in lower if lower.count(name) > 1)
        found.append(f"PhotoPrism writes names in lower case: {twice!r} stands for two labels.")
    return tuple(found)


def _scaled(values: tuple[float, ...]) -> list[float]:
    """Return values of 0 to 1 on PhotoPrism's scale, 0 to 255."""
    return [round(255 * value, 6) for value in values]


def model_name(name: str) -> str:
    """Return a name that PhotoPrism can have for a model, from that of a folder.

    >>> model_name("My tagger (2)")
    'my_tagger_2'

    Raises:
        InputError: it has no letter or digit, or is the name of one of PhotoPrism's own models.
    """
    found = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    if not found or found in TAKEN:
        raise InputError(
            f"PhotoPrism cannot have a model called {found or name!r}; give another name to the "
            "folder out="
        )
    return found
