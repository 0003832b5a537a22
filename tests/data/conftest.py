"""Pictures and data that several tests here make."""

import io

import numpy as np
import pytest
from PIL import Image

from imlgcn.data.dataset import load_dataset
from imlgcn.data.images import open_image


def encode(image: Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def heic(image: Image.Image) -> bytes:
    pillow_heif = pytest.importorskip("pillow_heif")
    file = io.BytesIO()
    pillow_heif.from_pillow(image).save(file)
    return file.getvalue()


def picture(width: int = 64, height: int = 48) -> Image.Image:
    """Red left, blue right, a green bar along the top: every turn and flip shows."""
    image = Image.new("RGB", (width, height), "red")
    image.paste("blue", (width // 2, 0, width, height))
    image.paste("lime", (0, 0, width, height // 4))
    return image


def pixel(source, at=(0, 0)):
    image = open_image(source)
    assert image.mode == "RGB"
    return image.getpixel(at)


def difference(first: Image.Image, second: Image.Image) -> np.ndarray:
    return np.abs(np.asarray(first, int) - np.asarray(second, int))


def write_images(folder, labels):
    rows = []
    for index, text in enumerate(labels):
        blocks = np.random.default_rng(index // 2).integers(0, 256, (6, 6, 3), dtype=np.uint8)
        side = 60 + 30 * (index % 2)  # every picture in two sizes
        Image.fromarray(blocks).resize((side, side), Image.Resampling.BICUBIC).save(
            folder / f"{index}.png"
        )
        rows.append(f'{index}.png,"{text}"')
    (folder / "data.csv").write_text("\n".join(["image,labels", *rows]))
    return load_dataset(folder / "data.csv")
