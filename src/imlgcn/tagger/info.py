"""The content of a tagger's ``model.json``: everything about the network but its numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np

from imlgcn.errors import InputError
from imlgcn.image_settings import ImageSettings
from imlgcn.labels.known_defaults import BETA, SMOOTHING, SURPRISE
from imlgcn.metrics.calibration import Calibration
from imlgcn.metrics.known_calibration import NUMBERS, KnownCalibration
from imlgcn.parsing import ParseError, parse_json
from imlgcn.records import Above, Length, Record, Within
from imlgcn.tagger.folder import MODEL, REPLACED

FORMAT = 2  # 1 called the calibration `scale`, and the operating point `goal`


class Part(Record):
    """A backbone or head by name, with what it was built from."""

    name: str
    options: dict[str, Any] = {}
    weights: str | None = None  # where the backbone's pretrained weights came from


class LabelCalibration(Record):
    """Per label: Platt slope and intercept, threshold, and the positives they rest on."""

    slope: list[float]
    intercept: list[float]
    threshold: list[float]
    operating_point: str = "f1"  # what the thresholds were chosen for
    positives: list[int]  # held-out images with the label

    @property
    def platt(self) -> Calibration:
        """The Platt scaling, as arrays."""
        return Calibration(np.array(self.slope), np.array(self.intercept), np.array(self.positives))


class AddedLabel(Record):
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
    AP: list[float] = []
    trials: int = 0
    kernel: float = 0.0
    probe_only: bool = False
    trained: bool = False


class Growth(Record):
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
    added: list[AddedLabel] = []
    outputs: list[list[int]]
    slope: list[float]
    intercept: list[float]

    def is_trained(self, label: int) -> bool:
        """Return whether every score of a label is one that the head was trained for."""
        return not any(map(self._is_new, self.outputs[label]))

    def is_added(self, label: int) -> bool:
        """Return whether every score of a label was added, none trained."""
        return all(map(self._is_new, self.outputs[label]))

    def _is_new(self, score: int) -> bool:
        place = score - len(self.head_labels)
        return place >= 0 and not self.added[place].trained


class KnownSettings(Record):
    """How known labels move the others; the defaults are those of a tagger without this entry."""

    # counts: by label pairs (imlgcn.labels.known); head: by a network that has them as an input
    by: Literal["counts", "head"] = "counts"
    beta: Annotated[float, Within(0)] = BETA
    surprise: Annotated[float, Within(0, 1)] = SURPRISE
    smoothing: Annotated[float, Above(0)] = SMOOTHING
    # by number of known positives, 0, 1, 2, 3 or more: see KnownCalibration
    slope: Annotated[list[float], Length(NUMBERS)] = [1.0] * NUMBERS
    offset: Annotated[list[float], Length(NUMBERS)] = [0.0] * NUMBERS

    @property
    def calibration(self) -> KnownCalibration:
        """What makes probabilities of updated logits, as arrays."""
        return KnownCalibration(np.array(self.slope), np.array(self.offset))


class TaggerInfo(Record):
    """The content of ``model.json``."""

    format: int = FORMAT
    labels: list[str]
    backbone: Part
    head: Part
    image: ImageSettings
    calibration: LabelCalibration
    known: KnownSettings | None = None  # of a tagger trained before there was such a thing
    metrics: dict[str, Any] = {}  # the headline numbers, with protocol
    versions: dict[str, str] = {}
    engine: str = "torch"  # what scored validation and test
    origin: dict[str, str] = {}  # of an imported checkpoint
    sha256: dict[str, str] = {}
    growth: Growth | None = None  # of a tagger whose labels have changed since it was trained

    def check(self) -> None:
        """Refuse calibrations that are not of each label."""
        for name in ("slope", "intercept", "threshold", "positives"):
            if (found := len(getattr(self.calibration, name))) != len(self.labels):
                raise InputError(
                    f"calibration.{name} has {found} values for {len(self.labels)} labels"
                )


def library_versions() -> dict[str, str]:
    """Return the versions of the libraries that a tagger's numbers depend on."""
    from importlib.metadata import version  # it takes its time to load

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
    except ParseError as error:
        raise _damaged(file, error) from None
    if isinstance(content, dict):
        content = upgrade_info(content, file)
    try:
        return TaggerInfo.model_validate(content)
    except InputError as error:
        raise _damaged(file, error) from None


def _damaged(file: Path, error: ValueError) -> InputError:
    return InputError(f"{file} is damaged ({error}); train anew or restore it")


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
