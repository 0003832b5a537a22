"""The tiles of the gallery: small images as data URIs, with their tags and errors."""

from __future__ import annotations

import base64
import io
from typing import NamedTuple

import numpy as np
from PIL import Image

from imlgcn.data.images import ImageError
from imlgcn.numbers import percent
from imlgcn.report.examples import Example, choose_examples
from imlgcn.report.overlays import Draw, Overlaid, Picture, read_picture
from imlgcn.report.run import RunFolder
from imlgcn.tagger.scores import ScoredSplit

SIDE = 208  # size of a picture in pixels: sharp at 160 CSS pixels, small in the file
QUALITY = 76
MOST_TAGS = 7
KINDS = (
    ("best", "Best", "All tags correct, as far as the data says; those with most tags first."),
    ("worst", "Worst", "The highest log-loss: confident errors, or many missed labels."),
    (
        "false_positives",
        "Most confident false positives",
        "Tagged with the highest probability, against the data. Some labels may be missing in "
        "the data.",
    ),
    (
        "false_negatives",
        "Most confident false negatives",
        "Labels of the data with the lowest probability. Some may be wrong in the data.",
    ),
)

BY_TARGET = {1: "right", 0: "extra", -1: "unknown"}  # kind of a tag


class TileTag(NamedTuple):
    """One tag of a tile: ``kind`` is right, extra (not in the data), unknown (there) or missed."""

    label: str
    percent: str
    kind: str
    chosen: bool  # the tile is shown for it


class Tile(NamedTuple):
    """One image; ``picture`` is None where the image cannot be found."""

    name: str
    picture: str | None
    overlay: str | None
    about: str  # the label that the overlay is of
    where: str  # in the picture the map is strong
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
    meaning: str  # of the maps laid over the pictures; empty where there are none


def gallery(run: RunFolder, draw: Draw | None = None) -> Gallery | None:
    """Choose, read and lay out the examples of a run; None where there are no scores.

    ``draw`` lays the map of the label that an image is shown for over the picture.
    """
    if run.scored is None:
        return None
    chosen = choose_examples(run.scored, np.array(run.info.calibration.threshold))
    examples = [example for kind in chosen for example in kind]
    pictures = {example.row: _read(run, run.scored.images[example.row]) for example in examples}
    maps, meaning = _maps(examples, pictures, draw)
    none = (None, "")
    rows = []
    for key, title, words in KINDS:
        tiles = [
            _tile(run, run.scored, each, pictures[each.row], *maps.get(each.row, none))
            for each in getattr(chosen, key)
        ]
        if tiles:
            rows.append(Row(title, words, tiles))
    missing = sum(picture is None for picture in pictures.values())
    return Gallery(rows, missing, meaning)


def _read(run: RunFolder, name: str) -> Picture | None:
    """Return an image as the network sees it, or None if it cannot be found."""
    if name not in run.images:
        return None
    try:
        return read_picture(run.images[name], run.info.image)
    except ImageError:
        return None


def _maps(
    examples: list[Example], pictures: dict[int, Picture | None], draw: Draw | None
) -> tuple[dict[int, tuple[Image.Image, str]], str]:
    """Return the overlay of each row whose picture exists with its position, and its meaning."""
    shown = [(each, found) for each in examples if (found := pictures[each.row]) is not None]
    drawn: Overlaid | None = None
    if draw is not None and shown:
        drawn = draw([found for _, found in shown], [each.label for each, _ in shown])
    if drawn is None:
        return {}, ""
    laid = zip(drawn.pictures, drawn.positions, strict=True)
    return dict(zip([each.row for each, _ in shown], laid, strict=True)), drawn.meaning


def _tile(
    run: RunFolder,
    scored: ScoredSplit,
    example: Example,
    picture: Picture | None,
    overlay: Image.Image | None,
    where: str,
) -> Tile:
    name = scored.images[example.row]
    tags = _tags(run, scored, example)
    return Tile(
        name=name.rpartition("/")[2],
        picture=None if picture is None else data_uri(Image.fromarray(picture.pixels)),
        overlay=None if overlay is None else data_uri(overlay),
        about=run.info.labels[example.label],
        where=where,
        tags=tags[:MOST_TAGS],
        more=max(0, len(tags) - MOST_TAGS),
    )


def _tags(run: RunFolder, scored: ScoredSplit, example: Example) -> list[TileTag]:
    """Return tagged and missed labels; first the one the tile is shown for, then by probability."""
    p, target = scored.probabilities[example.row], scored.targets[example.row]
    tagged = p >= np.array(run.info.calibration.threshold)
    listed = np.flatnonzero(tagged | (target == 1)).tolist()
    listed.sort(key=lambda label: (label != example.label, -p[label]))
    tags = []
    for label in listed:
        kind = BY_TARGET[int(target[label])] if tagged[label] else "missed"
        chosen = label == example.label
        tags.append(TileTag(run.info.labels[label], percent(p[label]), kind, chosen))
    return tags


def data_uri(picture: Image.Image) -> str:
    """Return the picture, made small, as a WebP data URI."""
    small = picture.convert("RGB")
    small.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    small.save(file, format="WEBP", quality=QUALITY, method=4)
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"
