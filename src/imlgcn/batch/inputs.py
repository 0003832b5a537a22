"""What the user gives becomes blocks: folders, patterns, lists, Parquet tables, tars, addresses."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from glob import has_magic, iglob
from pathlib import Path
from typing import Any, NamedTuple

from imlgcn.batch.blocks import Block
from imlgcn.batch.packs import is_table, is_tar, table_groups
from imlgcn.batch.remote import file_system, is_address
from imlgcn.data.images import IMAGE_SUFFIXES
from imlgcn.errors import InputError
from imlgcn.prediction.paths import ExpandedPaths, expand, expand_paths

MOST, LEAST = 1_000, 16  # images of a block: seconds of work, lost when its worker dies
SHARES = 8  # blocks for each worker, so that none waits long for the last


class Inputs(NamedTuple):
    """Image files by name, packs by name, and how many files were of formats that are not read."""

    images: list[str]
    packs: list[str]
    skipped: Counter[str]


def find_inputs(given: Sequence[str]) -> Inputs:
    """Return what paths and addresses stand for, each file once.

    A path stands for what it does in :func:`imlgcn.prediction.expand_paths`; a ``.parquet`` for the
    images of its rows, a tar for those in it; folders and patterns for these as well. An address
    is a file by its suffix, else a folder.

    Raises:
        InputError: something does not exist, or there is nothing to tag.
    """
    found = ExpandedPaths()
    images: dict[str, None] = {}
    packs: dict[str, None] = {}
    others: list[str] = []
    for path in given:
        if is_address(path):
            names = _at_address(path)
            packs.update(dict.fromkeys(name for name in names if _is_pack(name)))
            images.update(dict.fromkeys(name for name in names if not _is_pack(name)))
        elif held := _local_packs(path):
            packs.update(dict.fromkeys(held))
            if os.path.isdir(path):
                images.update(dict.fromkeys(map(_tidy, expand(path, found.skipped))))
        else:
            others.append(path)
    if others or not (images or packs):
        local = expand_paths(others)
        images.update(dict.fromkeys(local))
        found.skipped.update(local.skipped)
    return Inputs(list(images), list(packs), found.skipped)


def cut(inputs: Inputs, folder: str, *, workers: int, most: int | None = None) -> Iterator[Block]:
    """Yield the blocks: of image files at most ``most``, by default as many as suit the workers.

    Row groups of a table stay whole, and so does a tar.

    Raises:
        InputError: a table cannot be read or has no images.
    """
    images, number = inputs.images, 0
    size = most or min(max(len(images) // (SHARES * workers), LEAST), MOST)
    for start in range(0, len(images), size):
        names = tuple(images[start : start + size])
        yield Block(number, names=names, count=len(names))
        number += 1
    for pack in inputs.packs:
        if is_tar(pack):
            yield Block(number, pack=pack)
            number += 1
            continue
        for block in _of_table(pack, folder, most or MOST):
            yield Block(number, **block)
            number += 1


def _of_table(name: str, folder: str, most: int) -> Iterator[dict[str, Any]]:
    waiting: list[int] = []
    first = count = 0
    for index, rows in enumerate(table_groups(name, folder)):
        if waiting and count + rows > most:
            yield {"pack": name, "groups": tuple(waiting), "first": first, "count": count}
            first, waiting, count = first + count, [], 0
        waiting.append(index)
        count += rows
    if waiting:
        yield {"pack": name, "groups": tuple(waiting), "first": first, "count": count}


def _is_pack(name: str) -> bool:
    return is_tar(name) or is_table(name)


def _local_packs(path: str) -> list[str]:
    """Return the packs that a path stands for: itself, those in a folder and below, or matches."""
    if os.path.isdir(path):
        return [
            os.path.join(place, name)
            for place, folders, names in _walk(path)
            for name in sorted(names)
            if _is_pack(name) and not name.startswith(".")
        ]
    if has_magic(path) and not os.path.exists(path):
        return sorted(name for name in iglob(path, recursive=True) if _is_pack(name))
    if not _is_pack(path):
        return []
    if not os.path.isfile(path):
        raise InputError(f"no such file or folder: {os.path.abspath(path)}")
    return [str(Path(path))]


def _walk(path: str) -> Iterator[tuple[str, list[str], list[str]]]:
    for place, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield place, folders, names


def _tidy(name: str) -> str:
    return str(Path(name))


def _at_address(address: str) -> list[str]:
    """Return the images and packs at an address: itself, matches of a pattern, or those below.

    Raises:
        InputError: it cannot be opened, or there is nothing.
    """
    system = file_system(address)
    suffix = os.path.splitext(address.partition("?")[0])[1].lower()
    if has_magic(address.partition("?")[0]):
        found = system.glob(address)
    elif _is_pack(address) or suffix in IMAGE_SUFFIXES:
        return [address]
    else:
        try:
            found = system.find(address)
        except Exception as error:  # each file system has errors of its own
            raise InputError(f"{address}: cannot be listed ({error})") from None
    names = [system.unstrip_protocol(name) for name in sorted(found)]
    kept = [n for n in names if _is_pack(n) or os.path.splitext(n)[1].lower() in IMAGE_SUFFIXES]
    if not kept:
        raise InputError(
            f"no images at {address}: give the address of an image, a .parquet, a .tar, or of a "
            "folder that can be listed"
        )
    return kept
