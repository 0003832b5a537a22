"""Stratified splits: iterative stratification over groups of images.

Sechidis, Tsoumakas & Vlahavas (ECML PKDD 2011), https://doi.org/10.1007/978-3-642-23808-6_10: the
label with the fewest images left is distributed first, each image to the split that lacks most of
that label.

Differs from the paper: groups of images that must stay together (:mod:`imlgcn.data.groups`) are
distributed instead of images, larger groups first; and a split that has its number of images gets
no more, so that sizes are off by less than the largest group.

Letters used in shapes: N images, G groups, L labels, P splits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from imlgcn.data.dataset import SPLITS, Dataset
from imlgcn.data.groups import find_groups, grouped_by
from imlgcn.data.source import DataSource
from imlgcn.data.written_split import write_split_csv
from imlgcn.errors import InputError
from imlgcn.labels.targets import present_entries
from imlgcn.progress import SILENT, Progress


@dataclass(frozen=True)
class SplitRow:
    """Number of images (of a label) that each split should get, and got."""

    name: str
    wanted: dict[str, float]
    got: dict[str, int]


@dataclass(frozen=True)
class SplitTable:
    """The result of a split: all images, each label in the data's order, and the groups."""

    images: SplitRow
    labels: list[SplitRow]
    num_groups: int
    grouped_by: str


def split_dataset(
    dataset: Any,
    *,
    train: float = 0.8,
    val: float = 0.1,
    test: float = 0.1,
    seed: int = 0,
    keep_test: bool = False,
    out: str | Path | None = None,
    group_by: str | None = None,
    groups: NDArray[np.int64] | None = None,
    progress: Progress = SILENT,
    **how: Any,
) -> tuple[list[str], SplitTable]:
    """Return ``train``, ``val`` or ``test`` for every record, and a table per label.

    ``dataset`` is one, or what :func:`imlgcn.load_dataset` reads as ``how`` says.
    ``train``, ``val`` and ``test`` are fractions with the sum 1. Near duplicates, images of one
    group and those with the same value in the column ``group_by`` stay together; every image file
    is read to find the near duplicates, unless ``groups`` (N,) are given, as
    :func:`imlgcn.data.groups.find_groups` returns them. Existing splits of the data are ignored,
    but for the test split with ``keep_test``: then ``val`` is a fraction of the other images.
    ``out`` is a CSV to write as well, which `load_dataset` reads.
    """
    dataset = DataSource.of(dataset, **how).load(progress)
    by: Any = {"seed": seed, "group_by": group_by, "groups": groups, "progress": progress}
    if keep_test:
        splits, table = split_around_test(dataset, val=val, **by)
    else:
        splits, table = _split(dataset, train=train, val=val, test=test, **by)
    if out is not None:
        write_split_csv(dataset, splits, out)
    return splits, table


def _split(
    dataset: Dataset,
    *,
    train: float,
    val: float,
    test: float,
    seed: int,
    group_by: str | None,
    groups: NDArray[np.int64] | None,
    progress: Progress,
) -> tuple[list[str], SplitTable]:
    parts, fractions = _fractions(train, val, test)
    if groups is None:
        groups = find_groups(dataset, group_by, progress=progress)
    assigned = stratify_by_name(dataset, groups, fractions, seed=seed)
    images = np.bincount(assigned, minlength=len(parts))
    image, label = present_entries(dataset.stored_targets)
    each = [label[assigned[image] == part] for part in range(len(parts))]
    got = np.stack([np.bincount(own, minlength=len(dataset.names)) for own in each], 1)  # (L, P)
    table = SplitTable(
        _row("images", images, parts, fractions),
        [_row(name, own, parts, fractions) for name, own in zip(dataset.names, got, strict=True)],
        len(np.unique(groups)),
        grouped_by(dataset, group_by),
    )
    return [parts[part] for part in assigned], table


def split_around_test(
    dataset: Dataset,
    *,
    val: float = 0.1,
    seed: int = 0,
    group_by: str | None = None,
    groups: NDArray[np.int64] | None = None,
    progress: Progress = SILENT,
) -> tuple[list[str], SplitTable]:
    """Split the images outside of the data's own test split; return splits, and their table.

    So a published test set is kept. ``val`` is the fraction of the others that becomes validation.
    """
    others = [row for row, record in enumerate(dataset.records) if record.split != "test"]
    if len(others) in (0, len(dataset)):
        existing = ", ".join(dataset.splits) or "none"
        raise InputError(
            f"expected a test split to keep and other images to split; the data has {existing}"
        )
    parts, table = _split(
        dataset.select(others),
        train=1 - val,
        val=val,
        test=0.0,
        seed=seed,
        group_by=group_by,
        groups=None if groups is None else groups[others],
        progress=progress,
    )
    splits = ["test"] * len(dataset)
    for row, part in zip(others, parts, strict=True):
        splits[row] = part
    return splits, table


def stratify_by_name(
    dataset: Dataset, groups: NDArray[np.int64], fractions: NDArray[np.float64], *, seed: int = 0
) -> NDArray[np.int64]:
    """Return :func:`stratify` of the present labels, whatever their order in the data."""
    place = np.argsort(sorted(range(len(dataset.names)), key=dataset.names.__getitem__))
    image, label = present_entries(dataset.stored_targets)
    return _stratify(image, place[label], len(place), groups, fractions, seed)


def stratify(
    present: NDArray[np.bool_],
    groups: NDArray[np.int64],
    fractions: NDArray[np.float64],
    *,
    seed: int = 0,
) -> NDArray[np.int64]:
    """Return the index of each image's split, (N,) from 0 to P - 1.

    Shape:
        - present ``(N, L)``, groups ``(N,)`` of any integers, fractions ``(P,)`` with the sum 1
    """
    return _stratify(*present_entries(present), present.shape[1], groups, fractions, seed)


def _stratify(
    image: NDArray[np.int64],
    label: NDArray[np.int64],
    num_labels: int,
    groups: NDArray[np.int64],
    fractions: NDArray[np.float64],
    seed: int,
) -> NDArray[np.int64]:
    """Return the index of each image's split, (N,), by image and label of each present entry."""
    _, member = np.unique(groups, return_inverse=True)  # (N,) 0..G-1
    sizes = np.bincount(member)  # (G,)
    counts = _Counts.of(member[image], label, len(sizes), num_labels)
    random = np.random.default_rng(seed)
    order = np.lexsort((random.permutation(len(sizes)), -sizes))  # larger groups first
    part = np.full(len(sizes), -1, dtype=np.int64)
    left = np.bincount(counts.label, counts.images, num_labels).astype(np.int64)  # (L,)
    wanted = np.outer(fractions, [*left, len(member)]).tolist()  # P lists of L + 1
    # the last column counts images: a label that all have, distributed after the others
    with_label = counts.groups_of_labels(order)
    while (open_labels := np.flatnonzero(left)).size:
        rarest = int(open_labels[np.argmin(left[open_labels])])
        for group in with_label[rarest][part[with_label[rarest]] < 0]:
            labels, images = counts.of_group(group)
            part[group] = chosen = _neediest(wanted, rarest, random)
            lacking = wanted[chosen]
            for other, count in zip(labels.tolist(), images.tolist(), strict=True):
                lacking[other] -= count
            lacking[-1] -= sizes[group]
            left[labels] -= images
    for group in order[part[order] < 0]:
        part[group] = chosen = _neediest(wanted, -1, random)
        wanted[chosen][-1] -= sizes[group]
    return part[member]


class _Counts(NamedTuple):
    """How many images of a group show a label, E numbers above 0, by group and then by label."""

    label: NDArray[np.int64]  # (E,)
    images: NDArray[np.int64]  # (E,)
    starts: NDArray[np.int64]  # (G + 1,) of each group

    @classmethod
    def of(
        cls, group: NDArray[np.int64], label: NDArray[np.int64], num_groups: int, num_labels: int
    ) -> _Counts:
        """Count the present entries of each group and label."""
        key, images = np.unique(group * num_labels + label, return_counts=True)
        starts = np.searchsorted(key, np.arange(num_groups + 1) * num_labels)
        return cls(key % max(num_labels, 1), images, starts)

    def of_group(self, group: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the labels of a group, and of how many of its images each is."""
        own = slice(self.starts[group], self.starts[group + 1])
        return self.label[own], self.images[own]

    def groups_of_labels(self, order: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """Return for each label up to the last that is shown its groups, in ``order`` ``(G,)``."""
        lengths = np.diff(self.starts)[order]
        group = np.repeat(order, lengths)  # (E,), in order
        before = np.cumsum(lengths) - lengths
        label = self.label[np.arange(len(group)) + np.repeat(self.starts[order] - before, lengths)]
        short = label.astype(np.uint16) if len(label) and label.max() < 2**16 else label
        by_label = np.argsort(short, kind="stable")  # linear for short numbers
        ends = np.cumsum(np.bincount(label))[:-1]
        return np.split(group[by_label], ends)


def _neediest(wanted: Sequence[Sequence[float]], label: int, random: np.random.Generator) -> int:
    """Return the split that lacks most of ``label``; ties by images lacking, then at random.

    Plain lists: three splits are too few for arrays.
    """
    needs = [lacking[label] if lacking[-1] > 0 else -math.inf for lacking in wanted]
    most = max(needs) - 1e-9
    best = [part for part, need in enumerate(needs) if need >= most]
    if len(best) > 1:
        room = max(wanted[part][-1] for part in best) - 1e-9
        best = [part for part in best if wanted[part][-1] >= room]
    return int(random.choice(best)) if len(best) > 1 else best[0]


def _fractions(train: float, val: float, test: float) -> tuple[list[str], NDArray[np.float64]]:
    given = dict(zip(SPLITS, (train, val, test), strict=True))
    if train <= 0 or min(given.values()) < 0 or abs(sum(given.values()) - 1) > 1e-6:
        raise InputError(
            f"train, val and test must be fractions with the sum 1, and train above 0; "
            f"got {train:g}, {val:g} and {test:g}"
        )
    parts = [name for name in SPLITS if given[name] > 0]
    return parts, np.array([given[name] for name in parts])


def _row(
    name: str, got: NDArray[np.int64], parts: list[str], fractions: NDArray[np.float64]
) -> SplitRow:
    wanted = fractions * got.sum()
    return SplitRow(
        name,
        {part: round(float(value), 1) for part, value in zip(parts, wanted, strict=True)},
        {part: int(value) for part, value in zip(parts, got, strict=True)},
    )
