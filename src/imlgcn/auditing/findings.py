"""What an audit found: doubtful labels, ranked, with what speaks for them.

Shapes: N images, L labels, C channels.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from imlgcn.auditing.doubts import Doubts
from imlgcn.data.dataset import Dataset

Kind = Literal["wrong", "missing", "conflict"]
LEAST = 0.1  # a smaller probability of an error is not a finding
SHOWN = 3  # images that are named as evidence, on either side
SAME = 0.8  # that near duplicates should have the same labels; a guess: some are different flags


@dataclass(frozen=True)
class Finding:
    """A label of an image that the data may be wrong about.

    Attributes:
        image: its name, as the data has it.
        row: its index in the data.
        label: the name of the label.
        kind: ``wrong`` (present in the data, probably absent), ``missing`` (the reverse), or
            ``conflict`` (a near duplicate has it the other way; this one is more likely wrong).
        sure: the probability of an error, 0 to 1.
        probability: that the image shows the label, by images other than it and its group.
        with_label, without_label: the most similar images that have the label, and that do not.
        duplicate: for a conflict, the near duplicate.
    """

    image: str
    row: int
    label: str
    kind: Kind
    sure: float
    probability: float
    with_label: tuple[str, ...] = ()
    without_label: tuple[str, ...] = ()
    duplicate: str | None = None
    present: bool = False  # what the data says


@dataclass(frozen=True)
class LabelNoise:
    """How many errors a label probably has: sums of probabilities; and its conflicts."""

    label: str
    images: int  # that have it in the data
    wrong: float
    missing: float
    conflicts: int


@dataclass(frozen=True, eq=False)
class Audit:
    """The result of :func:`imlgcn.audit`.

    Attributes:
        dataset: the images that could be read and were judged.
        findings: the surest first.
        labels: estimates for each label, most errors first.
        duplicates: pairs of images that show the same.
        failed: image -> why it could not be read.
    """

    dataset: Dataset
    findings: tuple[Finding, ...]
    labels: tuple[LabelNoise, ...]
    duplicates: int
    failed: Mapping[str, str] = field(default_factory=dict)


def make_audit(
    dataset: Dataset,
    doubts: Doubts,
    duplicates: Sequence[tuple[int, int]],
    groups: NDArray[np.int64],
    vectors: NDArray[np.floating] | None = None,
    *,
    failed: Mapping[str, str] | None = None,
) -> Audit:
    """Return everything that is doubtful about ``dataset``, the surest first.

    Args:
        dataset: N images.
        doubts: about its targets.
        duplicates: pairs of rows that show the same image.
        groups: ``(N,)``; images of one number are not evidence for each other.
        vectors: ``(N, C)`` of length 1, whose products say how similar images are; None: no
            similar images are named.
        failed: images that could not be read.
    """
    entries = _plain(dataset, doubts) | _conflicts(dataset, doubts, duplicates)
    found = sorted(entries.values(), key=lambda each: (-each.sure, each.row, each.label))
    if vectors is not None:
        found = [_with_similar(each, dataset, groups, vectors) for each in found]
    return Audit(
        dataset, tuple(found), _noise(dataset, doubts, found), len(duplicates), failed or {}
    )


def _plain(dataset: Dataset, doubts: Doubts) -> dict[tuple[int, int], Finding]:
    rows, labels = np.nonzero(doubts.error >= LEAST)
    return {
        (row, label): _finding(dataset, doubts, row, label)
        for row, label in zip(rows.tolist(), labels.tolist(), strict=True)
    }


def _finding(dataset: Dataset, doubts: Doubts, row: int, label: int) -> Finding:
    present = bool(dataset.stored_targets[row][label] == 1)
    return Finding(
        image=dataset.records[row].name,
        row=row,
        label=dataset.names[label],
        kind="wrong" if present else "missing",
        sure=float(doubts.error[row, label]),
        probability=float(doubts.probability[row, label]),
        present=present,
    )


def _conflicts(
    dataset: Dataset, doubts: Doubts, duplicates: Iterable[tuple[int, int]]
) -> dict[tuple[int, int], Finding]:
    """Return the likelier error of every pair and label that the two images disagree on.

    If they should agree, one of the two is wrong: each with its share of both doubts.
    """
    found: dict[tuple[int, int], Finding] = {}
    targets, error = dataset.targets, doubts.error
    for pair in duplicates:
        one, other = targets[list(pair)]
        for label in np.flatnonzero((one >= 0) & (other >= 0) & (one != other)).tolist():
            row, twin = sorted(pair, key=lambda index: -error[index, label])
            total = error[row, label] + error[twin, label]
            share = SAME * float(error[row, label] / total) if total > 0 else SAME / 2
            plain = _finding(dataset, doubts, row, label)
            before = found.get((row, label), plain).sure  # by another pair, or without any
            found[row, label] = replace(
                plain,
                kind="conflict",
                sure=max(share, before),
                duplicate=dataset.records[twin].name,
            )
    return found


def _with_similar(
    finding: Finding,
    dataset: Dataset,
    groups: NDArray[np.int64],
    vectors: NDArray[np.floating],
) -> Finding:
    """Return the finding with the most similar images of other groups."""
    target = dataset.targets[:, dataset.names.index(finding.label)]
    others = groups != groups[finding.row]
    likeness = vectors @ vectors[finding.row]
    names = []
    for value in (1, 0):
        rows = np.flatnonzero(others & (target == value))
        nearest = rows[np.argsort(-likeness[rows], kind="stable")[:SHOWN]]
        names.append(tuple(dataset.records[row].name for row in nearest))
    return replace(finding, with_label=names[0], without_label=names[1])


def _noise(dataset: Dataset, doubts: Doubts, findings: Sequence[Finding]) -> tuple[LabelNoise, ...]:
    """Return the estimates for each label, those with most errors first."""
    present, absent = dataset.targets == 1, dataset.targets == 0
    wrong = np.where(present, doubts.error, 0).sum(axis=0).tolist()
    missing = np.where(absent, doubts.error, 0).sum(axis=0).tolist()
    conflicts = [finding.label for finding in findings if finding.kind == "conflict"]
    labels = [
        LabelNoise(name, int(images), wrong[index], missing[index], conflicts.count(name))
        for index, (name, images) in enumerate(zip(dataset.names, present.sum(axis=0), strict=True))
    ]
    return tuple(sorted(labels, key=lambda each: -(each.wrong + each.missing)))
