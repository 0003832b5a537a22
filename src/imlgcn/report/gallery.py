"""The tiles of the gallery: small pictures as data URIs, with their tags and what is wrong.

Letters: N images, L labels, S side of the network's input.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imlgcn.data.images import ImageError
from imlgcn.data.transforms import load_input
from imlgcn.predictions import ScoredSplit
from imlgcn.report.examples import Example, choose_examples
from imlgcn.report.run_folder import RunFolder

Pixels = NDArray[np.uint8]
# the input (S, S, 3) of each example -> the picture with its label's map laid over it
Overlays = Callable[[list[Pixels], list[int]], list[Image.Image]]

SIDE = 208  # of a picture in pixels: sharp at 160 CSS pixels, small in the file
QUALITY = 76
MOST_TAGS = 7
KINDS = (
    ("best", "Best", "Every tag right; those with most tags first."),
    ("worst", "Worst", "The highest log-loss: confident and wrong, or much left out."),
    (
        "false_positives",
        "Most surprising false positives",
        "Tagged with most confidence, against the data. Some are tags that the data lacks.",
    ),
    (
        "false_negatives",
        "Most surprising misses",
        "Tags of the data that were thought least probable. Some should not be there.",
    ),
)


class TileTag(NamedTuple):
    """One tag of a tile: ``kind`` is right, extra (not in the data) or missed."""

    label: str
    percent: str
    kind: str
    chosen: bool  # the tile is shown for it


class Tile(NamedTuple):
    """One image; ``picture`` is None where the image is not at hand."""

    name: str
    alt: str
    picture: str | None
    overlay: str | None
    about: str  # the label that the overlay is of
    tags: list[TileTag]
    more: int  # tags that are not listed


class Row(NamedTuple):
    """One kind of example."""

    title: str
    meaning: str
    tiles: list[Tile]


class Gallery(NamedTuple):
    """The rows that have tiles, and how many images could not be shown."""

    rows: list[Row]
    missing: int
    overlaid: bool


def gallery(run: RunFolder, overlays: Overlays | None = None) -> Gallery | None:
    """Choose, read and lay out the examples of a run; None where there are no scores."""
    if run.scored is None:
        return None
    chosen = choose_examples(run.scored, np.array(run.info.scale.threshold))
    examples = [example for kind in chosen for example in kind]
    inputs = {row: _read(run, row) for row in {example.row for example in examples}}
    there = [example for example in examples if inputs[example.row] is not None]
    pictures: dict[Example, Image.Image] = {}
    if overlays is not None and there:
        squares = [pixels for each in there if (pixels := inputs[each.row]) is not None]
        drawn = overlays(squares, [each.label for each in there])
        pictures = dict(zip(there, drawn, strict=True))
    rows = []
    for key, title, meaning in KINDS:
        tiles = [
            _tile(run, run.scored, each, inputs[each.row], pictures.get(each))
            for each in getattr(chosen, key)
        ]
        if tiles:
            rows.append(Row(title, meaning, tiles))
    missing = sum(pixels is None for pixels in inputs.values())
    return Gallery(rows, missing, bool(pictures))


def _read(run: RunFolder, row: int) -> Pixels | None:
    """Return the image as the network sees it (S, S, 3), or None: it is not at hand."""
    assert run.scored is not None
    path = run.images.get(run.scored.images[row])
    if path is None:
        return None
    try:
        return load_input(path, run.info.image)
    except ImageError:
        return None


def _tile(
    run: RunFolder,
    scored: ScoredSplit,
    example: Example,
    pixels: Pixels | None,
    overlay: Image.Image | None,
) -> Tile:
    name = scored.images[example.row]
    tags = _tags(run, scored, example)
    true = [tag.label for tag in tags if tag.kind != "extra"]
    found = [tag.label for tag in tags if tag.kind != "missed"]
    words = f"{name}. In the data: {_list(true)}. Tagged: {_list(found)}."
    return Tile(
        name=name.rpartition("/")[2],
        alt=words,
        picture=None if pixels is None else data_uri(Image.fromarray(pixels)),
        overlay=None if overlay is None else data_uri(overlay),
        about=run.info.labels[example.label],
        tags=tags[:MOST_TAGS],
        more=max(0, len(tags) - MOST_TAGS),
    )


def _tags(run: RunFolder, scored: ScoredSplit, example: Example) -> list[TileTag]:
    """Return what was tagged or missed; first what the tile is shown for, then by probability."""
    p, target = scored.probabilities[example.row], scored.targets[example.row]
    tagged = p >= np.array(run.info.scale.threshold)
    listed = np.flatnonzero(tagged | (target == 1)).tolist()
    listed.sort(key=lambda label: (label != example.label, -p[label]))
    tags = []
    for label in listed:
        kind = "missed" if not tagged[label] else "extra" if target[label] == 0 else "right"
        chosen = label == example.label
        tags.append(TileTag(run.info.labels[label], _percent(p[label]), kind, chosen))
    return tags


def data_uri(picture: Image.Image) -> str:
    """Return the picture, made small, as a WebP data URI."""
    small = picture.convert("RGB")
    small.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    small.save(file, format="WEBP", quality=QUALITY, method=4)
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"


def _percent(probability: float) -> str:
    """Whole percent, but never 0 or 100: no tag is certain.

    >>> _percent(0.004), _percent(0.123), _percent(0.9999)
    ('<1 %', '12 %', '>99 %')
    """
    percent = 100 * probability
    if percent < 1:
        return "<1 %"
    return ">99 %" if percent > 99 else f"{percent:.0f} %"


def _list(labels: list[str]) -> str:
    return ", ".join(labels) if labels else "nothing"
