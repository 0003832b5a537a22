"""File formats, one module each, tried in this order. To add one, add a module and a line here."""

from __future__ import annotations

import difflib
from dataclasses import replace
from pathlib import Path

from imlgcn.data.formats import (
    archive,
    asl,
    attribute_list,
    booru,
    chestxray14,
    chexpert,
    coco,
    columns,
    csv,
    cvat,
    datumaro,
    fiftyone,
    folder,
    ground_truth,
    hugging_face,
    intel,
    json_list,
    json_splits,
    keywords,
    label_folders,
    label_lists,
    label_studio,
    label_studio_min,
    label_vectors,
    labelme,
    mmpretrain,
    nus_wide,
    openclipart,
    openimages,
    packs,
    paddle_label,
    parallel_lists,
    parquet,
    pascal_xml,
    salgl,
    split_tables,
    takeout,
    vg500,
    via,
    voc,
    webdataset,
    yolo,
)
from imlgcn.data.formats.base import DATA, Format, ReadOptions, Record, Source, split_name
from imlgcn.data.formats.ignored_options import read_by
from imlgcn.data.formats.text_files import windows_text
from imlgcn.errors import InputError, unknown_name
from imlgcn.numbers import first_of

FORMATS: dict[str, Format] = {
    "openclipart": openclipart,
    "pack": packs,
    "hugging_face": hugging_face,
    # tables, distinguished by their columns; csv takes the rest
    "asl": asl,
    "label_studio_min": label_studio_min,  # a CSV, or JSON
    "chestxray14": chestxray14,
    "chexpert": chexpert,
    "openimages": openimages,
    "columns": columns,
    "csv": csv,
    # layouts of well-known data sets and tools; folder takes the rest
    "fiftyone": fiftyone,
    "datumaro": datumaro,
    "cvat": cvat,
    "coco": coco,
    "voc": voc,
    "nus_wide": nus_wide,
    "vg500": vg500,
    "intel": intel,
    "label_studio": label_studio,
    "mmpretrain": mmpretrain,
    "ground_truth": ground_truth,
    "via": via,
    "paddle_label": paddle_label,
    "yolo": yolo,
    "attribute_list": attribute_list,
    "label_lists": label_lists,
    "label_vectors": label_vectors,
    "parallel_lists": parallel_lists,
    # a file beside every image
    "labelme": labelme,
    "takeout": takeout,
    "booru": booru,  # posts in a file, or a file beside every image
    "pascal_xml": pascal_xml,
    "salgl": salgl,
    "tables": split_tables,
    "json_splits": json_splits,
    "json_list": json_list,  # takes the rest of JSON
    "parquet": parquet,
    "webdataset": webdataset,
    "zip": archive,
    "folder": folder,
    # read by folder where it holds no tags and no lists
    "keywords": keywords,
    "label_folders": label_folders,
}

__all__ = [
    "DATA",
    "FORMATS",
    "Format",
    "ReadOptions",
    "Record",
    "Source",
    "find_format",
    "read_source",
    "split_name",
]


def find_format(source: Path | str, reader: str | None = None) -> tuple[Format, str]:
    """Return the reader called ``reader``, or the first that recognises ``source``, and why it.

    Raises:
        InputError: no such reader, no such path, or no reader recognises it.
    """
    if reader is not None and reader not in FORMATS:
        raise unknown_name("reader", reader, FORMATS)
    path = Path(source)
    embedded = openclipart.recognise(source)
    if not embedded and not path.exists():
        raise InputError(_no_such_path(path))
    if reader is not None:
        return FORMATS[reader], FORMATS[reader].recognise(source) or "asked for"
    table = path / "labels.csv"
    if not embedded and table.is_file() and split_tables.lists_images(table):
        return folder, "it holds labels.csv"  # what somebody wrote overrides what the layout says
    for candidate in FORMATS.values():
        if why := candidate.recognise(source):
            return candidate, why
    raise InputError(
        f"{path}: no reader knows this file; give {DATA}, or name its format (reader=)"
    )


def read_source(source: Path | str, options: ReadOptions, reader: str | None = None) -> Source:
    """Read ``source`` by the reader called ``reader``, or by the first that recognises it.

    Raises:
        InputError: as for :func:`find_format`, an option does not apply, or what is read is wrong.
    """
    found, why = find_format(source, reader)
    with windows_text() as files:
        read = read_by(found, source, options, why)
    if not files:
        return read
    note = f"read as Windows text (cp1252), as not UTF-8: {first_of(files)}"
    return replace(read, reason=f"{read.reason}; {note}")


def _no_such_path(path: Path) -> str:
    siblings = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    near = difflib.get_close_matches(path.name, [*siblings, openclipart.NAME], n=1)
    hint = ""
    if near:
        hint = near[0] if near[0] == openclipart.NAME else str(path.parent / near[0])
        hint = f"did you mean {hint}? "
    return f"{path}: no such file or folder; {hint}give {DATA}"
