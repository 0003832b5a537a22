"""What can be known to be wrong before anything is read or trained."""

from __future__ import annotations

import torch

from imlgcn.config import InputError, TrainSettings
from imlgcn.labels.context import LabelContext
from imlgcn.labels.word_vectors import check_source
from imlgcn.losses import create_loss
from imlgcn.metrics.thresholds import parse_operating_point
from imlgcn.models import HEADS, Backbone, Head, create_head, head_options
from imlgcn.progress import Progress


def check_settings(settings: TrainSettings, backbone: Backbone, num_labels: int) -> Head:
    """Return the head that ``settings`` ask for, built on zeros.

    Raises:
        InputError: a goal, a loss or a head that cannot be, or no word vectors for a head of words.
    """
    parse_operating_point(settings.threshold)
    if settings.loss.options.get("reduction") == "none":
        raise InputError("loss.options.reduction: training needs sum, batch or mean; got 'none'")
    options = head_options(settings.head, settings.preset, **settings.head_options)
    if settings.embedding.words and options.get("embedding") == "words":
        check_source(settings.embedding.words)
    C, L = backbone.out_channels, num_labels
    context = LabelContext.placeholder(L, image=C, image_pca=min(max(L - 1, 1), C), words=1)
    channels = backbone.channels(HEADS[settings.head].feature_levels)
    try:
        with torch.random.fork_rng(devices=[]):
            create_loss(settings.loss.name, **settings.loss.options)
            return create_head(settings.head, channels, context, **settings.head_options)
    except InputError:
        raise
    except (TypeError, ValueError, ArithmeticError, RuntimeError) as error:
        raise InputError(f"an option of the head or the loss cannot be used: {error}") from error


def say_what_is_special(head: Head, name: str, progress: Progress) -> None:
    """Say what a user of this head would not expect: a loss of its own, a graph of few edges."""
    if head.own_loss:
        progress.say(f"the {name} head is trained by {head.own_loss}, not by the loss of the run")
    adjacency = getattr(head, "adjacency", None)
    if adjacency is None:
        return
    edges = int((adjacency != 0).sum()) - head.num_labels  # every label has itself
    if 0 < edges < head.num_labels:
        progress.say(
            f"the label graph has {edges} edges for {head.num_labels} labels, little for a graph "
            "head to use; a lower threshold gives more (--set head_options.threshold=0.2)"
        )
