"""CheXpert: chest radiographs with labels that are present, absent, uncertain or not mentioned.

Irvin et al. (AAAI 2019), https://arxiv.org/abs/1901.07031. ``train.csv`` and ``valid.csv`` have the
columns ``Path`` (from above the folder: ``CheXpert-v1.0-small/train/patient00001/study1/...``),
``Sex``, ``Age``, ``Frontal/Lateral``, ``AP/PA``, and one for each observation: 1.0 present, 0.0
absent, -1.0 uncertain, blank not mentioned in the report. The patient is in the path; images of a
patient are a group. ``No Finding`` is one of the 14 published observations and is kept as a label.

Variants:
    - uncertain, by the paper's names: ``u-ignore`` (default: unknown, left out of the loss),
      ``u-zeros`` (absent) or ``u-ones`` (present).
    - not mentioned: ``blank-absent`` (default, as the authors did:
      https://github.com/stanfordmlgroup/chexpert-labeler/issues/9) or ``blank-unknown``.
    - in a folder with ``train.csv`` and ``valid.csv``, the 234 images of valid that radiologists
      labelled are the *test* split (``valid-as-test``); ``keep-val`` keeps them as validation. With
      a ``test.csv`` valid is validation.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from imlgcn.data.formats.base import ReadOptions, Record, Source, choose, join_files, unwrap
from imlgcn.data.formats.csv import Table, is_table, read_header, read_table
from imlgcn.data.formats.image_files import locate
from imlgcn.errors import InputError

NAME = "chexpert"
OPTIONS = ("images", "fields")
NAMES_ARE_PUBLISHED = True  # "No Finding" is an observation of its own
VARIANTS = {
    "uncertain": ("u-ignore", "u-zeros", "u-ones"),
    "blank": ("blank-absent", "blank-unknown"),
    "val": ("valid-as-test", "keep-val"),
}
FILES = {"train.csv": "train", "valid.csv": "val", "test.csv": "test"}
NEEDED = ("Path", "No Finding", "Support Devices")
NO_LABELS = ("Path", "Sex", "Age", "Frontal/Lateral", "AP/PA")
IMAGE = re.compile(r"(?:.*/)?((?:train|valid|test)/(patient\d+)/.+)")
PRESENT, ABSENT, UNKNOWN = "present", "absent", "unknown"


def recognise(source: Path | str) -> str | None:
    """Recognise a table with the columns of CheXpert, or a folder of them."""
    path = Path(source)
    files = _files(path)
    if not files or not set(NEEDED) <= set(read_header(files[0])):
        return None
    return f"{'it' if path.is_file() else files[0].name} has CheXpert's columns"


def read(source: Path | str, options: ReadOptions) -> Source:
    """Read one table, without splits, or those of a folder, each a split."""
    path = Path(source)
    choices = choose(options.variant, NAME, VARIANTS)
    files = _files(path)
    if not files:
        raise InputError(f"{path}: holds no {', '.join(FILES)}")
    split_of: dict[Path, str | None] = {file: FILES.get(file.name) for file in files}
    as_test = choices["val"] == "valid-as-test" and "test" not in split_of.values()
    if len(files) == 1:
        split_of = {files[0]: None}
    elif as_test:
        split_of = {file: "test" if s == "val" else s for file, s in split_of.items()}
    meaning = _meaning(choices)
    names, records = join_files(
        files, lambda file: _read_file(file, split_of[file], meaning, options), "labels"
    )
    reason = f"{NAME}: {options.why}; uncertain is {meaning['-1']}, blank is {meaning['']}"
    reason += f" (variant={choices['uncertain']},{choices['blank']}); groups are patients"
    if len(files) > 1 and as_test:
        reason += "; valid.csv is the test split (variant=keep-val: validation)"
    return Source(names, records, NAME, reason)


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path] if is_table(path) else []
    folder = unwrap(path) if path.is_dir() else path
    return [folder / name for name in FILES if (folder / name).is_file()]


def _meaning(choices: dict[str, str]) -> dict[str, str]:
    """Return what each cell means, without decimals."""
    uncertain = {"u-ignore": UNKNOWN, "u-zeros": ABSENT, "u-ones": PRESENT}
    blank = UNKNOWN if choices["blank"] == "blank-unknown" else ABSENT
    return {"1": PRESENT, "0": ABSENT, "-1": uncertain[choices["uncertain"]], "": blank}


def _read_file(
    path: Path, split: str | None, meaning: dict[str, str], options: ReadOptions
) -> tuple[list[str], list[Record]]:
    table = read_table(path)
    left_out = {*NO_LABELS, *options.fields}
    columns = [i for i, name in enumerate(table.header) if name and name not in left_out]
    others = [i for i, name in enumerate(table.header) if name in left_out and name != "Path"]
    images, patients = _images(table, options)
    records = []
    for row, (name, file) in enumerate(images):
        judged = _judge(table, row, columns, meaning)
        present, unknown = (
            tuple(label for label, value in judged.items() if value == wanted)
            for wanted in (PRESENT, UNKNOWN)
        )
        fields = {table.header[i]: table.rows[row][i] for i in others}
        records.append(Record(name, file, present, unknown, split, fields, group=patients[row]))
    return [table.header[i] for i in columns], records


def _images(table: Table, options: ReadOptions) -> tuple[list[tuple[str, Path]], list[str]]:
    """Return name and file of each row, and its patient."""
    paths = [cell.replace("\\", "/") for cell in table.column(table.index("path"))]
    found = [IMAGE.fullmatch(path) for path in paths]
    for row, match in enumerate(found):
        if match is None:
            raise InputError(
                f"{table.at(row)}expected a path such as train/patient00001/study1/"
                f"view1_frontal.jpg; got {paths[row]!r}"
            )
    names = [match[1] for match in found if match]
    patients = [match[2] for match in found if match]
    return list(zip(names, locate(names, table.path, options.images), strict=True)), patients


def _judge(
    table: Table, row: int, columns: Sequence[int], meaning: dict[str, str]
) -> dict[str, str]:
    judged = {}
    for index in columns:
        cell = table.rows[row][index].removesuffix(".0")
        if cell not in meaning:
            raise InputError(
                f"{table.at(row)}{cell!r} in column {table.header[index]!r} is not 1.0, 0.0, -1.0 "
                f"or blank; a column that is not a label is left out by fields="
            )
        judged[table.header[index]] = meaning[cell]
    return judged
