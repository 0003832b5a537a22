r"""Lists of an image and numbers in each line: a 1 or 0 for each label, or the labels' indices.

- ``images/1.jpg 0 1 1``: HashNet and other papers on hashing (https://github.com/thuml/HashNet).
- ``images/1.jpg<tab>0,1,1`` with ``label.txt`` or ``label_list.txt``: PaddleX and PaddleClas
  (https://paddlepaddle.github.io/PaddleX/latest/en/module_usage/tutorials/cv_modules/image_multilabel_classification.html).
- ``images\1.jpg 1 2`` with ``labels.txt``: PaddleLabel, indices from 0.
- ``0<tab>0<tab>1<tab>1<tab>images/1.jpg``, a number, the labels and the image: ``.lst`` of MXNet
  (https://mxnet.apache.org/versions/1.9.1/api/faq/recordio) and SageMaker
  (https://docs.aws.amazon.com/sagemaker/latest/dg/image-classification.html).

Names are in a file beside (:data:`~imlgcn.data.formats.label_rows.NAME_FILES`) or given by
``label_names``. In a folder, lists called as splits (``train_list.txt``, ``test.txt``) are read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from imlgcn.data.formats import paddle_label
from imlgcn.data.formats.base import (
    ReadOptions,
    Record,
    Source,
    read_text,
    split_of_name,
    splits_of_names,
    unwrap,
)
from imlgcn.data.formats.image_files import locate
from imlgcn.data.formats.label_rows import read_numbers
from imlgcn.data.images import IMAGE_SUFFIXES
from imlgcn.errors import InputError
from imlgcn.numbers import first_of

NAME = "label_vectors"
OPTIONS = ("images", "label_names", "minus_one", "present_above")
SUFFIXES = (".txt", ".list", ".lst")
NO_LISTS = ("list_eval_partition.txt", "identity_CelebA.txt")  # of CelebA: splits, persons
NUM_LINES = 20  # read to recognise a list
NUMBER = r"-?\d+(?:\.\d*)?"
ENDING = "|".join(re.escape(suffix) for suffix in sorted(IMAGE_SUFFIXES, key=len, reverse=True))
FORMS = tuple(
    re.compile(form, re.IGNORECASE)
    for form in (
        rf"[\"']?(?P<image>.*?(?:{ENDING}))[\"']?[\s,;]+"
        rf"\[?(?P<values>{NUMBER}(?:[\s,;]+{NUMBER})*)\]?",
        rf"\d+\t(?P<values>{NUMBER}(?:\t{NUMBER})*)\t(?P<image>.*(?:{ENDING}))",
    )
)

Row = tuple[str, list[str], str]  # image, numbers, and the start of a message about the line


def recognise(source: Path | str) -> str | None:
    """Recognise a list of images and numbers by its first lines, or a folder of such lists."""
    path = Path(source)
    if paddle_label.recognise(path):  # whose lists may hold names as well
        return None
    if path.is_dir():
        files = _lists(unwrap(path))
        return f"it holds {' and '.join(file.name for file in files)}" if files else None
    return "its lines are an image and numbers" if _is_list(path) else None


def read(source: Path | str, options: ReadOptions) -> Source:
    """Read one list, without splits, or the lists of a folder, each a split."""
    path = Path(source)
    every = _lists(unwrap(path)) if path.is_dir() else [path]
    files = [file for file in every if split_of_name(file)] or every
    if not files:
        raise InputError(f"{path}: holds no list with lines of an image and numbers")
    splits = splits_of_names(files)
    rows = [(row, split) for file, split in zip(files, splits, strict=True) for row in _rows(file)]
    names, labels, how = read_numbers(
        [values for (_, values, _), _ in rows], files[0], options, lambda row: rows[row][0][2]
    )
    images = [image for (image, _, _), _ in rows]
    records = [
        Record(image, file, tuple(present), tuple(unknown), split)
        for image, file, (present, unknown), (_, split) in zip(
            images, locate(images, files[0], options.images), labels, rows, strict=True
        )
    ]
    left_out = [file.name for file in every if file not in files]
    reason = f"{NAME}: {options.why}; {how}"
    if left_out:
        reason += f"; left out: {first_of(left_out)}, which says not whether it is train or test"
    return Source(names, records, NAME, reason)


def _lists(folder: Path) -> list[Path]:
    files = sorted(folder.iterdir())
    return [file for file in files if file.name not in NO_LISTS and _is_list(file)]


def _is_list(path: Path) -> bool:
    if path.suffix.lower() not in SUFFIXES or not path.is_file():
        return False
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        lines = [line for line in islice(file, NUM_LINES) if line.strip()]
    return bool(lines) and any(
        all(form.fullmatch(line.strip()) for line in lines) for form in FORMS
    )


def _rows(path: Path) -> Sequence[Row]:
    rows = []
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if not line.strip():
            continue
        match = next((m for form in FORMS if (m := form.fullmatch(line.strip()))), None)
        if match is None:
            raise InputError(
                f"{path}, line {number}: expected an image and numbers; got {line.strip()[:80]!r}"
            )
        values = re.split(r"[\s,;]+", match["values"])
        image = match["image"].replace("\\", "/").removeprefix("./")
        rows.append((image, values, f"{path}, line {number}: "))
    return rows
