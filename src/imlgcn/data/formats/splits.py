"""Splits by the names of files and folders, where there is more than one of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from imlgcn.data.formats.base import SPLIT_SPELLINGS, split_of_name
from imlgcn.errors import InputError


def splits_if_several(files: Sequence[Path]) -> list[str | None]:
    """Return the split that the name of each file says, or else that of its folder.

    Several files may have the same split. Where all have, the name says nothing of a test (tools
    write ``train-00000-of-00001.parquet`` for data without splits), and None is returned for each.

    Raises:
        InputError: some names say a split and others do not.
    """
    splits = [split_of_name(file) or _of_folder(file) for file in files]
    if len(set(splits)) <= 1:
        return [None] * len(files)
    if None in splits:
        odd = files[splits.index(None)]
        raise InputError(
            f"{odd}: its name says neither train, val nor test, as those of other files do; rename "
            "it, or give one file"
        )
    return splits


def _of_folder(file: Path) -> str | None:
    return SPLIT_SPELLINGS.get(file.absolute().parent.name.lower())
