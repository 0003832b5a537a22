"""File formats: one module each, tried in this order. A new one is a module and a line here."""

from __future__ import annotations

import difflib
from pathlib import Path

from imlgcn.config import InputError, unknown_name
from imlgcn.data.formats import archive, coco, csv, folder, openclipart
from imlgcn.data.formats.base import Format, ReadOptions, Record, Source, split_name

FORMATS: dict[str, Format] = {
    "openclipart": openclipart,
    "csv": csv,
    "coco": coco,
    "zip": archive,
    "folder": folder,
}

__all__ = ["FORMATS", "Format", "ReadOptions", "Record", "Source", "find_format", "split_name"]


def find_format(source: Path | str, reader: str | None = None) -> Format:
    """Return the reader called ``reader``, or the first that recognises ``source``."""
    if reader is not None and reader not in FORMATS:
        raise unknown_name("reader", reader, FORMATS)
    path = Path(source)
    embedded = openclipart.recognise(source) is not None
    if not embedded and not path.exists():
        raise InputError(_no_such_path(path))
    if reader is not None:
        return FORMATS[reader]
    for candidate in FORMATS.values():
        if candidate.recognise(source) is not None:
            return candidate
    raise InputError(
        f"{path}: no reader knows this file; give a .csv, a COCO instances .json, a folder, a .zip "
        "or openclipart"
    )


def _no_such_path(path: Path) -> str:
    beside = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    near = difflib.get_close_matches(path.name, [*beside, openclipart.NAME], n=1)
    hint = ""
    if near:
        hint = near[0] if near[0] == openclipart.NAME else str(path.parent / near[0])
        hint = f"did you mean {hint}? "
    return (
        f"{path}: no such file or folder; {hint}Data is a .csv, a COCO instances .json, a folder "
        "of images with a .txt of tags beside each, a .zip of any of these, or openclipart"
    )
