"""Tag images with an exported file: numpy, Pillow and ONNX Runtime, no imlgcn.

    pip install numpy pillow onnxruntime
    python tag.py demo.onnx photo.jpg more/*.jpg

The file comes from ``imlgcn export TAGGER --format onnx --out demo.onnx``. It holds all that is
needed: the side of the images, the labels and their thresholds.
"""

from __future__ import annotations

import json
import math
import os
import sys

import numpy as np

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # from 1.29 on it reports to its maker
import onnxruntime
from PIL import Image, ImageOps

FILTERS = {name: Image.Resampling[name.upper()] for name in ("bilinear", "bicubic", "lanczos")}


def block_side(image: Image.Image, settings: dict) -> int:
    """Return the side of the blocks that a large image is averaged over before it is resized."""
    length = max(image.size) if settings["fit"] == "pad" else min(image.size)
    block = 1
    while math.ceil(length / (2 * block)) >= 1.4 * settings["size"]:
        block *= 2
    return block


def load_pixels(path: str, settings: dict) -> np.ndarray:
    """Return the image as the network takes it: uint8 (S, S, 3)."""
    side = settings["size"]
    with Image.open(path) as file:
        if file.format in ("JPEG", "MPO") and file.width * file.height > 3_000_000:
            block = block_side(file, settings)  # a JPEG decoder averages blocks itself, faster
            file.draft(None, (max(1, file.width // block), max(1, file.height // block)))
        image = ImageOps.exif_transpose(file)
        if image.mode.startswith("I"):  # 16 bits
            grey = (np.asarray(image).astype(np.uint32) + 128) // 257
            image = Image.fromarray(grey.astype(np.uint8))
        if image.has_transparency_data:  # what is transparent becomes white
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        image = image.convert("RGB")
    image = image.reduce(block_side(image, settings))
    width, height = side, side
    if settings["fit"] == "pad":  # keep the aspect ratio, on a white square
        longest = max(image.size)
        width, height = (max(1, round(length * side / longest)) for length in image.size)
    image = image.resize((width, height), FILTERS[settings["interpolation"]], reducing_gap=3.0)
    square = Image.new("RGB", (side, side), "white")
    square.paste(image, ((side - width) // 2, (side - height) // 2))
    return np.asarray(square)


def main(model: str, paths: list[str]) -> None:
    session = onnxruntime.InferenceSession(model)
    tagger = json.loads(session.get_modelmeta().custom_metadata_map["imlgcn"])
    for path in paths:
        pixels = load_pixels(path, tagger["image"])[None]  # (1, S, S, 3)
        given = {"pixels": pixels}
        if len(session.get_inputs()) > 1:  # a head that can be told labels: nothing is known
            given["known"] = np.full((1, len(tagger["labels"])), -1, np.int8)
        (probabilities,) = session.run(["probabilities"], given)
        rows = zip(
            tagger["labels"], probabilities[0], tagger["calibration"]["threshold"], strict=True
        )
        tags = sorted(((p, label) for label, p, threshold in rows if p >= threshold), reverse=True)
        print(path, *(f"{label}={p:.3f}" for p, label in tags), sep="\t")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2:])
