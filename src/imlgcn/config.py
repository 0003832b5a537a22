"""Settings that say what they are for, and the one kind of error that is meant for the user.

Every settings class is frozen, refuses unknown keys and names the nearest known one. This module imports no torch.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator


class InputError(ValueError):
    """What was expected, what came, and what to do next: one sentence a user can act on."""


def unknown_name(kind: str, given: str, known: Iterable[str]) -> InputError:
    """Return the error for a name that is not in a registry, with the nearest spelling.

    >>> str(unknown_name("head", "lienar", ["linear", "mlp"]))
    "unknown head 'lienar'; did you mean 'linear'? Known: linear, mlp"
    """
    names = sorted(known)
    near = difflib.get_close_matches(given, names, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return InputError(f"unknown {kind} {given!r}; {hint}Known: {', '.join(names)}")


class Settings(BaseModel):
    """Base of all settings: frozen, and an unknown key is an error that suggests the nearest name."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

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

    size: int = Field(224, ge=16, le=4096, description="side of the square input in pixels")
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)
    interpolation: Literal["bilinear", "bicubic", "lanczos"] = "bicubic"
    # pad keeps the aspect ratio (clip art, documents); squash is what the papers do on photographs
    fit: Literal["pad", "squash"] = "pad"
