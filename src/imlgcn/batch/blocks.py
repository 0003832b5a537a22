"""What is to be tagged, cut into blocks: the unit of work, each tagged and written as a whole.

A block is some image files, some row groups of a Parquet table, or a tar. The blocks of a run are
made once and written down: a resumed run has the same.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass

from imlgcn.batch.packs import Found, images_in_tar, is_tar
from imlgcn.batch.remote import is_address, read_address, reason_of
from imlgcn.batch.tables import images_in_table
from imlgcn.prediction.stream import in_order

READERS = 8  # threads that wait for a network, each block


@dataclass(frozen=True)
class Block:
    """Some images by name, or the ``pack`` that holds them: a tar, or ``groups`` of a table.

    ``count`` is the number of images, 0 where it is not known beforehand: of a tar, or a table
    whose groups could not be listed. ``first`` is the number of the first row, of a table; the rows
    of the numbers ``skip`` are left out; of a ``list_of_files`` the rows name their images.
    """

    number: int
    names: tuple[str, ...] = ()
    pack: str = ""
    groups: tuple[int, ...] = ()
    first: int = 0
    count: int = 0
    skip: tuple[int, ...] = ()
    list_of_files: bool = False

    def holds(self, name: str) -> bool:
        """Return whether an image of this block is in the pack, and is no file of its own."""
        is_row = name == self.pack or name.startswith(f"{self.pack}#")
        return bool(self.pack) and (is_row or not self.list_of_files)

    def line(self) -> str:
        """Return the block as a line of JSON."""
        return json.dumps({key: value for key, value in asdict(self).items() if value != ()})

    @classmethod
    def of(cls, line: str) -> Block:
        """Return the block that :meth:`line` wrote."""
        found = json.loads(line)
        lists = {key: tuple(found[key]) for key in ("names", "groups", "skip") if key in found}
        return cls(**{**found, **lists})


def images_of(block: Block, folder: str) -> Iterator[Found]:
    """Yield the images of a block in order; paths are relative to ``folder``.

    What is at an address is read here, some ahead; an image that cannot be has an error.

    Raises:
        InputError, OSError, pyarrow.ArrowException, imlgcn.data.unpack.BROKEN: a pack cannot be
            read, or not to its end.
    """
    if block.names and not any(map(is_address, block.names)):  # no thread has to wait
        return (Found(name, os.path.join(folder, name)) for name in block.names)
    if block.names:
        found: Iterable[Found] = (Found(name, name) for name in block.names)
    elif is_tar(block.pack):
        return images_in_tar(block.pack, folder)
    else:
        found = images_in_table(block.pack, folder, block.groups, block.first, block.skip)
    return _read(found, folder)


def _read(images: Iterable[Found], folder: str) -> Iterator[Found]:
    """Yield the images with the content of addresses and the whole paths of files."""

    def read(found: Found) -> Found:
        if not isinstance(found.image, str):
            return found
        if not is_address(found.image):
            return found._replace(image=os.path.join(folder, found.image))
        try:
            return found._replace(image=read_address(found.image))
        except (OSError, ValueError) as error:
            return found._replace(image=None, error=reason_of(error, found.name))

    errors: list[Exception] = []

    def until_an_error() -> Iterator[Found]:  # it comes after the images before it
        try:
            yield from images
        except Exception as error:  # raised again below
            errors.append(error)

    with closing(in_order(read, until_an_error(), READERS)) as done:
        yield from done
    if errors:
        raise errors[0]
