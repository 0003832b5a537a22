"""The trained network of a tagger folder: ``model.safetensors``."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from imlgcn.errors import InputError
from imlgcn.extras import require
from imlgcn.files import atomic_path, sha256_file
from imlgcn.labels.context import LabelContext
from imlgcn.tagger.fits import refuse_misfit
from imlgcn.tagger.folder import HEAD, LABEL_VECTORS, STORED, TRAINED, WEIGHTS
from imlgcn.tagger.info import Growth, TaggerInfo, read_info

if TYPE_CHECKING:
    from torch import Tensor

    from imlgcn.models import Head, MultiLabelClassifier
    from imlgcn.models.grown import GrownHead


def load_classifier(
    path: Path, info: TaggerInfo | None = None
) -> tuple[MultiLabelClassifier, LabelContext]:
    """Return the trained network and its label context.

    Raises:
        InputError: the weights are missing or are not those that ``model.json`` was written with.
    """
    require("torch", f"the network of {path}")
    import torch
    from safetensors.torch import load_file

    from imlgcn.models import HEADS, MultiLabelClassifier, create_backbone, create_head
    from imlgcn.models.unfilled import Unfilled

    info = info or read_info(path)
    weights = path / WEIGHTS
    if not weights.is_file() or sha256_file(weights) != info.sha256.get(WEIGHTS):
        raise InputError(
            f"{weights} is missing or changed since the tagger was written; copy the whole folder "
            "again, or train again"
        )
    tensors = load_file(weights)
    context = LabelContext.from_arrays(info.labels, _arrays(tensors, STORED))
    trained = context if info.growth is None else _trained_context(tensors, info.growth)
    refuse_misfit(info, trained, weights)
    with torch.random.fork_rng(devices=[]):
        with Unfilled() if info.backbone.weights else nullcontext():  # else its numbers name it
            backbone = create_backbone(info.backbone.name, pretrained=False, size=info.image.size)
        channels = HEADS[info.head.name].channels_of(backbone, info.head.options)
        head = create_head(info.head.name, channels, trained, **info.head.options)
    backbone.weights_id = info.backbone.weights or backbone.weights_id
    backbone.image_settings = info.image
    scorer = head if info.growth is None else _grown(head, info.growth, tensors)
    classifier = MultiLabelClassifier(backbone, scorer)
    network = {k: v for k, v in tensors.items() if not k.startswith((STORED, TRAINED))}
    classifier.load_state_dict(network)
    return classifier, context


def trained_context(path: Path, info: TaggerInfo) -> LabelContext:
    """Return the label context that the head was trained with: of a grown tagger not its own."""
    from safetensors.torch import load_file

    tensors = load_file(path / WEIGHTS)
    if info.growth is None:
        return LabelContext.from_arrays(info.labels, _arrays(tensors, STORED))
    return _trained_context(tensors, info.growth)


def _arrays(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, NDArray[Any]]:
    return {
        key.removeprefix(prefix): value.numpy()
        for key, value in tensors.items()
        if key.startswith(prefix)
    }


def _trained_context(tensors: Mapping[str, Tensor], growth: Growth) -> LabelContext:
    return LabelContext.from_arrays(growth.head_labels, _arrays(tensors, TRAINED))


def _grown(head: Head, growth: Growth, tensors: Mapping[str, Tensor]) -> GrownHead:
    from imlgcn.models.grown import ADDED, AddedLabels, GrownHead, platt

    state = {key.removeprefix(HEAD + ADDED): value for key, value in tensors.items()}
    added = AddedLabels(state) if growth.added else None
    return GrownHead(head, added, growth.outputs, *platt(growth.slope, growth.intercept))


def save_weights(
    path: Path,
    classifier: MultiLabelClassifier,
    context: LabelContext,
    trained: LabelContext | None = None,
) -> None:
    """Write ``model.safetensors``, which :func:`load_classifier` reads.

    ``trained`` is the context of the head, where the labels have changed since it was trained.
    """
    from safetensors.numpy import save_file

    tensors = {
        key: value.detach().cpu().contiguous().numpy()
        for key, value in classifier.state_dict().items()
    }
    tensors |= {STORED + key: value for key, value in context.to_arrays().items()}
    if trained is not None:
        tensors |= {TRAINED + key: value for key, value in trained.to_arrays().items()}
    vectors = classifier.head.label_vectors
    metadata = None if vectors is None else {LABEL_VECTORS: HEAD + vectors}
    with atomic_path(path / WEIGHTS) as temporary:
        save_file(tensors, temporary, metadata)


def without_maps(info: TaggerInfo, path: Path) -> InputError:
    """Return the error for a network without activation maps."""
    if path.is_file():
        return InputError(
            f"{path} holds no activation maps; export with maps=True, or use the tagger's folder"
        )
    from imlgcn.models.heads import HEADS, Head

    able = [n for n, head in HEADS.items() if head.activation_maps is not Head.activation_maps]
    return InputError(
        f"the head {info.head.name!r} has no activation maps; these have: {', '.join(able)}"
    )
