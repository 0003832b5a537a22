"""A head with its settings, fitted on any rows of the features: a fold, or all.

Shapes: N images, L labels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from imlgcn.config import CONTROL, TrainSettings
from imlgcn.labels.context import LabelContext
from imlgcn.models import HEADS, Backbone, Head, create_head
from imlgcn.progress import SILENT
from imlgcn.training.extract import ImageFeatures
from imlgcn.training.held_out import Lesson, exact_out_of_fold
from imlgcn.training.run import Run
from imlgcn.training.stages import Log, describe_labels, train_head
from imlgcn.training.start import Start, continue_head, say_what_continues, take_over


@dataclass(frozen=True, eq=False)
class Fitted:
    """A fitted head, and the labels as the images that it has learnt describe them."""

    head: Head
    context: LabelContext


class System:
    """A head with its settings; it can be fitted on any rows of the features."""

    def __init__(
        self, run: Run, settings: TrainSettings, backbone: Backbone, names: tuple[str, ...]
    ) -> None:
        self.run, self.settings, self.names = run, settings, names
        self.channels = HEADS[settings.head].channels_of(backbone, settings.head_options)
        self._words: LabelContext | None = None

    def exact(self, lesson: Lesson) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
        """Return scores ``(N, L)`` without the fold, and without the group, by a formula."""
        if not HEADS[self.settings.head].closed_form:
            return None
        return exact_out_of_fold(self.create(lesson.features, None)[0], lesson)

    def fit_head(self, learnt: ImageFeatures) -> Head:
        """Return the head fitted on ``learnt``, without a word."""
        return self.fit(learnt).head

    def fit(
        self,
        learnt: ImageFeatures,
        *,
        groups: NDArray[np.int64] | None = None,
        start: Start | None = None,
        final: bool = False,
        features: ImageFeatures | None = None,
    ) -> Fitted:
        """Fit on ``learnt``; validation images of ``features`` that are not among them are watched.

        ``final``: say and log what happens.
        """
        head, context = self.create(learnt, start)
        run, name = self.run, self.settings.head
        progress = run.progress if final else SILENT
        if final and run.settings.head == name:
            for note in head.notes():
                progress.say(f"{name}: {note}")
        if start is not None:
            if name == CONTROL:
                take_over(head, start, self.names)
            elif not continue_head(head, start, self.names):
                say_what_continues(name, head, progress)
        val = None
        if features is not None and "val" in features.dataset.splits and not run.settings.refit:
            val = features.split("val")[1]
        log: Log = run.log if final else lambda row: None
        train_head(
            head,
            learnt,
            val,
            settings=self.settings.linear_training
            if name == CONTROL
            else self.settings.head_training,
            loss=self.settings.loss,
            seed=self.settings.seed,
            fabric=run.fabric,
            groups=groups,
            log=log,
            progress=progress,
            stage=f"{name} head",
        )
        return Fitted(head, context)

    def create(
        self, learnt: ImageFeatures, start: Start | None = None
    ) -> tuple[Head, LabelContext]:
        """Return a new head, made for these rows; the same rows and seed give the same head."""
        options = self.settings.head_options
        context = LabelContext.from_targets(self.names, learnt.dataset.stored_targets)
        context = describe_labels(
            context,
            options,
            learnt,
            self.settings,
            old=start.context if start is not None else None,
            words=self._words,
            progress=self.run.progress,
        )
        if options.get("embedding") == "words":
            self._words = context  # read once
        torch.manual_seed(self.settings.seed)
        return create_head(self.settings.head, self.channels, context, **options), context
