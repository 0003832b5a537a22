"""Settings with the reasons for their defaults, and the one error meant for users.

Every settings class is frozen, refuses unknown keys and names the nearest known one.
This module imports no torch.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from imlgcn.parsing import ParseError, parse_yaml


class InputError(ValueError):
    """What was expected, what was given, and what to do next, in one sentence."""

    exit_code = 2  # of the command line


class NoticeWarning(UserWarning):
    """What a user should know of and that stops nothing; the command line writes it on one line."""


CONTROL = "linear"  # the head that every other is trained beside and compared with
MOST = 1_000_000  # of whatever is counted: epochs, images of a batch, dimensions
AUTO = "auto"  # not a head: the best of those that declare themselves candidates


def unknown_name(kind: str, given: str, known: Iterable[str]) -> InputError:
    """Return the error for a name that is not in a registry, with the nearest spelling.

    >>> str(unknown_name("head", "lienar", ["linear", "mlp"]))
    "unknown head 'lienar'; did you mean 'linear'? Known: linear, mlp"
    """
    names = sorted(known)
    hint = nearest(given, names).removeprefix("; ")
    return InputError(f"unknown {kind} {given!r}; {hint and hint + ' '}Known: {', '.join(names)}")


def nearest(given: str, known: Iterable[str]) -> str:
    """Return a question with the nearest of the known spellings, or nothing.

    >>> nearest("lienar", ["linear", "mlp"]), nearest("xyz", ["linear", "mlp"])
    ("; did you mean 'linear'?", '')
    """
    near = difflib.get_close_matches(given, sorted(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


class Settings(BaseModel):
    """Base of all settings: frozen; an unknown key is an error that suggests the nearest name."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False
    )

    @model_validator(mode="before")
    @classmethod
    def _name_the_nearest_key(cls, values: Any) -> Any:
        if isinstance(values, dict):
            for key in values:
                if key not in cls.model_fields:
                    raise unknown_name("setting", str(key), cls.model_fields)
        return values


class ImageSettings(Settings):
    """How an image becomes network input; comes from the backbone and is stored in the tagger."""

    size: int = Field(224, ge=16, le=4096, description="network input size in pixels")
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)
    interpolation: Literal["bilinear", "bicubic", "lanczos"] = "bicubic"
    # pad keeps the aspect ratio (clip art, documents); squash is what the papers do on photographs
    fit: Literal["pad", "squash"] = "pad"


class LossSettings(Settings):
    """The training loss; ``options`` are the keyword arguments of the class in `imlgcn.losses`."""

    name: str = "asymmetric"
    # the values of ASL's own training script, summed over images and labels
    options: dict[str, float | bool | str] = Field(default_factory=dict)


class HeadTraining(Settings):
    """Training of a head on features that do not change (frozen backbone)."""

    epochs: int = Field(30, ge=1, le=MOST)
    learning_rate: float = Field(3e-3, gt=0)  # maximum of OneCycle
    weight_decay: float = Field(3.0, ge=0)  # AdamW, matrices only; strong, or the head overfits
    batch_size: int = Field(128, ge=1, le=MOST)


class FineTuning(Settings):
    """Training of backbone and head together (``--fine-tune``)."""

    epochs: int = Field(2, ge=1, le=MOST)  # in stage 1 and again in stage 3
    learning_rate: float = Field(2e-4, gt=0)
    weight_decay: float = Field(1e-4, ge=0)  # matrices only, as in ASL's recipe
    batch_size: int = Field(32, ge=1, le=MOST)  # of a step, by all processes together
    accumulate: int = Field(1, ge=1, le=MOST)  # parts of it, one after another: less memory
    ema_decay: float = Field(0.9997, ge=0, lt=1)  # reached by warm-up: small runs average less
    clip_gradient: float | None = Field(10.0, gt=0)  # largest global norm (ML-GCN's value)
    # batch-norm statistics of small data are noise: None freezes them below SMALL_DATA images
    freeze_batch_norm: bool | None = None
    rand_augment: int = Field(9, ge=0, le=30)  # magnitude; 0 switches it off
    cutout: float = Field(0.5, ge=0, le=1)  # largest side of the box, fraction of the image
    flip: float = Field(0.5, ge=0, le=1)  # probability of a horizontal flip
    workers: int = Field(2, ge=0, le=1024)  # processes that decode and augment


class EmbeddingSettings(Settings):
    """How the image-based label embeddings F_I and F_PCA are computed (no source documents it)."""

    images: Literal["all", "sole", "weighted"] = "all"
    centred: bool = True
    unit_rms: bool = True
    dimension: int | None = Field(None, ge=1, le=MOST)  # of F_PCA; None = all that carry variance
    whiten: bool = False  # F_PCA: every component with the same variance
    words: str | None = None  # a GloVe text file; None = the package of the [words] extra


SMALL_DATA = 20_000  # training images below which the preset `small` is chosen


class TrainSettings(Settings):
    """Everything that decides a training run besides the data; written to ``config.yaml``."""

    head: str = AUTO
    head_options: dict[str, Any] = Field(default_factory=dict)
    backbone: str = "efficientnet_lite0"
    weights: str | None = None  # a file; None = embedded package or timm hub
    size: int | None = Field(None, ge=16, le=4096)  # None = what the backbone was trained on
    fit: Literal["pad", "squash"] = "pad"
    preset: Literal["small", "paper"] = "small"
    fine_tune: bool = False
    refit: bool = (
        True  # the final head learns the validation images too; see imlgcn.training.held_out
    )
    # what an unknown target is where it is learnt; nothing is ever judged by one
    unknown_as: Literal["ignore", "negative"] = "ignore"
    seed: int = Field(0, ge=0, lt=2**63)
    strict: bool = False  # an unreadable image is an error, not a skipped row
    threshold: str = "f1"
    # names, features and targets of the fitted images, for explain: what one would not pass on
    keep_support: bool = True
    keep_thumbnails: bool = False  # small pictures of the strongest of them, beside their names
    loss: LossSettings = LossSettings()
    label_embeddings: EmbeddingSettings = EmbeddingSettings()
    linear_training: HeadTraining = HeadTraining()  # stage 1, the control of every other head
    head_training: HeadTraining = HeadTraining(epochs=40, weight_decay=1.0)  # stage 3
    fine_tuning: FineTuning = FineTuning()


def train_settings(*layers: Mapping[str, Any], preset: str = "small") -> TrainSettings:
    """Merge ``layers`` (later ones win, nested keys one by one) over the preset's defaults.

    Raises :class:`InputError` that names the key for an unknown setting or a value out of range.
    """
    if preset not in PRESETS:
        raise unknown_name("preset", preset, PRESETS)
    merged: dict[str, Any] = dict(PRESETS[preset])
    for layer in layers:
        if _loss_name(layer) not in (None, _loss_name(merged) or LossSettings().name):
            merged.pop("loss", None)  # options belong to one loss
        merged = merge_settings(merged, layer)
    merged["preset"] = preset
    try:
        return TrainSettings.model_validate(merged)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "value_error":
            where = f"in {key!r}: " if key else ""
            raise InputError(f"{where}{first['ctx']['error']}") from None
        message = first["msg"].replace("Input should be", "expected")
        raise InputError(f"setting {key!r}: {message}; got {first['input']!r}") from None


def _loss_name(layer: Mapping[str, Any]) -> object:
    loss = layer.get("loss")
    return loss.get("name") if isinstance(loss, Mapping) else None


# `small` are mostly the defaults above. `paper` is ASL's recipe around ML-GCN's label branch:
# uncentred F_PCA with one dimension per label, images squashed. Heads carry their own part.
PRESETS: dict[str, dict[str, Any]] = {
    # gamma_neg 2 (ASL: 4): on small data better F1 and mAP, by cross-validation on validation
    "small": {"loss": {"options": {"gamma_neg": 2.0}}},
    "paper": {
        "fit": "squash",
        "label_embeddings": {"centred": False, "unit_rms": False},
        "linear_training": {"epochs": 30, "learning_rate": 1e-3, "weight_decay": 1e-4},
        "head_training": {"epochs": 40, "learning_rate": 1e-3, "weight_decay": 1e-4},
        "fine_tuning": {"epochs": 40, "learning_rate": 1e-4, "batch_size": 128},
    },
}


def parse_setting(text: str) -> dict[str, Any]:
    """Turn ``key.sub=value`` (value in YAML) into a nested dict.

    >>> parse_setting("linear_training.epochs=5")
    {'linear_training': {'epochs': 5}}
    """
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise InputError(f"a setting is KEY=VALUE, such as linear_training.epochs=20; got {text!r}")
    try:
        nested: Any = parse_yaml(value)
    except ParseError as error:
        raise InputError(
            f"the setting {text}: the value is not YAML ({error}); put it in quotes"
        ) from None
    for part in reversed(key.strip().split(".")):
        nested = {part: nested}
    return dict(nested)


def merge_settings(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Return the layers as one nested dict; later ones win, key by key.

    >>> merge_settings({"loss": {"name": "focal"}}, {"loss": {"options": {"gamma": 2}}})
    {'loss': {'name': 'focal', 'options': {'gamma': 2}}}
    """
    result: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            old = result.get(key)
            if isinstance(old, Mapping) and isinstance(value, Mapping):
                value = merge_settings(old, value)
            result[key] = value
    return result
