"""The images of a folder that are most like one image."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from imlgcn.data.images import ImageError
from imlgcn.errors import InputError
from imlgcn.prediction import expand_paths
from imlgcn.progress import SILENT, Progress
from imlgcn.suggestion.folder import in_words, read_images
from imlgcn.tagger import Tagger


@dataclass(frozen=True)
class SimilarImage:
    """An image, how similar it is (a cosine from 0 to 1), and that in words."""

    image: str
    similarity: float
    words: str


@dataclass(frozen=True)
class SimilarImages:
    """The images most like one, the most similar first.

    Attributes:
        images: as many as were asked for, or fewer.
        considered: how many images were compared.
        failed: path -> why it could not be read, with the path.
    """

    images: tuple[SimilarImage, ...]
    considered: int
    failed: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Return everything, ready for JSON."""
        return asdict(self)


def similar(
    tagger: Tagger | str | Path,
    image: str | Path,
    folder: str | Path | Sequence[str | Path],
    *,
    top: int = 20,
    device: str = "auto",
    progress: Progress = SILENT,
) -> SimilarImages:
    """Find the images of a folder that are most like ``image``, as the tagger sees images.

    By the distance that the kernel head tags by; for other heads by that of the square roots of
    the backbone's features. The image itself is not among them; copies of it are.

    Args:
        tagger: the folder that training wrote, or what `Tagger.load` made of it.
        image: an image file, in the folder or not.
        folder: images as for :func:`imlgcn.predict`: files, folders, patterns.
        top: how many images, 1 or more.
        device: where the backbone runs, as for :meth:`imlgcn.Tagger.load`.
        progress: told how many images are read.

    Raises:
        InputError: ``top`` is below 1, an exported file, or no image in the folder but this one.
        ImageError: ``image`` cannot be read.
    """
    if top < 1:
        raise InputError(f"expected top=1 or more images; got {top}")
    tagger = tagger if isinstance(tagger, Tagger) else Tagger.load(tagger, device=device)
    tagger.load_input(image)  # what is wrong with it is said before the folder is read
    own = os.path.abspath(image)
    given = expand_paths([folder] if isinstance(folder, str | Path) else folder)
    others = sorted(path for path in given if os.path.abspath(path) != own)
    if not others:
        raise InputError(f"there is no image but {image} in {folder}; give a folder of others")
    found = read_images(tagger, [str(image), *others], device=device, progress=progress)
    if str(image) in found.failed:
        raise ImageError(found.failed[str(image)])
    with torch.inference_mode():
        distances = found.space.distances(found.vectors[:1], found.vectors[1:])[0]  # (n,)
        nearest = distances.argsort(stable=True)[:top]
        similarities = found.space.similarity(distances)
    images = tuple(
        SimilarImage(
            found.paths[1 + row], float(similarities[row]), in_words(float(distances[row]))
        )
        for row in nearest.tolist()
    )
    return SimilarImages(images, len(distances), found.failed)
