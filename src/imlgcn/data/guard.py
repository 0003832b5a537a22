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


class MisreadError(InputError):
    """Labels that look misread; the command ends with exit code 1, as `imlgcn check` does."""

    exit_code = 1


def misread(
    dataset: Dataset, labels: Sequence[LabelCount] | None = None, *, force: bool = False
) -> Iterator[Problem]:
    """Yield what looks misread, as errors; as warnings where ``force`` says that it is right."""
    names = _names(dataset, count_labels(dataset) if labels is None else labels)
    questions = [what_names_are, no_label_words, metadata, holding_folders]
    if getattr(FORMATS.get(dataset.reader), "NAMES_ARE_PUBLISHED", False):
        questions.remove(no_label_words)
    found = [each for question in questions for each in question(names)]
    found += [*_never_absent(dataset), *_repeated_images(dataset)]
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
    per_image = (dataset.targets == 1).sum(axis=1)  # (N,)
    labelled = int((per_image > 0).sum())
    return Names(
        dataset.names,
        [label.present for label in labels],
        labelled,
        float((per_image == 1).sum() / labelled) if labelled else 0.0,
        columns=bool(re.search(r"labels are [\d,]+ columns?", dataset.reason)),
        folders=dataset.reader == "label_folders",
    )


def _never_absent(dataset: Dataset) -> Iterator[Problem]:
    """-1 without any 0: in CelebA's coding it means absent."""
    targets = dataset.targets
    if len(dataset) > 1 and (targets == -1).any() and not (targets == 0).any():
        yield from problem(
            "error",
            "never_absent",
            "[target is|targets are] unknown and none is absent, so that nothing can be learnt "
            "(-1 without any 0): if -1 means absent, minus_one=absent; if all of this is "
            "unknown, minus_one=unknown",
            [str(name) for name in np.array(dataset.names)[(targets == -1).any(axis=0)]],
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
