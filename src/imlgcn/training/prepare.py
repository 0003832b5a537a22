"""The data of a run: read, refused where misread, split, and without labels that nobody shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imlgcn.config import TrainSettings
from imlgcn.data.dataset import Dataset
from imlgcn.data.guard import refuse_misread
from imlgcn.data.ready import (
    in_old_order,
    say_what_is_thin,
    unknown_as_absent,
    with_learnable_labels,
    with_splits,
)
from imlgcn.numbers import plural
from imlgcn.progress import Progress
from imlgcn.tagger.folder import SPLIT
from imlgcn.training.resolve import Plan

if TYPE_CHECKING:
    from imlgcn.training.start import Start


def load_data(plan: Plan, progress: Progress, *, force: bool) -> Dataset:
    """Read the data, say what was taken for labels, and stop if they look misread."""
    dataset = plan.data.load(progress)
    names = dataset.names
    progress.say(
        f"data: {plural(len(dataset), 'image')}, {plural(len(names), 'label')} ({dataset.reason})"
    )
    progress.say(f"labels: {', '.join(names[:20])}{', ...' if len(names) > 20 else ''}")
    if not force:
        refuse_misread(dataset)
    return dataset


def make_ready(
    dataset: Dataset, options: TrainSettings, plan: Plan, begin: Start | None, progress: Progress
) -> tuple[Dataset, bool, Dataset]:
    """Return the data with splits, whether they were made here, and the data to train on."""
    # where the backbone is tuned, something must be left that it has not learnt
    validation = not options.refit or options.fine_tune or (begin is not None and begin.tuned)
    old = plan.start / SPLIT if plan.start else None
    whole, own_split = with_splits(dataset, options.seed, progress, validation=validation, old=old)
    learnt = ("train", "val") if options.refit else ("train",)
    dataset = with_learnable_labels(whole, progress, splits=learnt)
    taught = dataset
    if options.unknown_as == "negative":
        taught = unknown_as_absent(dataset, learnt)
    say_what_is_thin(taught, progress, refit=options.refit)
    if begin is not None:
        dataset = in_old_order(dataset, begin.context.names, progress)
    return whole, own_split, dataset
