"""Were the labels read as they were meant? Questions to ask before anything is trained.

Each question is a function that yields what looks misread and the option that mends it. A data set
that is read as other labels than meant trains and is evaluated without any other sign.

Letters used in shapes: N images, L labels.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from imlgcn.data.check_labels import LabelCount, count_labels
from imlgcn.data.dataset import Dataset
from imlgcn.data.formats import FORMATS
from imlgcn.data.guard_names import what_names_are
from imlgcn.data.guard_seen import Names
from imlgcn.data.guard_words import holding_folders, metadata, no_label_words
from imlgcn.data.problems import NUM_EXAMPLES, Problem, problem
from imlgcn.errors import InputError
from imlgcn.labels.targets import present_entries


class MisreadError(InputError):
    """Labels that look misread; the command ends with exit code 1, as `imlgcn check` does."""

    exit_code = 1


def misread(
    dataset: Dataset, labels: Sequence[LabelCount] | None = None, *, force: bool = False
) -> Iterator[Problem]:
    """Yield what looks misread, as errors; as warnings where ``force`` says that it is right."""
    labels = count_labels(dataset) if labels is None else labels
    names = _names(dataset, labels)
    questions = [what_names_are, no_label_words, metadata, holding_folders]
    if getattr(FORMATS.get(dataset.reader), "NAMES_ARE_PUBLISHED", False):
        questions.remove(no_label_words)
    found = [each for question in questions for each in question(names)]
    found += [*_never_absent(dataset, labels), *_repeated_images(dataset)]
    for each in found:
        yield replace(each, level="warning") if force and each.level == "error" else each


def refuse_misread(dataset: Dataset) -> None:
    """Stop if the labels look misread.

    Raises:
        MisreadError: with all that was seen, and what mends it.
    """
    if found := [each for each in misread(dataset) if each.level == "error"]:
        seen = "; ".join(f"{each.message} ({_some(each.examples)})" for each in found)
        raise MisreadError(f"the labels look misread: {seen}. If they are right, force=True")


def _names(dataset: Dataset, labels: Sequence[LabelCount]) -> Names:
    image, _ = present_entries(dataset.stored_targets)
    per_image = np.bincount(image, minlength=len(dataset))  # (N,)
    labelled = int((per_image > 0).sum())
    return Names(
        dataset.names,
        [label.present for label in labels],
        labelled,
        float((per_image == 1).sum() / labelled) if labelled else 0.0,
        columns=bool(re.search(r"labels are [\d,]+ columns?", dataset.reason)),
        folders=dataset.reader == "label_folders",
    )


def _never_absent(dataset: Dataset, labels: Sequence[LabelCount]) -> Iterator[Problem]:
    """-1 without any 0: in CelebA's coding it means absent."""
    unknown = [label.name for label in labels if label.unknown]
    absent = any(len(dataset) - label.present - label.unknown for label in labels)
    if len(dataset) > 1 and unknown and not absent:
        yield from problem(
            "error",
            "never_absent",
            "[target is|targets are] unknown and none is absent, so that nothing can be learnt "
            "(-1 without any 0): if -1 means absent, minus_one=absent; if all of this is "
            "unknown, minus_one=unknown",
            unknown,
        )


def _repeated_images(dataset: Dataset) -> Iterator[Problem]:
    """One row for each image and label: each says of the others' labels that they are absent."""
    first: dict[str, int] = {}
    differing = {
        record.name
        for row, record in enumerate(dataset.records)
        if (before := first.setdefault(str(record.path), row)) != row
        and (dataset.stored_targets[before] != dataset.stored_targets[row]).any()
    }
    if len(differing) > 1 and 5 * len(differing) >= len(first):
        yield from problem(
            "error",
            "repeated_images",
            "[image has|images have] several rows with different labels, each of which says that "
            "the others' labels are absent: give each image one row with all its labels",
            sorted(differing),
        )


def _some(examples: Sequence[str]) -> str:
    return ", ".join(examples[:NUM_EXAMPLES]) + (", ..." if len(examples) > NUM_EXAMPLES else "")
