"""Validate a data set before anything is trained on it.

An error harms training or invalidates its evaluation; a warning is worth a look.

Letters used in shapes: N images, L labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from imlgcn.data import check_label_table
from imlgcn.data.check_images import image_problems, not_listed
from imlgcn.data.check_labels import LabelCount, count_labels, label_problems
from imlgcn.data.guard import misread
from imlgcn.data.known_counts import compare
from imlgcn.data.problems import LEVELS, Level, Problem, problem
from imlgcn.data.scan import find_images, scan_images
from imlgcn.data.source import DataSource
from imlgcn.progress import SILENT, Progress

__all__ = ["LEVELS", "CheckReport", "LabelCount", "Level", "Problem", "check_dataset"]

MIN_POSITIVES = 10  # fewer are too few to calibrate a label and to fit its threshold


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
    images: bool | str | Path | Sequence[str | Path] = True,
    no_images: bool = False,
    force: bool = False,
    progress: Progress = SILENT,
    **how: Any,
) -> CheckReport:
    """Check every image and every label of a data set, or of what `load_dataset` reads as ``how``.

    Args:
        dataset: what :func:`imlgcn.data.dataset.load_dataset` returned.
        min_positives: labels with fewer training images are listed as a warning.
        label_table: the file of a label table, checked as well.
        images: the folders of the images, as for `load_dataset`; or False, as ``no_images``.
        no_images: image files need only exist; they are not read, so that nothing is said of
            damaged, blank and equal ones.
        force: labels that look misread are a warning, not an error.
        progress: receives the progress of reading.
    """
    if not isinstance(images, bool):
        how["images"] = images
    are_read = not no_images and images is not False
    dataset = DataSource.of(dataset, **how).load(progress)
    rules = [] if label_table is None else list(check_label_table.find(dataset, label_table))
    scans = (scan_images if are_read else find_images)(dataset.paths, progress=progress)
    published = compare(dataset)
    labels = count_labels(dataset)
    problems = [
        *problem(
            "warning",
            "published_counts",
            "[count differs|counts differ] from those published for "
            f"{'' if published is None else published.name}; if this should be the whole data "
            "set, files are missing or it was published in another variant (variant=)",
            () if published is None else published.different,
        ),
        *misread(dataset, labels, force=force),
        *image_problems(dataset, scans, progress),
        *not_listed(dataset),
        *label_problems(dataset, labels, min_positives),
        *(found for rule in rules for found in problem(*rule, shown=len(rule.cases))),
    ]
    return CheckReport(
        dataset.reader,
        dataset.reason,
        len(dataset),
        dataset.splits,
        labels,
        sorted(problems, key=lambda found: LEVELS.index(found.level)),
        "" if published is None or published.different else str(published),
    )
