"""What the image files of a data set say: damaged, equal and blank ones, images without a label.

Letters used in shapes: N images, L labels.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import filterfalse

import numpy as np
from numpy.typing import NDArray

from imlgcn.data.dataset import Dataset
from imlgcn.data.formats.name_forms import has_image_suffix
from imlgcn.data.near_duplicates import clusters, duplicate_pairs
from imlgcn.data.problems import Level, Problem, problem
from imlgcn.data.scan import Scan
from imlgcn.numbers import first_of
from imlgcn.progress import Progress

HELD_OR_CACHED = ("python", "openclipart", "pack", "parquet", "webdataset")  # or in shards
BAD_FILES = {
    "missing": "[image file is|image files are] missing; correct [its path|their paths] or remove "
    "[its row|their rows]",
    "unreadable": "[file|files] cannot be read as [an image|images]; replace or remove [it|them]",
    "truncated": "[image is|images are] truncated; copy [it|them] again or remove [it|them]",
    "too_large": "[image exceeds|images exceed] the limit of pixels; make [it|them] smaller or "
    "remove [it|them]",
}


LEFT_OUT = re.compile(r"left out: [\d,]+ (images?\b|without|not in)")  # said by the reader


def not_listed(dataset: Dataset) -> Iterator[Problem]:
    """Yield the image files beside those of a list that the list does not name."""
    if dataset.reader in HELD_OR_CACHED or LEFT_OUT.search(dataset.reason):
        return
    paths = {os.path.abspath(path) for path in dataset.paths}
    folders = sorted({os.path.dirname(path) for path in paths})
    beside = [
        entry.path
        for folder in folders
        if os.path.isdir(folder)
        for entry in os.scandir(folder)
        if has_image_suffix(entry.name) and not entry.name.startswith(".")
    ]
    found = sorted({*beside} - paths)
    homes = first_of(sorted({f"{os.path.basename(os.path.dirname(path))}/" for path in found}))
    yield from problem(
        "note",
        "not_listed",
        f"[image|images] in {homes} [is|are] not in the list: [it is|they are] not used",
        [os.path.relpath(path) for path in found],
        shown=3,
    )


def image_problems(
    dataset: Dataset, scans: Sequence[Scan], progress: Progress
) -> Iterator[Problem]:
    """Yield what is wrong with the images; ``scans`` are those of the records, in their order."""
    for kind, text in BAD_FILES.items():
        found = [scan.message for scan in scans if scan.problem == kind]
        yield from problem("error", kind, text, found)
    yield from _duplicates(dataset, scans, progress)
    unlabelled = np.flatnonzero((dataset.targets == 0).all(axis=1))
    yield from problem(
        "warning",
        "no_label",
        "[image has|images have] no label; correct if [it shows|they show] none of the labels, "
        "else label [it|them]",
        [_where(dataset, index) for index in unlabelled.tolist()],
    )
    yield from problem(
        "warning",
        "blank",
        "[image has|images have] a single colour",
        [_where(dataset, index) for index, scan in enumerate(scans) if scan.is_blank],
    )


def _duplicates(dataset: Dataset, scans: Sequence[Scan], progress: Progress) -> Iterator[Problem]:
    exact, near = duplicate_pairs(scans, progress=progress)
    same = _members(clusters(len(scans), exact))
    alike = _members(clusters(len(scans), near))
    splits = [record.split for record in dataset.records]

    def across(group: Sequence[int]) -> bool:
        return len({splits[index] for index in group}) > 1

    def of(
        level: Level, kind: str, text: str, groups: Iterator[Sequence[int]]
    ) -> Iterator[Problem]:
        names = [[_where(dataset, index) for index in group] for group in groups]
        yield from problem(level, kind, text, [" = ".join(each) for each in names], groups=names)

    yield from problem(
        "error",
        "group_across_splits",
        "[group has|groups have] images in more than one split (leak); split anew: 'imlgcn split' "
        "keeps [it|them] together",
        _crossing_groups(dataset),
    )
    leak = "[image occurs|images occur] in more than one split (leak)"
    yield from of(
        "error",
        "duplicate_across_splits",
        f"identical {leak}; keep one of each",
        filter(across, same),
    )
    yield from of(
        "error",
        "near_duplicate_across_splits",
        f"nearly identical {leak}; split anew: 'imlgcn split' keeps them together",
        filter(across, near),
    )
    yield from of(
        "warning",
        "conflicting_labels",
        "[set of identical images has|sets of identical images have] different labels; correct "
        "them, or mark uncertain ones with ?",
        filterfalse(
            lambda group: len({dataset.stored_targets[i].tobytes() for i in group}) == 1, same
        ),
    )
    yield from of(
        "warning",
        "duplicate",
        "[image occurs|images occur] more than once",
        filterfalse(across, same),
    )
    yield from of(
        "note",
        "near_duplicate",
        "[group|groups] of images [is|are] nearly identical; splits and folds keep each together",
        filterfalse(across, alike),
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


def _members(groups: NDArray[np.int64]) -> list[list[int]]:
    """Return the members of every group of two or more."""
    members: dict[int, list[int]] = defaultdict(list)
    for index, group in enumerate(groups.tolist()):
        members[group].append(index)
    return [group for group in members.values() if len(group) > 1]


def _where(dataset: Dataset, index: int) -> str:
    record = dataset.records[index]
    return f"{record.name} ({record.split})" if record.split else record.name
