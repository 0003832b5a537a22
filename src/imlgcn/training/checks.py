"""Validate settings before any data is read."""

from __future__ import annotations

import torch

from imlgcn.config import TrainSettings
from imlgcn.errors import InputError
from imlgcn.labels.context import LabelContext
from imlgcn.labels.word_vectors import check_source
from imlgcn.losses import create_loss
from imlgcn.metrics.thresholds import parse_operating_point
from imlgcn.models import HEADS, Backbone, Head, create_head, head_options


def check_settings(settings: TrainSettings, backbone: Backbone, num_labels: int) -> Head:
    """Return the head that ``settings`` ask for, built on zeros.

    Raises:
        InputError: an operating point, loss or head that is not possible, or missing word vectors.
    """
    parse_operating_point(settings.threshold)
    if settings.keep_thumbnails and not settings.keep_support:
        raise InputError(
            "keep_thumbnails=True keeps pictures beside the names of the training images, which "
            "keep_support=False leaves out: give one of the two"
        )
    if settings.loss.options.get("reduction") == "none":
        raise InputError("loss.options.reduction: training needs sum, batch or mean; got 'none'")
    options = head_options(settings.head, settings.preset, **settings.head_options)
    if settings.label_embeddings.words and options.get("embedding") == "words":
        check_source(settings.label_embeddings.words)
    C, L = backbone.out_channels, num_labels
    context = LabelContext.placeholder(L, image=C, image_pca=min(max(L - 1, 1), C), words=1)
    channels = HEADS[settings.head].channels_of(backbone, options)
    try:
        with torch.random.fork_rng(devices=[]):
            create_loss(settings.loss.name, **settings.loss.options)
            return create_head(settings.head, channels, context, **settings.head_options)
    except InputError:
        raise
    except (TypeError, ValueError, ArithmeticError, RuntimeError) as error:
        raise InputError(f"an option of the head or the loss cannot be used: {error}") from error
