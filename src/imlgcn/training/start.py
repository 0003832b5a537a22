"""Training that starts from an older tagger: what of it goes on, label by label, by name.

Shapes: C channels, L labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from imlgcn.config import CONTROL, TrainSettings
from imlgcn.labels.context import LabelContext
from imlgcn.models import Backbone, Head, MultiLabelClassifier, create_backbone
from imlgcn.models.layers import FoldedHead
from imlgcn.progress import Progress
from imlgcn.tagger import load_classifier
from imlgcn.tagger.config_file import read_config
from imlgcn.tagger.folder import CONFIG


@dataclass(frozen=True, eq=False)
class Start:
    """An existing tagger to continue from; the data may have other labels: they match by name."""

    classifier: MultiLabelClassifier
    context: LabelContext
    tuned: bool = False  # its backbone has learnt the images it was trained on


def open_backbone(settings: TrainSettings, start: Path | None) -> tuple[Backbone, Start | None]:
    """Return the backbone to train, and the tagger to continue from where there is one."""
    begin = None
    if start is None:
        with torch.random.fork_rng(devices=[]):  # initial weights: pretrained ones replace them
            backbone = create_backbone(
                settings.backbone, weights=settings.weights, size=settings.size
            )
    else:
        classifier, context = load_classifier(start)
        backbone = classifier.backbone
        begin = Start(classifier, context, backbone_has_learnt(start))
    size = settings.size or backbone.image_settings.size
    backbone.check_size(size)
    changes = {"fit": settings.fit, "size": size}
    backbone.image_settings = backbone.image_settings.model_copy(update=changes)
    return backbone, begin


def backbone_has_learnt(tagger: Path) -> bool:
    """Return whether a tagger's backbone was tuned, in its own run or in one that it started from.

    Where an earlier run cannot be read, it may have been: then True.
    """
    if not (tagger / CONFIG).is_file():
        return True
    config = read_config(tagger / CONFIG)
    before = config.get("from")
    return bool(config.get("fine_tune")) or (
        before is not None and backbone_has_learnt(Path(before))
    )


def take_over(linear: Head, start: Start, names: tuple[str, ...]) -> None:
    """Start the linear head from an older head's folded classifiers, label by label."""
    folded = start.classifier.head.fold()
    state = linear.state_dict()
    if not isinstance(folded, FoldedHead) or state.keys() != folded.state_dict().keys():
        return
    known = [name for name in names if name in start.context.names]
    ours, theirs = ([where.index(name) for name in known] for where in (names, start.context.names))
    for key, value in folded.state_dict().items():  # weight (L, C) and bias (L,)
        if state[key].shape[1:] == value.shape[1:]:
            state[key][ours] = value[theirs]


def continue_head(head: Head, start: Start, names: tuple[str, ...]) -> bool:
    """Give the head an older one's weights if they are for the same labels; say whether they were.

    The label graph stays that of the new data and options.
    """
    old = start.classifier.head
    if start.context.names != names or _shapes(head) != _shapes(old):
        return False
    head.load_state_dict(dict(old.named_parameters()), strict=False)
    return True


def say_what_continues(name: str, head: Head, progress: Progress) -> None:
    """Say of a head that could not take over an older one's weights what is kept, and why."""
    why = "a formula fits it" if head.closed_form else "its labels or options differ"
    progress.say(
        f"start=: the {name} head is trained from scratch, because {why}; the backbone, and the "
        f"linear head's classifiers of labels with the same name, are kept (head={CONTROL!r} "
        "trains only these)"
    )


def _shapes(module: nn.Module) -> dict[str, torch.Size]:
    """Return the shapes of a state, but not how many edges a label graph has: it is not taken."""
    state = module.state_dict()
    return {key: value.shape for key, value in state.items() if not key.startswith("edge_")}
