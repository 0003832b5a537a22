"""What the labels of a data set say: counts, spellings, labels that cannot be learnt.

Letters used in shapes: N images, L labels.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from imlgcn.data.dataset import Dataset
from imlgcn.data.problems import Problem, problem
from imlgcn.labels.targets import occurrences_and_absences, present_entries


@dataclass(frozen=True)
class LabelCount:
    """Number of images in which a label is present (overall and by split) and unknown."""

    name: str
    present: int
    by_split: dict[str, int]
    unknown: int


def count_labels(dataset: Dataset) -> list[LabelCount]:
    """Return the counts of every label, in the data's order."""
    targets, names = dataset.stored_targets, list(dataset.splits)
    L = len(dataset.names)
    present, absent = occurrences_and_absences(targets)
    place = {split: index for index, split in enumerate(names)}
    own = np.array([place.get(record.split or "", len(names)) for record in dataset.records], int)
    image, label = present_entries(targets)
    each = np.bincount(own[image] * L + label, minlength=(len(names) + 1) * L)
    by_split = [dict(zip(names, row, strict=False)) for row in each.reshape(-1, L).T.tolist()]
    counts = zip(present.tolist(), (len(dataset) - present - absent).tolist(), strict=True)
    return [
        LabelCount(name, shown, of_splits, unknown)
        for name, of_splits, (shown, unknown) in zip(dataset.names, by_split, counts, strict=True)
    ]


def label_problems(
    dataset: Dataset, labels: Sequence[LabelCount], min_positives: int
) -> Iterator[Problem]:
    """Yield what is wrong with the labels; ``labels`` are their counts."""
    yield from _names(dataset.names)
    yield from _in_training(dataset, labels, min_positives)
    for split in (name for name in dataset.splits if name != "train"):
        yield from problem(
            "warning",
            "label_never_in_split",
            f"[label occurs|labels occur] in no image of the {split} split, where [it|they] cannot "
            "be evaluated",
            [label.name for label in labels if label.by_split[split] == 0],
        )
    yield from problem(
        "warning",
        "label_always_present",
        "[label is|labels are] never absent, so that a tagger will predict [it|them] "
        "nearly everywhere; add images that do not show [it|them]",
        [x.name for x in labels if len(dataset) > 1 and 0 < x.present == len(dataset) - x.unknown],
    )


def _names(names: Sequence[str]) -> Iterator[Problem]:
    spellings = defaultdict(list)
    for name in names:
        spellings[re.sub(r"[\s_-]+|[.,;:!]+$", "", name).casefold() or name].append(name)
    yield from problem(
        "error",
        "similar_labels",
        "[label has|labels have] several spellings that differ only in case, spaces or a sign "
        "at the end; use one of them",
        [" = ".join(map(repr, group)) for group in spellings.values() if len(group) > 1],
    )
    if all(re.fullmatch(r"\d+(\.0)?", name) for name in names):
        which = "[the only label is a number, which looks|all {n} labels are numbers, which look]"
        yield from problem(
            "warning",
            "index_labels",
            f"{which} like [an index|indices]; give their names, one a line (label_names=FILE)",
            names,
        )


def _in_training(
    dataset: Dataset, labels: Sequence[LabelCount], min_positives: int
) -> Iterator[Problem]:
    splits = dataset.splits
    trained = [label.by_split.get("train", label.present if not splits else 0) for label in labels]
    where = "in the training split" if splits else "in the data"
    none = not any(trained)
    advice = "that is every label: nothing can be trained"
    if not none:
        advice = "'imlgcn train' leaves [it|them] out"
    yield from problem(
        "error" if none else "warning",
        "label_never_in_train",
        f"[label occurs|labels occur] in no image {where}; {advice}; add images that show "
        "[it|them]",
        [label.name for label, count in zip(labels, trained, strict=True) if count == 0],
    )
    yield from problem(
        "warning",
        "few_positives",
        f"[label occurs|labels occur] in fewer than {min_positives} images {where}; expect low "
        "accuracy for [it|them]",
        [f"{x.name}: {n}" for x, n in zip(labels, trained, strict=True) if 0 < n < min_positives],
    )
