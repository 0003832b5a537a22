"""What `predict` is given becomes a stream of images with names."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple, cast

from imlgcn.data.image_input import ImageLike, each_image, is_image, name_of
from imlgcn.prediction.paths import ExpandedPaths, GivenPaths, Origin, expand, origin_of

if TYPE_CHECKING:
    from imlgcn.prediction.shards import ShardImages


class NamedImage(NamedTuple):
    """An image and what it is called in rows: its path, or ``image 3``."""

    name: str
    image: ImageLike
    origin: Origin | None = None  # None where it was given by itself or in a list


def named_images(
    images: ImageLike | Iterable[ImageLike],
    skipped: Counter[str] | None = None,
    own: ShardImages | None = None,
) -> Iterable[NamedImage]:
    """Return the images with their names: a list of them, or an iterator where a generator came.

    A path stands for what :func:`expand_paths` makes of it; in a collection, a path that stands for
    nothing stays, and becomes an error of that image. ``skipped`` counts, by suffix, the files of
    folders and patterns whose formats are not read: of a generator, those so far. Only those of the
    shard ``own`` are returned, and the others are not held.

    Raises:
        ImageTypeError: something is not an image in a form that is accepted; of a generator, when
            it is reached.
        InputError: ``images`` is a path that stands for no image.
    """
    skipped = Counter() if skipped is None else skipped
    if isinstance(images, str | os.PathLike):
        images = GivenPaths([os.fspath(images)])
    if isinstance(images, GivenPaths):
        if own is not None:
            found = own.pick_files(images)
            skipped.update(images.skipped)
            return found
        images = images.once()
    if isinstance(images, ExpandedPaths):
        skipped.update(images.skipped)
        expanded: Iterable[tuple[ImageLike, Origin | None]] = images.with_origins()
    else:
        expanded = _expanded(each_image(images), skipped)
    named: Iterable[NamedImage] = (
        NamedImage(name_of(image) or f"image {number}", image, origin)
        for number, (image, origin) in enumerate(expanded, 1)
    )
    if own is not None:
        named = own.pick(named)
    return list(named) if is_image(images) or hasattr(images, "__len__") else named


def count_of(images: Iterable[object]) -> int:
    """Return how many there are, 0 where that is not known."""
    return len(cast(list[object], images)) if hasattr(images, "__len__") else 0


def _expanded(
    images: Iterator[ImageLike], skipped: Counter[str]
) -> Iterator[tuple[ImageLike, Origin | None]]:
    for number, image in enumerate(images):
        if isinstance(image, str | os.PathLike) and _stands_for_others(os.fspath(image)):
            origin = origin_of(os.fspath(image), number)
            yield from ((path, origin) for path in expand(os.fspath(image), skipped))
        else:
            yield image, None


def _stands_for_others(path: str) -> bool:
    if os.path.isdir(path) or path.lower().endswith((".csv", ".tsv")):
        return os.path.exists(path)
    return glob.has_magic(path) and not os.path.lexists(path) and bool(glob.glob(path))
