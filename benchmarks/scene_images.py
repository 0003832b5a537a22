"""Scenes drawn with clip art on a white canvas: several pictures, small and partly hidden.

A scene holds one picture for each label that the law drew, and one picture without any of the
labels. Pictures of a source split go into scenes of that split only. Letters: H W canvas.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from benchmarks.scene_law import ThemeLaw
from imlgcn.data.dataset import SPLITS, Dataset, Record, Source
from imlgcn.files import atomic_path, cache_dir, write_atomic
from imlgcn.progress import SILENT, Progress

# label -> labels that come with it in the clip art and are none of a scene's; four themes of four,
# and what looks alike (bird and insect, dessert and fruit) shares a theme or not, as in life
THEMES: dict[str, dict[str, tuple[str, ...]]] = {
    "garden": {
        "bird": ("animal",),
        "flower": ("plant",),
        "insect": ("animal",),
        "mammal": ("animal",),
    },
    "street": {
        "arrow": (),
        "house": ("building",),
        "roadsign": ("transport",),
        "vehicle": ("transport",),
    },
    "kitchen": {
        "beverage": ("food",),
        "clock": (),
        "dessert": ("food",),
        "fruit": ("food",),
    },
    "harbour": {
        "boat": ("transport",),
        "electronics": (),
        "flag": ("africa", "america", "asia", "europe"),
        "weather": (),
    },
}
PARENTS = {label: parents for theme in THEMES.values() for label, parents in theme.items()}
LABELS = tuple(PARENTS)
CLUTTER = ""  # stands for the picture that shows none of the labels
SHARE = 3 / len(LABELS)  # of the scenes that hold a label: three objects a scene
SIDE = 224
LONGER = (52, 116)  # pixels of a picture's longer side
MARGIN = 16  # pixels that stay white: the closer, the more pictures hide one another
VISIBLE = 0.4  # of every picture, at least
TRIES = 30  # places tried before a picture is made smaller
WHITE = 235  # and above is background where it reaches the border
VERSION = 1  # raise it when scenes change: old files are then not found


@dataclass(frozen=True)
class Part:
    """One picture in a scene: file, label ('' for clutter) and the visible share of its ink."""

    picture: str
    label: str
    visible: float


def scene_law(strength: float) -> ThemeLaw:
    """Return the law of the scenes' labels: equal shares, four themes."""
    themes = np.repeat(np.arange(len(THEMES)), [len(theme) for theme in THEMES.values()])
    return ThemeLaw(np.full(len(LABELS), SHARE), themes, strength)


def pictures(source: Dataset, split: str) -> dict[str, list[Record]]:
    """Return the pictures of a split by the one label they show, and the clutter under ''.

    A picture counts for a label when it has no other labels than those that always come with it;
    clutter has none of the labels and none that comes with them.
    """
    found: dict[str, list[Record]] = {label: [] for label in (CLUTTER, *LABELS)}
    related = {*LABELS, *(parent for parents in PARENTS.values() for parent in parents)}
    for record in source.split(split).records:
        mine = [label for label in record.labels if label in PARENTS]
        if len(mine) == 1 and set(record.labels) <= {mine[0], *PARENTS[mine[0]]}:
            found[mine[0]].append(record)
        elif not related & set(record.labels):
            found[CLUTTER].append(record)
    return found


def compose(
    chosen: Sequence[tuple[str, Record]], generator: np.random.Generator
) -> tuple[Image.Image, list[Part]]:
    """Lay labelled pictures over one another in order; each stays visible in part."""
    canvas = Image.new("RGB", (SIDE, SIDE), "white")
    owner = np.full((SIDE, SIDE), -1)  # the picture on top, for each pixel
    inks: list[int] = []
    for number, (_, record) in enumerate(chosen):
        picture, (x, y), after = _place(record.path, owner, inks, number, generator)
        owner = after
        inks.append(_ink(picture))
        canvas.paste(picture, (x, y), picture)
    return canvas, [
        Part(record.name, label, float((owner == number).sum() / inks[number]))
        for number, (label, record) in enumerate(chosen)
    ]


def _place(
    path: Path,
    owner: NDArray[np.int64],
    inks: Sequence[int],
    number: int,
    generator: np.random.Generator,
) -> tuple[Image.Image, tuple[int, int], NDArray[np.int64]]:
    """Return the picture at its size, its corner, and who is on top once it lies there."""
    longer = generator.integers(LONGER[0], LONGER[1] + 1)
    flipped = generator.random() < 0.5
    while True:
        picture = _cut_out(path)
        if flipped:
            picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        scale = longer / max(picture.size)
        width, height = (max(1, round(side * scale)) for side in picture.size)
        picture = picture.resize((width, height), Image.Resampling.LANCZOS)
        for _ in range(TRIES):
            x, y = (
                int(generator.integers(MARGIN, SIDE - MARGIN - side + 1))
                for side in (width, height)
            )
            after = _covered(owner, picture, (x, y), number)
            shown = np.bincount(after.ravel() + 1, minlength=number + 2)[1:]
            if (shown >= VISIBLE * np.array([*inks, _ink(picture)])).all():
                return picture, (x, y), after
        longer *= 0.8


def _covered(
    owner: NDArray[np.int64], picture: Image.Image, corner: tuple[int, int], number: int
) -> NDArray[np.int64]:
    x, y = corner
    mask = np.asarray(picture)[..., 3] > 127  # (h, w)
    after = owner.copy()
    after[y : y + mask.shape[0], x : x + mask.shape[1]][mask] = number
    return after


def _ink(picture: Image.Image) -> int:
    return max(1, int((np.asarray(picture)[..., 3] > 127).sum()))


@cache
def _cut_out(path: Path) -> Image.Image:
    """Return the picture RGBA without the white around it, cropped to its ink."""
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"))  # (h, w, 3)
    white = np.pad(pixels.min(axis=2) >= WHITE, 1, constant_values=True)
    areas, _ = ndimage.label(white)
    ink = (areas != areas[0, 0])[1:-1, 1:-1]
    if not ink.any():
        ink[:] = True
    cut = Image.fromarray(np.dstack([pixels, np.where(ink, 255, 0).astype(np.uint8)]))
    rows, columns = (np.flatnonzero(ink.any(axis=axis)) for axis in (1, 0))
    return cut.crop((columns[0], rows[0], columns[-1] + 1, rows[-1] + 1))


def draw_scene(
    law: ThemeLaw, found: dict[str, list[Record]], generator: np.random.Generator
) -> tuple[Image.Image, list[Part]]:
    """Draw the labels by the law, a picture for each and one of clutter, and lay them out."""
    present = law.sample(generator)
    labels = [label for label, here in zip(LABELS, present, strict=True) if here] + [CLUTTER]
    chosen = [(label, found[label][generator.integers(len(found[label]))]) for label in labels]
    order = generator.permutation(len(chosen))
    return compose([chosen[index] for index in order], generator)


def make_scenes(
    source: Dataset,
    strength: float,
    counts: dict[str, int],
    *,
    seed: int = 0,
    folder: Path | None = None,
    progress: Progress = SILENT,
) -> Dataset:
    """Return a data set of scenes, drawn into the cache folder once.

    ``counts`` says how many scenes each split has. Scene i of a split is the same whatever the
    counts. Beside the images of a split lies ``parts.json``: what each scene was made of.
    """
    law = scene_law(strength)
    records: list[Record] = []
    for split in (split for split in SPLITS if counts.get(split)):
        home = (folder or cache_dir() / "scenes") / _digest(source, strength, split, seed)
        found = pictures(source, split)
        listing = home / "parts.json"
        stored = json.loads(listing.read_text(encoding="utf-8")) if listing.is_file() else []
        parts = [[Part(**part) for part in scene] for scene in stored]
        with progress.bar(f"scenes {strength:g} {split}", counts[split]) as advance:
            for number in range(counts[split]):
                if number >= len(parts):
                    generator = np.random.default_rng([seed, SPLITS.index(split), number])
                    image, made = draw_scene(law, found, generator)
                    with atomic_path(home / f"{number:05}.jpg") as temporary:
                        image.save(temporary, format="jpeg", quality=92)
                    parts.append(made)
                advance(1)
        write_atomic(listing, json.dumps([[asdict(part) for part in scene] for scene in parts]))
        records += _records(home, split, parts[: counts[split]])
    return Dataset.from_source(Source(list(LABELS), records, "scenes", f"strength {strength:g}"))


def _records(home: Path, split: str, parts: Iterable[Sequence[Part]]) -> list[Record]:
    return [
        Record(
            name=f"{home.name}/{number:05}.jpg",  # says what the image was drawn from
            path=home / f"{number:05}.jpg",
            labels=tuple(sorted({part.label for part in scene} - {CLUTTER})),
            split=split,
        )
        for number, scene in enumerate(parts)
    ]


def _digest(source: Dataset, strength: float, split: str, seed: int) -> str:
    drawing = (VERSION, SIDE, LONGER, MARGIN, VISIBLE, TRIES, WHITE, SHARE, THEMES)
    names = [record.name for record in source.split(split).records]
    text = json.dumps([drawing, names, strength, split, seed])
    return f"{split}-{strength:g}-{hashlib.sha256(text.encode()).hexdigest()[:10]}"
