"""Folders of JPEG photographs to time prediction on: clip art on shaded, grainy grounds.

The same for the same number and size, on any machine with the same Pillow and numpy. They are kept
in the cache folder.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from imlgcn.data.openclipart import unpack
from imlgcn.files import cache_dir

QUALITY = 90
GRAIN = 6.0  # levels; with it a 640 x 480 photograph takes about 100 kB, as a camera's does


def photo_folder(number: int, width: int, height: int) -> Path:
    """Return a folder with ``number`` JPEGs of one size, made when it is not there yet."""
    folder = cache_dir() / "benchmarks" / "photos" / f"{number}-{width}x{height}"
    folder.mkdir(parents=True, exist_ok=True)
    clips = sorted(unpack().rglob("*.jpg"))
    missing = [n for n in range(number) if not (folder / f"{n:05}.jpg").exists()]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda n: _save(n, clips, (width, height), folder), missing))
    return folder


def _save(number: int, clips: list[Path], size: tuple[int, int], folder: Path) -> None:
    temporary = folder / f".{number}.tmp"
    photograph(number, clips, size).save(temporary, "JPEG", quality=QUALITY)
    temporary.replace(folder / f"{number:05}.jpg")


def photograph(number: int, clips: list[Path], size: tuple[int, int]) -> Image.Image:
    """Return picture ``number``: four clips, blended over soft light, with grain in brightness."""
    random = np.random.default_rng(number)
    width, height = size
    light = random.integers(30, 226, (6, 8, 3)).astype(np.uint8)
    picture = Image.fromarray(light).resize(size, Image.Resampling.BICUBIC)
    for clip in random.choice(len(clips), 4, replace=False):
        side = int(width * random.uniform(0.2, 0.5))
        piece = Image.open(clips[clip]).convert("RGB").resize((side, side))
        place = (int(random.integers(0, width - side)), int(random.integers(0, height - side // 2)))
        picture.paste(piece, place, Image.new("L", piece.size, 210))
    tile = random.normal(0, GRAIN, (512, 512)).astype(np.float32)
    repeats = (-(-height // 512), -(-width // 512))
    grain = np.tile(tile, repeats)[:height, :width, None]
    return Image.fromarray((np.asarray(picture) + grain).clip(0, 255).astype(np.uint8))
