"""What people call the columns of a table, and the search for one of them.

Names are compared without case, spaces and signs: ``File Name`` is ``file_name``.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Sequence
from pathlib import Path

from imlgcn.data.images import IMAGE_SUFFIXES
from imlgcn.errors import InputError

# the earlier ones count first
IMAGE_COLUMNS = (
    *("image", "filename", "imagefilename", "filepath", "imagepath", "imagefile", "file", "path"),
    *("fname", "filenames", "imagename", "imgname", "imgpath", "imagefilepath", "relativepath"),
    *("img", "photo", "picture", "images", "imageindex", "imageid", "imgid", "imageurl", "imguri"),
    *("imageuri", "imagelocation", "uri", "url", "fileid", "id", "name", "key"),
)
LABEL_COLUMNS = (
    *("labels", "tags", "label", "tag", "classes", "class", "categories", "category"),
    *("classnames", "classname", "labelnames", "labelname", "findinglabels", "findings"),
    *("attributeids", "attributes", "keywords", "keyword", "genres", "genre", "targets", "target"),
    *("topics", "topic", "species", "objects", "annotations", "subjects", "hashtags", "concepts"),
    *("subject", "hierarchicalsubject", "xpkeywords", "classid", "classids", "labelid", "labelids"),
)
SPLIT_COLUMNS = (
    *("split", "splitname", "datasplit", "set", "setname", "subset", "partition", "mluse"),
    *("mlsplit", "usage", "phase", "dataset"),
)
# columns of 1 and 0 that say whether the image is in that split; others are in train
SPLIT_FLAGS = {"isvalid": "val", "isval": "val", "isvalidation": "val", "istest": "test"}
GROUP_COLUMN = "group"
# columns of 1 and 0 that describe an image or a person and are hardly ever meant as labels
PROPERTIES = {
    *("sex", "gender", "patientsex", "patientgender", "fold", "folds", "index", "idx", "unnamed0"),
    *("kfold", "kfolds", "foldid", "foldindex", "cvfold"),
    *("favorite", "favourite", "edited", "starred", "pick", "picked", "flag", "flagged"),  # photos
    *("rating", "stars", "summe", "sum", "total", "gesamt", "somme"),
    *("istrain", "istraining", "iscrowd", "reviewed", "verified", "checked", *SPLIT_FLAGS),
}
# columns of numbers that are hardly ever meant as counts or shares of a label
MEASURES = PROPERTIES | {
    *(
        "age",
        "patientage",
        "patientid",
        "id",
        "width",
        "height",
        "size",
        "area",
        "channels",
        "year",
    ),
    *("originalimagewidth", "originalimageheight", "resolution", "row", "timestamp", "followup"),
    *("w", "h", "xmin", "ymin", "xmax", "ymax", "x", "y", "level0", "filesize", "lat", "lon"),
    *("latitude", "longitude"),
}
NUMBERED = re.compile(r"(tag|label|class|category|keyword|genre|object)s?\d+")


def normal(name: str) -> str:
    """Return a column's name without case, spaces and signs.

    >>> normal("Finding Labels"), normal("file_name")
    ('findinglabels', 'filename')
    """
    return re.sub(r"[\W_]+", "", name.lower())


def is_reserved(name: str) -> bool:
    """Return whether a column of 1 and 0 with this name is not read as a label."""
    own = name.lower() in ("image", "labels", "split", GROUP_COLUMN)
    return own or normal(name) in {*PROPERTIES, "partition"}


def number_and_name(header: Sequence[str]) -> tuple[int, int] | None:
    """Return the columns of a table that only gives numbers their names; None for another table.

    >>> number_and_name(["attribute_id", "attribute_name"]), number_and_name(["image_id", "name"])
    ((0, 1), None)
    """
    names = [normal(name) for name in header]
    numbers = [i for i, name in enumerate(names) if name.endswith(("id", "index", "number"))]
    words = [i for i, name in enumerate(names) if name.endswith(("name", "label", "class"))]
    images = {*IMAGE_COLUMNS} - {"id", "name"}
    if len(numbers) != 1 or len(words) != 1 or len(names) > 4 or images & set(names):
        return None
    return numbers[0], words[0]


def is_image_name(cell: str) -> bool:
    """Return whether a cell is the name of an image file, by its suffix."""
    return os.path.splitext(cell.split("?")[0])[1].lower() in IMAGE_SUFFIXES


def known_columns(header: Sequence[str], known: Sequence[str]) -> list[int]:
    """Return the columns with one of the ``known`` names, in the order of these."""
    names = [normal(name) for name in header]
    return [index for name in known for index, other in enumerate(names) if other == name]


def named_column(path: Path, header: Sequence[str], name: str, argument: str) -> int:
    """Return the column that the user named; its case may differ.

    Raises:
        InputError: there is no such column; with those there are, and the nearest.
    """
    for candidates in (list(header), [column.lower() for column in header]):
        for wanted in (name, name.lower()):
            if wanted in candidates:
                return candidates.index(wanted)
    raise InputError(f"{path}: has no column {name!r} ({argument}=); {nearest(name, header)}")


def nearest(name: str, header: Sequence[str]) -> str:
    """Return the column that is nearest to ``name``, and all, for a message."""
    near = difflib.get_close_matches(name, header, n=1)
    hint = f"did you mean {near[0]!r}? Its" if near else "its"
    return f"{hint} columns are {', '.join(header)}"
