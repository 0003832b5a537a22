"""Prepare data for training: add missing splits, drop labels that cannot be learnt.

Letters used in shapes: N images, L labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from imlgcn.data.dataset import ABSENT, UNKNOWN, Dataset
from imlgcn.data.groups import find_groups
from imlgcn.data.split import split_around_test, split_dataset
from imlgcn.data.written_split import keep_splits
from imlgcn.errors import InputError
from imlgcn.labels.targets import Targets, occurrences_and_absences
from imlgcn.numbers import number, plural
from imlgcn.progress import Progress


def with_splits(
    dataset: Dataset,
    seed: int,
    progress: Progress,
    *,
    validation: bool = True,
    old: Path | None = None,
) -> tuple[Dataset, bool]:
    """Return the data with at least train and, for ``validation``, val; and whether it was split.

    Without ``validation`` no image is held out for it; the test images are the same then. Images
    that ``old`` lists, the ``split.csv`` of an earlier run, keep their split.
    """
    needed = {"train", "val"} if validation else {"train"}
    if needed <= set(dataset.splits):
        return dataset, False
    known = old is not None and old.is_file()  # only then are the groups needed twice
    groups = find_groups(dataset, progress=progress) if known else None
    splits = _new_splits(dataset, groups, seed, progress, validation)
    if validation and "val" not in splits and not dataset.splits:  # few images: validation first
        splits = ["val" if part == "test" else part for part in splits]
    if not validation:
        splits = ["train" if part == "val" else part for part in splits]
    if not needed <= set(splits):
        raise InputError(
            f"{plural(len(dataset), 'image')}: too few to split into train and val (near "
            "duplicates and groups stay together): give ten or more, or a column 'split'"
        )
    dataset = dataset.with_splits(splits)
    if old is None:
        return dataset, True
    return _keep_old_split(dataset, groups, old, progress, needed), True


def _new_splits(
    dataset: Dataset,
    groups: NDArray[np.int64] | None,
    seed: int,
    progress: Progress,
    validation: bool,
) -> list[str]:
    existing = dataset.splits
    if not existing:
        parts = "80 % train, 10 % val, 10 % test" if validation else "90 % train, 10 % test"
        progress.say(f"the data has no splits: making {parts} (split.csv)")
        return split_dataset(dataset, seed=seed, groups=groups, progress=progress)[0]
    if "train" not in existing:
        raise InputError(f"the data has splits {', '.join(existing)} but no 'train'; add one")
    progress.say("the data has no split 'val': holding out a tenth of 'train' (split.csv)")
    if "test" in existing:
        return split_around_test(dataset, seed=seed, groups=groups, progress=progress)[0]
    return split_dataset(
        dataset, train=0.9, val=0.1, test=0.0, seed=seed, groups=groups, progress=progress
    )[0]


def _keep_old_split(
    dataset: Dataset,
    groups: NDArray[np.int64] | None,
    old: Path,
    progress: Progress,
    needed: set[str],
) -> Dataset:
    """Keep images that the old tagger was trained on out of val and test."""
    same, kept = (dataset, 0) if groups is None else keep_splits(dataset, old, groups)
    if kept and needed <= set(same.splits):
        progress.say(
            f"{number(kept, 0)} of {plural(len(dataset), 'image')} keep the split of the old run"
        )
        return same
    why = "the old run's would leave train or val empty, so " if kept else ""
    progress.say(
        f"{why}the split is new: images the old tagger was trained on may now be in val or test"
    )
    return dataset


def with_learnable_labels(
    dataset: Dataset, progress: Progress, *, splits: Sequence[str] = ("train",)
) -> Dataset:
    """Return the data without the labels that have no positive in ``splits``, and report them.

    The records are unchanged.

    Raises:
        InputError: no label is left.
    """
    shown = _counts(dataset, splits)[0] > 0  # (L,)
    where = " or ".join(name for name in splits if name in dataset.splits)
    if not shown.any():
        raise InputError(
            f"no label has a positive in {where}, so there is nothing to learn: label images of "
            "train (in a column of its own, with a 1), or move some to train"
        )
    if shown.all():
        return dataset
    progress.say(
        f"labels left out, {_listed(dataset, ~shown)}: they have no positive in {where}; to keep "
        "them, add such images or move some to train (imlgcn check shows all counts)"
    )
    names = tuple(name for name, kept in zip(dataset.names, shown, strict=True) if kept)
    kept_columns, targets = np.flatnonzero(shown), dataset.stored_targets
    chosen = (
        targets.select_labels(kept_columns)
        if isinstance(targets, Targets)
        else targets[:, kept_columns]
    )
    return replace(dataset, names=names, targets=chosen)


def _counts(dataset: Dataset, splits: Sequence[str]) -> NDArray[np.int64]:
    """Return the images that show each label, and those that do not, of some splits ``(2, L)``."""
    parts = [dataset.split(name) for name in splits if name in dataset.splits]
    counts = np.zeros((2, len(dataset.names)), np.int64)
    for part in parts:
        counts += occurrences_and_absences(part.stored_targets)
    return counts


def unknown_as_absent(dataset: Dataset, splits: Sequence[str]) -> Dataset:
    """Return the data with every unknown target of some splits absent; others stay as they are."""
    chosen = np.array([record.split in splits for record in dataset.records], dtype=bool)
    unknown = chosen[:, None] & (dataset.targets == UNKNOWN)
    return replace(dataset, targets=np.where(unknown, ABSENT, dataset.targets).astype(np.int8))


def say_what_is_thin(dataset: Dataset, progress: Progress, *, refit: bool = False) -> None:
    """Report the labels without a negative to learn, and those that calibration hardly sees.

    ``refit``: calibration is fitted out of fold on train and val, else on val.
    """
    present, absent = _counts(dataset, ("train", "val") if refit else ("train",))  # (L,)
    always = absent == 0
    if always.any():
        progress.say(
            f"labels never absent in train, {_listed(dataset, always)}: the tagger will predict "
            "them nearly everywhere; add images that do not show them"
        )
    if refit:
        single = present == 1
        if single.any():
            progress.say(
                f"labels on a single image to learn from, {_listed(dataset, single)}: nothing "
                "says how well they are found; add images that show them"
            )
        return
    unseen = _counts(dataset, ("val",))[0] == 0
    if unseen.all():
        progress.say(
            "no label has a positive in val: probabilities are not calibrated, and the thresholds "
            "are 0.5 unless threshold= is a number; add validation images"
        )
    elif unseen.any():
        progress.say(
            f"labels without a positive in val, {_listed(dataset, unseen)}: they get the threshold "
            "fitted on the others"
        )


def in_old_order(dataset: Dataset, old: Sequence[str], progress: Progress) -> Dataset:
    """Return the data in an older tagger's label order, if they agree; report lost labels."""
    if lost := [name for name in old if name not in dataset.names]:
        progress.say(
            f"start=: the data show {number(len(lost), 0)} of the older tagger's "
            f"{plural(len(old), 'label')} nowhere in train ({_first(lost)}): they are kept from "
            "the features of its images, if these still fit"
        )
    return dataset.reordered(old) if set(old) == set(dataset.names) else dataset


def _listed(dataset: Dataset, chosen: NDArray[np.bool_]) -> str:
    """Return "2 of 5 (boat, pier)"."""
    names = [name for name, wanted in zip(dataset.names, chosen, strict=True) if wanted]
    return f"{number(len(names), 0)} of {number(len(dataset.names), 0)} ({_first(names)})"


def _first(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
