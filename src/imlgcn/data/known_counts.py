"""Published sizes of well-known data sets, to compare with what was read.

A reader that recognises such a data set names it in ``Source.published``. docs/data-sets.md has the
sources of the numbers; numbers that could not be verified are left out.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from imlgcn.data.dataset import Dataset
from imlgcn.numbers import number


@dataclass(frozen=True)
class Counts:
    """Numbers of images, and of present labels over all of them, by split.

    ``train+val`` is the sum over both, however the images are divided between them.
    """

    images: dict[str, int]
    present: dict[str, int] = field(default_factory=dict)


COUNTS = {
    "COCO 2014, all images": Counts({"train": 82_783, "val+test": 40_504}, {"train": 241_035}),
    "COCO 2014, labelled images": Counts({"train": 82_081, "val+test": 40_137}, {"train": 241_035}),
    "COCO 2017, all images": Counts({"train": 118_287, "val+test": 5_000}),
    "COCO 2017, labelled images": Counts({"train": 117_266}),
    "VOC2007": Counts({"train+val": 5_011, "test": 4_952}, {"train+val": 7_306}),
    "VOC2007, difficult present": Counts({"train+val": 5_011, "test": 4_952}, {"train+val": 7_913}),
    "VOC2012": Counts({"train+val": 11_540}),
    "NUS-WIDE, all images": Counts({"train": 161_789, "test": 107_859}),
    "NUS-WIDE, labelled images": Counts({"train": 125_449, "test": 83_898}),
    "NUS-WIDE, ASL's list": Counts({"val+test": 50_720}),
    "CelebA": Counts({"train": 162_770, "val": 19_867, "test": 19_962}),
    "VG-500": Counts({"train": 82_904, "test": 10_000}),
}


@dataclass(frozen=True)
class Comparison:
    """A data set against its published counts: those that agree, and those that differ."""

    name: str
    same: tuple[str, ...]
    different: tuple[str, ...]

    def __str__(self) -> str:
        """Return one line: ``VG-500: 82,904 train and 10,000 test images, as published``."""
        if self.different:
            return f"{self.name}: {'; '.join(self.different)}"
        return f"{self.name}: {', '.join(self.same)}, as published"


def compare(dataset: Dataset) -> Comparison | None:
    """Compare a data set with its published counts; None if there are none."""
    counts = COUNTS.get(dataset.published)
    if counts is None:
        return None
    present = {name: int((dataset.split(name).targets == 1).sum()) for name in dataset.splits}
    same, different = [], []
    for what, found, expected in (
        ("images", dataset.splits, counts.images),
        ("labels present", present, counts.present),
    ):
        for splits, published in expected.items():
            parts = [name for name in splits.split("+") if name in found]
            if not parts:
                continue  # a split that the data lacks, such as test
            total = sum(found[name] for name in parts)
            where = " and ".join(parts)
            if total == published:
                same.append(f"{number(total, 0)} {what} in {where}")
            else:
                different.append(
                    f"{number(total, 0)} {what} in {where} instead of the published "
                    f"{number(published, 0)}"
                )
    if not same and not different:
        return None
    return Comparison(dataset.published, tuple(same), tuple(different))
