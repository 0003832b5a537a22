"""Inputs become blocks, each image in one of them."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from imlgcn.batch.blocks import Block
from imlgcn.batch.inputs import Inputs
from imlgcn.batch.names import Names
from imlgcn.batch.packs import is_table, is_tar
from imlgcn.batch.remote import is_address
from imlgcn.batch.tables import named_files, table_groups
from imlgcn.errors import InputError

MOST, LEAST = 1_000, 16  # images of a block: seconds of work, lost when its worker dies
SHARES = 8  # blocks for each worker, so that none waits long for the last


def cut(inputs: Inputs, folder: str, *, workers: int, most: int | None = None) -> Iterator[Block]:
    """Yield the blocks: of image files at most ``most``, by default as many as suit the workers.

    Row groups of a table stay whole, and so does a tar; rows that name a file which is in another
    block, or in a row before, are not in it. A table that cannot be read is a block as well: the
    worker says why in a row.

    Raises:
        InputError: a table has no images, or fsspec cannot open its address.
    """
    images, number = inputs.images, 0
    size = most or min(max(len(images) // (SHARES * workers), LEAST), MOST)
    for start in range(0, len(images), size):
        names = tuple(images[start : start + size])
        yield Block(number, names=names, count=len(names))
        number += 1
    met = Names(images if any(map(is_table, inputs.packs)) else ())
    for pack in inputs.packs:
        of_pack = [{"pack": pack}] if is_tar(pack) else _of_table(pack, folder, most or MOST, met)
        for block in of_pack:
            yield Block(number, **block)
            number += 1


def _of_table(name: str, folder: str, most: int, met: Names) -> Iterator[dict[str, Any]]:
    """Yield the blocks of a table; one without groups where these cannot be listed, or are none."""
    try:
        groups, list_of_files = table_groups(name, folder)
    except InputError:
        raise
    except Exception:  # a file is damaged or gone: each kind has errors of its own
        groups, list_of_files = [], False
    if not sum(groups):
        yield {"pack": name}
        return
    repeated = _repeated(name, folder, met)
    for those, first, end in _together(groups, most):
        skip = tuple(repeated[bisect_left(repeated, first) : bisect_left(repeated, end)])
        block = {"pack": name, "groups": those, "first": first, "count": end - first - len(skip)}
        if block["count"]:  # else all rows are in other blocks
            yield {**block, "skip": skip, "list_of_files": list_of_files}


def _together(groups: list[int], most: int) -> Iterator[tuple[tuple[int, ...], int, int]]:
    """Yield row groups that make a block together, with their first row and the one after."""
    waiting: list[int] = []
    first = end = 0
    for index, rows in enumerate(groups):
        if waiting and end + rows - first > most:
            yield tuple(waiting), first, end
            first, waiting = end, []
        waiting.append(index)
        end += rows
    yield tuple(waiting), first, end


def _repeated(name: str, folder: str, met: Names) -> list[int]:
    """Return the numbers of rows that name a file which was met before; meet the others."""
    found: list[int] = []
    with suppress(Exception):  # of a damaged table, what is before the damage; a worker says why
        for number, file in named_files(name, folder):
            if not met.is_new(file if is_address(file) else os.path.join(folder, file)):
                found.append(number)
    return found
