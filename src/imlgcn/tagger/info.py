"""The content of a tagger's ``model.json``: everything about the network but its numbers."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field, FiniteFloat, ValidationError, model_validator

from imlgcn.config import ImageSettings, InputError, Settings
from imlgcn.labels.known import BETA, SMOOTHING, SURPRISE
from imlgcn.metrics.calibration import Calibration
from imlgcn.metrics.known_labels import NUMBERS, KnownCalibration
from imlgcn.parsing import ParseError, parse_json
from imlgcn.tagger.folder import MODEL, REPLACED

FORMAT = 2  # 1 called the calibration `scale`, and the operating point `goal`


class Part(Settings):
    """A backbone or head by name, with what it was built from."""

    name: str
    options: dict[str, Any] = Field(default_factory=dict)
    weights: str | None = None  # where the backbone's pretrained weights came from


class LabelCalibration(Settings):
    """Per label: Platt slope and intercept, threshold, and the positives they rest on."""

    slope: list[FiniteFloat]
    intercept: list[FiniteFloat]
    threshold: list[FiniteFloat]
    operating_point: str = "f1"  # what the thresholds were chosen for
    positives: list[int]  # held-out images with the label

    @property
    def platt(self) -> Calibration:
        """The Platt scaling, as arrays."""
        return Calibration(np.array(self.slope), np.array(self.intercept), np.array(self.positives))


class AddedLabel(Settings):
    """A label that was added to a tagger, and what was expected of it then.

    Attributes:
        name: at that time.
        images: how many images it was learnt from.
        AP: the average precision to expect, 0 to 1: lower quartile, median, upper quartile over
            labels of the tagger that were tried as if they were new; empty: too few for trials.
        trials: how many labels these were.
        kernel: the weight of the kernel in its score.
        probe_only: learnt without the images that the tagger was fitted on.
        trained: it is a label of the head, solved anew on more images.
    """

    name: str
    images: int
    AP: list[float] = Field(default_factory=list)
    trials: int = 0
    kernel: float = 0.0
    probe_only: bool = False
    trained: bool = False


class Growth(Settings):
    """How the labels of a tagger come from its head and from labels that were added.

    Attributes:
        head_labels: the H labels of the head, as it was trained.
        fitted: how many images it was fitted on: those that were added come after them in
            ``support.parquet``.
        added: the A scores beside the head's.
        outputs: for each label of the tagger the scores, by number, it is the largest of.
        slope, intercept: of each score ``(H + A)``: its own calibration.
    """

    head_labels: list[str]
    fitted: int
    added: list[AddedLabel] = Field(default_factory=list)
    outputs: list[list[int]]
    slope: list[FiniteFloat]
    intercept: list[FiniteFloat]

    def is_trained(self, label: int) -> bool:
        """Return whether every score of a label is one that the head was trained for."""
        return not any(map(self._is_new, self.outputs[label]))

    def is_added(self, label: int) -> bool:
        """Return whether every score of a label was added, none trained."""
        return all(map(self._is_new, self.outputs[label]))

    def _is_new(self, score: int) -> bool:
        place = score - len(self.head_labels)
        return place >= 0 and not self.added[place].trained


class KnownSettings(Settings):
    """How known labels move the others; the defaults are those of a tagger without this entry."""

    # counts: by label pairs (imlgcn.labels.known); head: by a network that has them as an input
    by: Literal["counts", "head"] = "counts"
    beta: FiniteFloat = Field(BETA, ge=0)
    surprise: float = Field(SURPRISE, ge=0, le=1)
    smoothing: FiniteFloat = Field(SMOOTHING, gt=0)
    # by number of known positives, 0, 1, 2, 3 or more: see KnownCalibration
    slope: list[FiniteFloat] = Field([1.0] * NUMBERS, min_length=NUMBERS, max_length=NUMBERS)
    offset: list[FiniteFloat] = Field([0.0] * NUMBERS, min_length=NUMBERS, max_length=NUMBERS)

    @property
    def calibration(self) -> KnownCalibration:
        """What makes probabilities of updated logits, as arrays."""
        return KnownCalibration(np.array(self.slope), np.array(self.offset))


class TaggerInfo(Settings):
    """The content of ``model.json``."""

    format: int = FORMAT
    labels: list[str]
    backbone: Part
    head: Part
    image: ImageSettings
    calibration: LabelCalibration
    known: KnownSettings | None = None  # of a tagger trained before there was such a thing
    metrics: dict[str, Any] = Field(default_factory=dict)  # the headline numbers, with protocol
    versions: dict[str, str] = Field(default_factory=dict)
    engine: str = "torch"  # what scored validation and test
    origin: dict[str, str] = Field(default_factory=dict)  # of an imported checkpoint
    sha256: dict[str, str] = Field(default_factory=dict)
    growth: Growth | None = None  # of a tagger whose labels have changed since it was trained

    @model_validator(mode="after")
    def _one_value_per_label(self) -> TaggerInfo:
        for name in ("slope", "intercept", "threshold", "positives"):
            if (found := len(getattr(self.calibration, name))) != len(self.labels):
                raise ValueError(
                    f"calibration.{name} has {found} values for {len(self.labels)} labels"
                )
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
    if not file.is_file() and (path / REPLACED / MODEL).is_file():
        raise InputError(
            f"{path} holds a training that did not finish (the same training with resume=True "
            f"continues); the run that it replaces is whole, in {path / REPLACED}: move that "
            "folder to take it back"
        )
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
        content = parse_json(text)
        if isinstance(content, dict):
            content = upgrade_info(content, file)
        return TaggerInfo.model_validate(content)
    except (ParseError, ValidationError) as error:
        lines = str(error).splitlines()  # of pydantic: how many errors, where, what
        first = ": ".join(line.strip() for line in lines[1:3]) or lines[0]
        raise InputError(f"{file} is damaged ({first}); train anew or restore it") from None


def upgrade_info(content: dict[str, Any], file: Path) -> dict[str, Any]:
    """Return the content of a ``model.json`` of any version in the form of this one.

    Raises:
        InputError: a version that this one does not know.
    """
    version = content.get("format")
    if version == FORMAT:
        return content
    if version != 1:
        raise InputError(
            f"{file} has format {version!r}; this version reads 1 and {FORMAT}: install the imlgcn "
            "version named in it"
        )
    content = {**content, "format": FORMAT}
    scale = content.pop("scale", None)
    if isinstance(scale, dict):
        names = {"goal": "operating_point"}
        content["calibration"] = {names.get(key, key): value for key, value in scale.items()}
    return content
