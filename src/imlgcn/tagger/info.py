"""The content of a tagger's ``model.json``: everything about the network but its numbers."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, model_validator

from imlgcn.config import ImageSettings, InputError, Settings
from imlgcn.tagger.folder import MODEL

FORMAT = 1


class Part(Settings):
    """A backbone or head by name, with what it was built from."""

    name: str
    options: dict[str, Any] = Field(default_factory=dict)
    weights: str | None = None  # where the backbone's pretrained weights came from


class LabelScale(Settings):
    """Per label: Platt slope and intercept, threshold, and the positives they rest on."""

    slope: list[float]
    intercept: list[float]
    threshold: list[float]
    goal: str = "f1"  # what the thresholds are for
    positives: list[int]  # validation images with the label


class TaggerInfo(Settings):
    """The content of ``model.json``."""

    format: int = FORMAT
    labels: list[str]
    backbone: Part
    head: Part
    image: ImageSettings
    scale: LabelScale
    metrics: dict[str, Any] = Field(default_factory=dict)  # the headline numbers, with protocol
    versions: dict[str, str] = Field(default_factory=dict)
    engine: str = "torch"  # what scored validation and test
    origin: dict[str, str] = Field(default_factory=dict)  # of an imported checkpoint
    sha256: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_value_per_label(self) -> TaggerInfo:
        for name in ("slope", "intercept", "threshold", "positives"):
            if (found := len(getattr(self.scale, name))) != len(self.labels):
                raise ValueError(f"scale.{name} has {found} values for {len(self.labels)} labels")
        return self


def library_versions() -> dict[str, str]:
    """Return the versions of the libraries that a tagger's numbers depend on."""
    packages = ("imlgcn", "torch", "timm", "numpy", "pillow")
    return {name: version(name) for name in packages}


def read_info(path: Path) -> TaggerInfo:
    """Read and check ``model.json`` in the folder ``path``.

    Raises:
        InputError: no such folder, an unfinished one, or a file this version cannot read.
    """
    file = path / MODEL
    if not path.is_dir():
        raise InputError(f"no tagger at {path}: expected the folder that `imlgcn train` wrote")
    if not file.is_file():
        raise InputError(
            f"{path} holds no {MODEL}: it is not a tagger, or its training did not finish "
            "(the same training with resume=True continues)"
        )
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is damaged ({error}); train anew or restore it") from None
    return parse_info(text, file)


def parse_info(text: str, file: Path) -> TaggerInfo:
    """Check the text of a ``model.json`` that was found in ``file``.

    Raises:
        InputError: it is not one, or not one that this version can read.
    """
    try:
        content = json.loads(text)
        if isinstance(content, dict) and content.get("format") != FORMAT:
            raise InputError(
                f"{file} has format {content.get('format')!r}; this version reads {FORMAT}: "
                "install the imlgcn version named in it"
            )
        return TaggerInfo.model_validate(content)
    except (json.JSONDecodeError, ValidationError) as error:
        lines = str(error).splitlines()  # of pydantic: how many errors, where, what
        first = ": ".join(line.strip() for line in lines[1:3]) or lines[0]
        raise InputError(f"{file} is damaged ({first}); train anew or restore it") from None
