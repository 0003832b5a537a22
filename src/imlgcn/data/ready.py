"""Data made ready for training: it has the splits it needs, and every label something to learn."""

from __future__ import annotations

from pathlib import Path

from imlgcn.config import InputError
from imlgcn.data.dataset import Dataset
from imlgcn.data.split import keep_splits, split_around_test, split_dataset
from imlgcn.progress import Progress


def with_splits(dataset: Dataset, seed: int, progress: Progress) -> tuple[Dataset, bool]:
    """Return the data with at least train and val, and whether the split is ours."""
    there = dataset.splits
    if {"train", "val"} <= set(there):
        return dataset, False
    if not there:
        progress.say(
            "no split in the data: making one, 80 % train, 10 % val, 10 % test (split.csv)"
        )
        splits, _ = split_dataset(dataset, seed=seed, progress=progress)
        return dataset.with_splits(splits), True
    if "train" not in there:
        raise InputError(f"the data has splits {', '.join(there)} but no 'train'; add one")
    progress.say("no 'val' in the data: a tenth of 'train' is held out (split.csv)")
    if "test" in there:
        splits, _ = split_around_test(dataset, seed=seed, progress=progress)
    else:
        splits, _ = split_dataset(
            dataset, train=0.9, val=0.1, test=0.0, seed=seed, progress=progress
        )
    return dataset.with_splits(splits), True


def keep_old_split(dataset: Dataset, old: Path, progress: Progress) -> Dataset:
    """An image the old tagger was trained on must not be one that the new one is judged by."""
    kept = 0
    if old.is_file():
        dataset, kept = keep_splits(dataset, old)
        progress.say(f"{kept} of {len(dataset)} images keep the split of the old run")
    if not kept:
        progress.say("the split is new: images the old tagger was trained on may now be in test")
    return dataset


def check_labels(dataset: Dataset) -> None:
    """Raise when a label has no positive training image: nothing can be learnt about it."""
    positives = (dataset.split("train").targets == 1).sum(axis=0)
    if missing := [name for name, count in zip(dataset.names, positives, strict=True) if not count]:
        raise InputError(
            f"{len(missing)} labels have no positive image in train: {', '.join(missing[:5])}"
            f"{', ...' if len(missing) > 5 else ''}; add images, move some to train, or remove the "
            "labels (imlgcn check shows all counts)"
        )
