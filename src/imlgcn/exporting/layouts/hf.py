"""The layout of the hub of Hugging Face: what `imlgcn.Tagger.load` and other programs read.

The tagger's own files at the top (`imlgcn.exporting.layouts.public_files`), a model card, and what
clients of transformers' conventions read:

- ``config.json`` as its page "Configuration" says: ``id2label`` with numbers as text, ``label2id``,
  ``problem_type`` ``multi_label_classification``: the sigmoid of a logit is 0.5 or more where the
  label is given. ``model_type`` is ``imlgcn``: another one would have a client build that
  architecture and fill it with numbers that are not for it. timm's convention (``architecture``,
  ``pretrained_cfg``) is for networks that timm itself builds, which a tagger with its head is not.
- ``preprocessor_config.json`` with the fields of its image processors (page "Image processors");
  ``do_pad`` and ``pad_color`` where images are padded to a square, which those of its processors
  that classify cannot do: so its type, too, is ours.
- ``onnx/model.onnx``, where Optimum and Transformers.js have it (page "Custom usage"):
  ``pixel_values`` float32 ``(B, 3, S, S)`` to ``logits`` ``(B, K)``.

Shapes: B batch, S input size, K shown labels.
"""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from imlgcn.data.transforms import normalize
from imlgcn.exporting.layouts.base import Given, Written
from imlgcn.exporting.layouts.client_network import (
    ClientNetwork,
    about,
    write_client_onnx,
)
from imlgcn.exporting.layouts.proof import prove
from imlgcn.exporting.layouts.public_files import ONNX as OWN_ONNX
from imlgcn.exporting.layouts.public_files import write_public_files
from imlgcn.exporting.layouts.scores import ClientScores
from imlgcn.exporting.one_file import export_file
from imlgcn.files import sha256_file
from imlgcn.image_settings import ImageSettings
from imlgcn.model_card import Licences, model_card
from imlgcn.progress import SILENT

CARD, CONFIG, PREPROCESSOR = "README.md", "config.json", "preprocessor_config.json"
ONNX = Path("onnx", "model.onnx")
EVEN = 0.5  # clients give a label where the sigmoid of its logit is this or more
WHITE = 255
LEAST = 1e-6  # of a score: its logit stays finite


class Logits(nn.Module):
    """Calibrated probabilities ``(B, L)`` to logits ``(B, K)``: positive where a label is given."""

    def __init__(self, scores: ClientScores, shown: list[int]) -> None:
        super().__init__()
        self.scores = scores
        self.register_buffer("shown", torch.tensor(shown), persistent=False)

    shown: Tensor

    def forward(self, probabilities: Tensor) -> Tensor:
        """Return the logits."""
        scores = self.scores(probabilities)[:, self.shown].clamp(LEAST, 1 - LEAST)
        found: Tensor = (scores / (1 - scores)).log()
        return found


def write(given: Given, folder: Path) -> Written:
    """Write the layout with a card of unknown licences; prove its file on the samples."""
    return write_hub(given, folder, f"user/{given.name}")


def write_hub(
    given: Given,
    folder: Path,
    repository: str,
    licences: Licences | None = None,
    *,
    with_support: bool = False,
) -> Written:
    """Write the layout.

    Args:
        given: the tagger.
        folder: an empty folder.
        repository: ``user/name``, as the card names it.
        licences: for the card; None: unknown ones.
        with_support: with the files that name the images it learnt.

    Raises:
        ExportRefused: the file disagrees with the tagger.
    """
    names = given.names
    with TemporaryDirectory() as place:
        onnx = _exported(given, Path(place))
        write_public_files(given.tagger, folder, onnx, with_support=with_support)
    _write_json(folder / CONFIG, config(names, given))
    _write_json(folder / PREPROCESSOR, preprocessor(given.info.image))
    card = model_card(given.tagger, repository, licences, with_support=with_support)
    (folder / CARD).write_text(card, encoding="utf-8")
    (folder / ONNX).parent.mkdir()
    return write_for_clients(given, folder / ONNX)


def write_for_clients(given: Given, file: Path) -> Written:
    """Write the network from ``pixel_values`` to ``logits``, and prove it on the samples.

    Raises:
        ExportRefused: it disagrees with the tagger.
    """
    finish = Logits(ClientScores(given.table, given.tagger.thresholds, EVEN), given.shown)
    network = ClientNetwork(given, "nchw-rgb-normalized", finish)
    # by its name on the hub: that of the folder here is nobody's business
    origin = {"imlgcn_layout": json.dumps(about(given, "hf") | {"tagger": given.name})}
    write_client_onnx(network, file, ("pixel_values", "logits"), origin, any_batch=True)

    def tags_of(found: NDArray[np.float32]) -> NDArray[np.bool_]:
        return np.asarray(found >= 0)  # the sigmoid is 0.5 or more

    fed = normalize(given.samples.pixels, given.info.image)
    agreed = prove(given, file, fed, finish, tags_of)
    return Written(agreed, tuple(given.notes))


def _exported(given: Given, place: Path) -> Path:
    """Return the tagger's own exported file; one without it gets one, in the folder ``place``."""
    own = given.tagger.path / OWN_ONNX
    if own.is_file() and given.tagger.info.sha256.get(OWN_ONNX) == sha256_file(own):
        return own
    return export_file(
        *(given.tagger, "onnx", place / OWN_ONNX),
        size=None,
        maps=None,
        int8=False,
        calibration=given.calibration,
        max_drop=0.0,
        progress=SILENT,
    ).path


def config(names: list[str], given: Given) -> dict[str, Any]:
    """Return ``config.json`` of labels in the order of the logits."""
    return {
        "model_type": "imlgcn",
        "problem_type": "multi_label_classification",
        "num_labels": len(names),
        "id2label": {str(number): name for number, name in enumerate(names)},
        "label2id": {name: number for number, name in enumerate(names)},
        "image_size": given.info.image.size,
        "num_channels": 3,
        "backbone": given.info.backbone.name,
        "head": given.info.head.name,
    }


def preprocessor(image: ImageSettings) -> dict[str, Any]:
    """Return ``preprocessor_config.json``: how ``pixel_values`` are made of an image."""
    padded = {"do_pad": True, "pad_color": [WHITE] * 3} if image.fit == "pad" else {}
    return {
        "image_processor_type": "ImlgcnImageProcessor",
        "do_convert_rgb": True,
        **padded,
        "do_resize": True,
        "size": {"height": image.size, "width": image.size},
        "resample": int(Image.Resampling[image.interpolation.upper()]),
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(image.mean),
        "image_std": list(image.std),
    }


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
