"""Validate a data set before anything is trained on it.

An error harms training or invalidates its evaluation; a warning is worth a look.

Letters used in shapes: N images, L labels.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import filterfalse
from pathlib import Path
from typing import Any, Literal

import numpy as np

from imlgcn.data import check_label_table
from imlgcn.data.dataset import Dataset
from imlgcn.data.known_counts import Comparison, compare
from imlgcn.data.near_duplicates import clusters, duplicate_pairs
from imlgcn.data.scan import Scan, scan_images
from imlgcn.data.source import DataSource
from imlgcn.progress import SILENT, Progress

MIN_POSITIVES = 10  # fewer are too few to calibrate a label and to fit its threshold
NUM_EXAMPLES = 5
Level = Literal["error", "warning", "note"]  # note: nothing to do
LEVELS: tuple[Level, ...] = ("error", "warning", "note")  # worst first
BAD_FILES = {
    "missing": "image files are missing; correct their paths or remove their rows",
    "unreadable": "files cannot be read as images; replace or remove them",
    "truncated": "images are truncated; copy them again or remove them",
    "too_large": "images exceed the limit of pixels; make them smaller or remove them",
}


@dataclass(frozen=True)
class Problem:
    """One kind of problem: its level, how often it occurs, what to do about it, and examples."""

    level: Level
    kind: str
    count: int
    message: str
    examples: tuple[str, ...]


@dataclass(frozen=True)
class LabelCount:
    """Number of images in which a label is present (overall and by split) and unknown."""

    name: str
    present: int
    by_split: dict[str, int]
    unknown: int


@dataclass(frozen=True)
class CheckReport:
    """The result of a check, errors first."""

    reader: str
    reason: str
    num_images: int
    splits: dict[str, int]
    labels: list[LabelCount]
    problems: list[Problem]
    published: str = ""  # one line if its counts agree with published ones, else empty

    @property
    def harmful(self) -> bool:
        """Whether there is an error."""
        return any(problem.level == "error" for problem in self.problems)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values for JSON."""
        return {"harmful": self.harmful, **asdict(self)}


def check_dataset(
    dataset: Any,
    *,
    min_positives: int = MIN_POSITIVES,
    label_table: str | Path | None = None,
    progress: Progress = SILENT,
    **how: Any,
) -> CheckReport:
    """Check every image and every label of a data set, or of what `load_dataset` reads as ``how``.

    Labels with fewer than ``min_positives`` training images are listed as a warning. The file of a
    ``label_table`` is checked as well.
    """
    dataset = DataSource.of(dataset, **how).load(progress)
    rules = [] if label_table is None else list(check_label_table.find(dataset, label_table))
    scans = scan_images(dataset.paths, progress=progress)
    published = compare(dataset)
    problems = [
        *_counts(published),
        *_bad_files(dataset, scans),
        *_duplicates(dataset, scans, progress),
        *_label_names(dataset.names),
        *_label_counts(dataset, min_positives),
        *_empty_images(dataset, scans),
        *(problem for rule in rules for problem in _problem(*rule, most=len(rule.cases))),
    ]
    return CheckReport(
        dataset.reader,
        dataset.reason,
        len(dataset),
        dataset.splits,
        count_labels(dataset),
        sorted(problems, key=lambda problem: LEVELS.index(problem.level)),
        "" if published is None or published.different else str(published),
    )


def count_labels(dataset: Dataset) -> list[LabelCount]:
    """Return the counts of every label, in the data's order."""
    of_split = {name: dataset.split(name).targets == 1 for name in dataset.splits}
    return [
        LabelCount(
            name,
            int((column == 1).sum()),
            {split: int(present[:, index].sum()) for split, present in of_split.items()},
            int((column == -1).sum()),
        )
        for index, (name, column) in enumerate(zip(dataset.names, dataset.targets.T, strict=True))
    ]


def _problem(
    level: Level, kind: str, message: str, found: Sequence[str], most: int = NUM_EXAMPLES
) -> Iterator[Problem]:
    """Yield a problem if there are findings."""
    if found:
        yield Problem(level, kind, len(found), message, tuple(found[:most]))


def _counts(published: Comparison | None) -> Iterator[Problem]:
    if published is not None:
        yield from _problem(
            "warning",
            "published_counts",
            f"counts differ from those published for {published.name}; if this should be the whole "
            "data set, files are missing or it was published in another variant (variant=)",
            published.different,
        )


def _bad_files(dataset: Dataset, scans: Sequence[Scan]) -> Iterator[Problem]:
    for kind, message in BAD_FILES.items():
        found = [scan.message for scan in scans if scan.problem == kind]
        yield from _problem("error", kind, message, found)


def _duplicates(dataset: Dataset, scans: Sequence[Scan], progress: Progress) -> Iterator[Problem]:
    exact, near = duplicate_pairs(scans, progress=progress)
    same = _members(clusters(len(scans), exact))
    alike = _members(clusters(len(scans), near))
    splits = [record.split for record in dataset.records]

    def across(group: Sequence[int]) -> bool:
        return len({splits[index] for index in group}) > 1

    def named(groups: Iterable[Sequence[int]]) -> list[str]:
        return [" = ".join(_where(dataset, index) for index in group) for group in groups]

    yield from _problem(
        "error",
        "group_across_splits",
        "groups have images in more than one split (leak); split anew: 'imlgcn split' keeps them "
        "together",
        _crossing_groups(dataset),
    )
    advice = "images occur in more than one split (leak)"
    yield from _problem(
        "error",
        "duplicate_across_splits",
        f"identical {advice}; keep one of each",
        named(filter(across, same)),
    )
    yield from _problem(
        "error",
        "near_duplicate_across_splits",
        f"nearly identical {advice}; split anew: 'imlgcn split' keeps them together",
        named(pair for pair in near if across(pair)),
    )
    yield from _problem(
        "warning",
        "conflicting_labels",
        "identical images have different labels; correct them, or mark uncertain ones with ?",
        named(group for group in same if len({dataset.targets[i].tobytes() for i in group}) > 1),
    )
    yield from _problem(
        "warning", "duplicate", "images occur more than once", named(filterfalse(across, same))
    )
    yield from _problem(
        "note",
        "near_duplicate",
        "groups of images are nearly identical; splits and folds keep each together",
        named(group for group in alike if not across(group)),
    )


def _crossing_groups(dataset: Dataset) -> list[str]:
    """Return each group that crosses splits, with its first image of each split."""
    first: dict[str, dict[str | None, int]] = defaultdict(dict)
    for index, record in enumerate(dataset.records):
        if record.group:
            first[record.group].setdefault(record.split, index)
    return [
        f"{group}: {' = '.join(_where(dataset, index) for index in found.values())}"
        for group, found in first.items()
        if len(found) > 1
    ]


def _members(groups: np.ndarray[Any, np.dtype[np.int64]]) -> list[list[int]]:
    """Return the members of every group of two or more."""
    members: dict[int, list[int]] = defaultdict(list)
    for index, group in enumerate(groups.tolist()):
        members[group].append(index)
    return [group for group in members.values() if len(group) > 1]


def _where(dataset: Dataset, index: int) -> str:
    record = dataset.records[index]
    return f"{record.name} ({record.split})" if record.split else record.name


def _label_names(names: Sequence[str]) -> Iterator[Problem]:
    spellings = defaultdict(list)
    for name in names:
        spellings[re.sub(r"[\s_-]+", "", name).casefold()].append(name)
    yield from _problem(
        "error",
        "similar_labels",
        "labels have several spellings that differ only in case or spaces; use one of them",
        [" = ".join(map(repr, group)) for group in spellings.values() if len(group) > 1],
    )
    if all(re.fullmatch(r"\d+(\.0)?", name) for name in names):
        yield from _problem(
            "warning",
            "index_labels",
            "all labels are numbers, which look like indices; use names instead",
            names,
        )


def _label_counts(dataset: Dataset, min_positives: int) -> Iterator[Problem]:
    labels, splits = count_labels(dataset), dataset.splits
    trained = [label.by_split.get("train", label.present if not splits else 0) for label in labels]
    where = "in the training split" if splits else "in the data"
    none = not any(trained)
    advice = (
        "that is every label: nothing can be trained" if none else "'imlgcn train' leaves them out"
    )
    yield from _problem(
        "error" if none else "warning",
        "label_never_in_train",
        f"labels occur in no image {where}; {advice}; add images that show them",
        [label.name for label, count in zip(labels, trained, strict=True) if count == 0],
    )
    yield from _problem(
        "warning",
        "few_positives",
        f"labels occur in fewer than {min_positives} images {where}; expect low accuracy for them",
        [f"{x.name}: {n}" for x, n in zip(labels, trained, strict=True) if 0 < n < min_positives],
    )
    for split in (name for name in splits if name != "train"):
        yield from _problem(
            "warning",
            "label_never_in_split",
            f"labels occur in no image of the {split} split, where they cannot be evaluated",
            [label.name for label in labels if label.by_split[split] == 0],
        )
    yield from _problem(
        "warning",
        "label_always_present",
        "labels are absent from no image, so that a tagger will predict them nearly everywhere; "
        "add images that do not show them",
        [x.name for x in labels if len(dataset) > 1 and 0 < x.present == len(dataset) - x.unknown],
    )


def _empty_images(dataset: Dataset, scans: Sequence[Scan]) -> Iterator[Problem]:
    unlabelled = np.flatnonzero((dataset.targets == 0).all(axis=1))
    yield from _problem(
        "warning",
        "no_label",
        "images have no label; correct if they show none of the labels, else label them",
        [_where(dataset, index) for index in unlabelled.tolist()],
    )
    yield from _problem(
        "warning",
        "blank",
        "images have a single colour",
        [_where(dataset, index) for index, scan in enumerate(scans) if scan.is_blank],
    )
