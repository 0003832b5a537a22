"""The order in which an epoch goes through the images: shuffled, and near each other in shards.

Any order is as quick for files of their own. In shards larger than memory it is not: a disk and a
network read runs, and a row group of a table is decoded as a whole. So runs of images are shuffled,
a window of them is taken after another, and the images of a window are shuffled. Data of one window
(16 runs of 1,024 images in tars, 256 MiB of row groups) has the order that files would have.

The order follows from (seed, epoch) alone, so that how many batches are done is all that a
checkpoint has to say of it. Letters: N images.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from imlgcn.data.packed import Block, block_of

Item = TypeVar("Item")


def seed_of(*numbers: int) -> int:
    """Return a number to seed a generator with; different ones for different ``numbers``."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])


def epoch_order(paths: Sequence[Path], seed: int) -> list[int]:
    """Return the numbers 0 .. N - 1 in the order of an epoch.

    >>> sorted(epoch_order([Path("a.jpg"), Path("b.jpg"), Path("c.jpg")], 7))
    [0, 1, 2]
    """
    generator = torch.Generator().manual_seed(seed)
    rows: dict[Block, list[int]] = defaultdict(list)
    for row, path in enumerate(paths):
        if (block := block_of(path, row)) is None:
            rows.clear()
            break
        rows[block].append(row)
    parts = {block: block.part + block.each * len(of_it) for block, of_it in rows.items()}
    if sum(parts.values()) <= 1:  # also of files
        return _shuffled(list(range(len(paths))), generator)
    order: list[int] = []
    window: list[int] = []
    room = 1.0
    for block in _shuffled(list(rows), generator):
        if parts[block] > room and window:
            order += _shuffled(window, generator)
            window, room = [], 1.0
        window += rows[block]
        room -= parts[block]
    return order + _shuffled(window, generator)


def _shuffled(items: list[Item], generator: torch.Generator) -> list[Item]:
    return [items[index] for index in torch.randperm(len(items), generator=generator).tolist()]
