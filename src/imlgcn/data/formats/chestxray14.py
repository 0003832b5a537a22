"""ChestX-ray14 of the NIH: ``Data_Entry_2017.csv`` with ``Finding Labels``.

Wang et al. (CVPR 2017), https://arxiv.org/abs/1705.02315, from the box folder ChestXray-NIHCC:
112,120 images of 30,805 patients, 14 findings mined from reports. ``Image Index`` names the file,
in ``images/`` or in ``images_001`` to ``images_012``; ``Finding Labels`` are separated by ``|``,
and ``No Finding`` says that there are none, so it is not a label. Images of a ``Patient ID`` are a
group.
The official ``train_val_list.txt`` and ``test_list.txt`` (86,524 and 25,596 images, no patient in
both), beside the table, are the splits; a part of train is held out by patients as validation.

Variants: ``official`` (default) takes these lists where they are; ``no-lists`` makes own splits.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from imlgcn.data.formats.base import ReadOptions, Record, Source, choose, read_lines, unwrap
from imlgcn.data.formats.csv import Table, is_table, read_header, read_table
from imlgcn.data.formats.image_files import locate
from imlgcn.errors import InputError
from imlgcn.numbers import number

NAME = "chestxray14"
OPTIONS = ("images",)
VARIANTS = {"lists": ("official", "no-lists")}
NEEDED = ("Image Index", "Finding Labels", "Patient ID")
NO_FINDING = "No Finding"
LISTS = {"train": ("train_val_list*.txt",), "test": ("test_list*.txt",)}  # some copies: ..._NIH


def recognise(source: Path | str) -> str | None:
    """Recognise a table with the columns of ChestX-ray14, or the folder that holds it."""
    path = Path(source)
    table = _table(path)
    if table is None:
        return None
    return f"{'it' if path.is_file() else table.name} has ChestX-ray14's columns"


def read(source: Path | str, options: ReadOptions) -> Source:
    """Read the table, with the splits of the official lists."""
    path = Path(source)
    choices = choose(options.variant, NAME, VARIANTS)
    if (file := _table(path)) is None:
        raise InputError(f"{path}: is not a table with the columns {', '.join(NEEDED)}")
    table = read_table(file)
    images = [cell.replace("\\", "/") for cell in table.column(table.index("image index"))]
    patients = table.column(table.index("patient id"))
    findings = [_findings(cell) for cell in table.column(table.index("finding labels"))]
    names = sorted({finding for row in findings for finding in row})
    lists = _lists(file.absolute().parent) if choices["lists"] == "official" else {}
    splits = _splits(file, images, lists)
    kept = [row for row, split in enumerate(splits) if split is not None or not lists]
    others = [i for i, name in enumerate(table.header) if name and name not in NEEDED]
    files = locate([images[row] for row in kept], file, options.images)
    records = [
        Record(
            *(images[row], found, findings[row], (), splits[row], _fields(table, row, others)),
            group=patients[row] or None,
        )
        for row, found in zip(kept, files, strict=True)
    ]
    reason = f"{NAME}: {options.why}; {NO_FINDING!r} is not a label; groups are patients"
    if lists:
        reason += f"; splits are {' and '.join(entry.name for entry in lists.values())}"
        if left := len(images) - len(kept):
            reason += f"; left out: {number(left, 0)} in no list"
    return Source(names, records, NAME, reason)


def _table(path: Path) -> Path | None:
    """Return the table itself, or the only one of a folder that has the columns."""
    if path.is_dir():
        found = [file for file in sorted(unwrap(path).glob("*.csv")) if _fits(file)]
        return found[0] if len(found) == 1 else None
    return path if is_table(path) and _fits(path) else None


def _fits(file: Path) -> bool:
    return set(NEEDED) <= set(read_header(file))


def _findings(cell: str) -> tuple[str, ...]:
    """Return the findings of an image.

    >>> _findings("Cardiomegaly|Effusion"), _findings("No Finding")
    (('Cardiomegaly', 'Effusion'), ())
    """
    words = (word.strip() for word in cell.split("|"))
    return tuple(dict.fromkeys(word for word in words if word and word != NO_FINDING))


def _lists(folder: Path) -> dict[str, Path]:
    """Return the official lists by their split; both or none."""
    found = {
        split: file
        for split, patterns in LISTS.items()
        for pattern in patterns
        for file in sorted(folder.glob(pattern))[:1]
    }
    return found if len(found) == len(LISTS) else {}


def _splits(table: Path, images: Sequence[str], lists: dict[str, Path]) -> list[str | None]:
    """Return the split of each image; None for one in no list, or without lists."""
    of_image: dict[str, str] = {}
    for split, file in lists.items():
        for name in read_lines(file):
            if of_image.setdefault(name, split) != split:
                raise InputError(f"{file}: {name!r} is in the other list as well; remove it there")
    splits = [of_image.get(name) for name in images]
    if lists and not any(splits):
        raise InputError(
            f"{table}: none of its images is in {' or '.join(f.name for f in lists.values())}; "
            "move these lists away, or give variant=no-lists"
        )
    return splits


def _fields(table: Table, row: int, columns: Sequence[int]) -> dict[str, str]:
    return {table.header[i]: table.rows[row][i] for i in columns}
