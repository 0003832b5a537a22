"""How other programs read the layouts, written anew from what they say of themselves.

Nothing here knows this package. WD14: the source of ComfyUI-WD14-Tagger and of sd-scripts'
``tag_images_by_wd14_tagger.py``. PhotoPrism: its developer guide, "Label Models", and the README of
``internal/ai/classify``.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnxruntime
import yaml
from PIL import Image, ImageOps

CPU = ["CPUExecutionProvider"]


class Rejected(Exception):  # noqa: N818
    """The program does not load this folder."""


# WD14


class Wd14Folder:
    """``model.onnx`` and ``selected_tags.csv``, as its clients open them."""

    def __init__(self, folder: Path) -> None:
        self.session = onnxruntime.InferenceSession(folder / "model.onnx", providers=CPU)
        self.input = self.session.get_inputs()[0]
        _, height, width, channels = self.input.shape
        if self.input.type != "tensor(float)" or height != width or channels != 3:
            raise Rejected(f"no float32 NHWC input: {self.input.shape}")
        self.size = height
        with (folder / "selected_tags.csv").open(newline="") as file:
            header, *rows = csv.reader(file)
        if header[:3] != ["tag_id", "name", "category"]:
            raise Rejected(f"unexpected header: {header}")
        self.names = [row[1] for row in rows]
        self.categories = [row[2] for row in rows]

    def fed(self, image: Image.Image) -> np.ndarray:
        """Return an image centred on a white square, BGR, 0 to 255, a batch of one."""
        ratio = self.size / max(image.size)
        image = image.convert("RGB").resize(
            tuple(int(side * ratio) for side in image.size), Image.Resampling.LANCZOS
        )
        square = Image.new("RGB", (self.size, self.size), "white")
        square.paste(image, tuple((self.size - side) // 2 for side in image.size))
        return np.asarray(square, np.float32)[None, :, :, ::-1]

    def numbers(self, fed: np.ndarray) -> np.ndarray:
        (found,) = self.session.run(
            [self.session.get_outputs()[0].name], {self.input.name: np.ascontiguousarray(fed)}
        )
        return found[0]

    def comfy(self, fed: np.ndarray, threshold=0.35, character_threshold=0.85) -> list[str]:
        """Return the tags of ComfyUI-WD14-Tagger: it slices at the first row of a category."""
        pairs = list(zip(self.names, self.numbers(fed), strict=True))
        first = {
            kind: self.categories.index(kind) if kind in self.categories else None
            for kind in ("0", "4")
        }
        general = [n for n, p in pairs[first["0"] : first["4"]] if p > threshold]
        return [n for n, p in pairs[first["4"] :] if p > character_threshold] + general

    def sd_scripts(self, fed: np.ndarray, threshold=0.35) -> tuple[str, list[str]]:
        """Return rating and tags of sd-scripts: the first four outputs are ratings, always."""
        of = {
            kind: [n for n, c in zip(self.names, self.categories, strict=True) if c == kind]
            for kind in ("9", "0", "4")
        }
        numbers, tags = self.numbers(fed), of["0"] + of["4"]
        rating = of["9"][int(numbers[:4].argmax())]
        return rating, [tags[i] for i, p in enumerate(numbers[4:]) if p >= threshold]


# PhotoPrism


@dataclass
class PhotoPrism:
    """A labels model of ``vision.yml``, with the rules that a test gives it: name -> threshold."""

    models: Path
    settings: dict
    rules: dict[str, float] = field(default_factory=lambda: {"background": 1.0})

    def __post_init__(self) -> None:
        entry = next(m for m in self.settings["Models"] if m["Type"] == "labels")
        self.confidence = self.settings.get("Thresholds", {}).get("Confidence", 20)
        folder, onnx = self.models / entry["Name"], entry["ONNX"]
        file = folder / onnx.get("File", f"{entry['Name']}.onnx")
        self.labels = (folder / entry.get("LabelFile", "labels.txt")).read_text().splitlines()
        self.session = onnxruntime.InferenceSession(file, providers=CPU)
        (given,), outputs = self.session.get_inputs(), self.session.get_outputs()
        self.given, self.input = given, onnx["Input"]
        if len(outputs) != 1 or not isinstance(outputs[0].shape[-1], int):
            raise Rejected("one output of a fixed width is needed")
        if outputs[0].shape[-1] != len(self.labels):
            raise Rejected(f"{outputs[0].shape[-1]} outputs, {len(self.labels)} labels")
        if given.shape[1:] != [3, self.input["Height"], self.input["Width"]]:
            raise Rejected(f"the settings disagree with the graph: {given.shape}")
        self.logits = onnx["Output"]["Logits"]

    def fed(self, image: Image.Image) -> np.ndarray:
        side, resize = (self.input["Width"],) * 2, self.input["Resize"]
        filter_ = {"bicubic": 3, "linear": 2, "lanczos": 1, "nearest": 0}[resize["Interpolation"]]
        fit = {
            "pad": lambda: ImageOps.pad(image, side, filter_, color="black"),
            "stretch": lambda: image.resize(side, filter_),
            "center-crop": lambda: ImageOps.fit(image, side, filter_),
        }
        pixels = np.asarray(fit[resize["Mode"]]().convert("RGB"), np.float32)
        if self.input["ColorOrder"] == "BGR":
            pixels = pixels[..., ::-1]
        scale = self.input["Normalization"]
        values = (pixels - np.float32(scale["Mean"])) / np.float32(scale["StdDev"])
        return np.ascontiguousarray(values.transpose(2, 0, 1)[None], np.float32)

    def probabilities(self, image: Image.Image) -> np.ndarray:
        (found,) = self.session.run(None, {self.given.name: self.fed(image)})
        p = found[0].astype(np.float64)
        if self.logits:
            p = np.exp(p - p.max())
            p /= p.sum()
        if not np.isfinite(p).all() or p.min() < 0 or p.max() > 1 or abs(p.sum() - 1) > 1e-4:
            raise Rejected(f"no probabilities of classes: they sum to {p.sum():.4f}")
        return p

    def found(self, image: Image.Image) -> list[str]:
        """Return the labels of an image, the most certain first; five at most."""
        p = self.probabilities(image)
        kept = [
            (value, name.lower().strip())
            for value, name in zip(p, self.labels, strict=True)
            if round(100 * value) >= self.confidence and value >= self.rules.get(name.lower(), 0.1)
        ]
        return [name for _, name in sorted(kept, key=lambda pair: -pair[0])[:5]]


def open_photoprism(models: Path, folder: Path, **options) -> PhotoPrism:
    """Return the model that the ``vision.yml`` in ``folder`` selects below ``models``."""
    return PhotoPrism(models, yaml.safe_load((folder / "vision.yml").read_text()), **options)
