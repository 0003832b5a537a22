"""NUS-WIDE as ASL's repository lists it: a CSV ``filepath,label,split_name``.

https://github.com/Alibaba-MIIL/ASL. ``label`` is a Python list, ``"['clouds', 'sky']"``;
``split_name`` is train or val. Val becomes the *test* split, since ASL and later work report on it;
the variant ``keep-val`` keeps it as validation.
"""

from __future__ import annotations

import re
from pathlib import Path

from imlgcn.data.formats.base import ReadOptions, Record, Source, choose
from imlgcn.data.formats.csv import is_table, read_header, read_splits, read_table
from imlgcn.data.formats.image_files import locate
from imlgcn.errors import InputError

NAME = "asl"
OPTIONS = ("images",)
VARIANTS = {"val": ("val-as-test", "keep-val")}
COLUMNS = ("filepath", "label", "split_name")
NUM_CONCEPTS = 81


def recognise(source: Path | str) -> str | None:
    """Recognise a CSV by its three columns."""
    path = Path(source)
    if not is_table(path) or not set(COLUMNS) <= set(read_header(path)):
        return None
    return f"it has the columns {', '.join(COLUMNS)}"


def read(source: Path | str, options: ReadOptions) -> Source:
    """Read the file."""
    path = Path(source)
    keep_val = choose(options.variant, NAME, VARIANTS)["val"] == "keep-val"
    table = read_table(path)
    image, label, split = (table.index(name) for name in COLUMNS)
    images = [cell.replace("\\", "/") for cell in table.column(image)]
    labels = [_parse(cell, table.at(row)) for row, cell in enumerate(table.column(label))]
    splits = read_splits(table, split)
    if not keep_val:
        splits = ["test" if name == "val" else name for name in splits]
    beside = path.absolute().parent
    usual = [beside, beside / "images", beside / "Flickr", beside.parent]
    files = locate(images, path, options.images, usual)
    records = [
        Record(name, file, tuple(present), split=part)
        for name, file, present, part in zip(images, files, labels, splits, strict=True)
    ]
    names = sorted({name for present in labels for name in present})
    reason = f"{NAME}: {options.why}"
    if "test" in splits and not keep_val:
        reason += "; its val is the test split (variant=keep-val: validation)"
    published = "NUS-WIDE, ASL's list" if len(names) == NUM_CONCEPTS else ""
    return Source(names, records, NAME, reason, published)


def _parse(cell: str, where: str) -> list[str]:
    """Return the labels of a Python list of strings.

    >>> _parse("['clouds', 'sky']", "")
    ['clouds', 'sky']
    """
    quoted = r"""'[^']*'|"[^"]*\""""
    if not re.fullmatch(rf"\[\s*(({quoted})\s*(,\s*({quoted})\s*)*)?\]", cell):
        raise InputError(f"{where}expected labels as ['clouds', 'sky']; got {cell!r}")
    return list(dict.fromkeys(part[1:-1] for part in re.findall(quoted, cell)))
