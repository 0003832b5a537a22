"""Schemas of requests that change what is served, and of their answers."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from imlgcn.serve.schema import IMAGE, LabelItem
from imlgcn.tagger.folder import WEIGHTS


class ReloadAnswer(BaseModel):
    """The tagger that has taken over."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"labels": 40, "sha256": {WEIGHTS: "0f3a..."}}}
    )
    labels: int = Field(description="how many")
    sha256: dict[str, str] = Field(description="of the network and the files exported from it")


class AddedAnswer(ReloadAnswer):
    """A new label and what to expect of it."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "label": "lighthouse",
                "images": 5,
                "expectation": "learnt from 5 images; expect an average precision of about ...",
                "expected_AP": [0.4, 0.53, 0.67],
                "labels": 41,
                "sha256": {WEIGHTS: "7c10..."},
            }
        }
    )
    label: str
    images: int = Field(description="that show it, those of earlier requests included")
    expectation: str = Field(description="in words")
    expected: list[float] | None = Field(
        alias="expected_AP",
        description="lower quartile, median and upper quartile of labels that were tried as new "
        "ones; null: too few to say",
    )


class ChangedAnswer(ReloadAnswer):
    """The change that was made."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "done": "merge car, automobile into car",
                "labels": 39,
                "sha256": {WEIGHTS: "9b41..."},
            }
        }
    )
    done: str


class AuditAnswer(BaseModel):
    """The corrected data."""

    changed: int = Field(description="how many labels of images")
    file: str = Field(description="the name of the new CSV")
    says: str = Field(description="the same in words")


class UndoAnswer(ReloadAnswer):
    """The change that was taken back."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "taken_back": "add lighthouse",
                "labels": 40,
                "sha256": {WEIGHTS: "0f3a..."},
            }
        }
    )
    taken_back: str


class TableAnswer(BaseModel):
    """The labels with another table; with `keep`, the change that was made."""

    labels: list[LabelItem]
    thresholds: dict[str, Any] | None = Field(description="as /v1/thresholds; null: no scores")


GROW_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "One image that shows the label as the body, or images as the files of a "
        "form; those named `not` do not show it.",
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "image": {"type": "array", "items": IMAGE["schema"]},
                        "not": {"type": "array", "items": IMAGE["schema"]},
                    },
                }
            },
            "image/*": IMAGE,
            "application/octet-stream": IMAGE,
        },
    }
}
TABLE_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "The file that `--label-table` takes.",
        "content": {"text/csv": {"schema": {"type": "string"}}},
    }
}
